//! What the server says of itself: the API document, the page that shows it, the front page, and in a demo its files.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use http::{HeaderValue, Method, header};

use crate::errors::ApiError;
use crate::http::documents::SESSION;
use crate::http::engine::call::Call;
use crate::http::engine::reply::Reply;
use crate::http::table::{
    AnswerDoc, BodyKind, Doc, HeaderDoc, JSON, Rate, Route, Row, SchemaOf, Target, Who,
};

const HTML: &str = "text/html; charset=utf-8";
/// By what the file is.
const ANY: &str = "*/*";

/// The rows of these pages.
pub const ROUTES: &[Route] = &[
    Route {
        row: Row {
            method: Method::GET,
            path: "/",
            target: Target::Open,
            who: Who::Open,
            rates: &[Rate::Reads],
            body: BodyKind::None,
            doc: Doc {
                summary: "Show what runs here",
                tag: "documents",
                answers: &[AnswerDoc {
                    status: 200,
                    description: "A page; in a demo, the demo.",
                    body: Some(SchemaOf::bytes(HTML)),
                }],
                headers: &[HeaderDoc::IfNoneMatch],
                ..Doc::NONE
            },
        },
        handler: |call| Box::pin(async move { Ok(call.app.documents.home.reply(&call.headers)) }),
    },
    Route {
        row: Row {
            method: Method::GET,
            path: "/docs",
            target: Target::Open,
            who: Who::Open,
            rates: &[Rate::Reads],
            body: BodyKind::None,
            doc: Doc {
                summary: "Show the API",
                tag: "documents",
                answers: &[AnswerDoc {
                    status: 200,
                    description: "A page.",
                    body: Some(SchemaOf::bytes(HTML)),
                }],
                headers: &[HeaderDoc::IfNoneMatch],
                ..Doc::NONE
            },
        },
        handler: |call| Box::pin(async move { Ok(call.app.documents.docs.reply(&call.headers)) }),
    },
    Route {
        row: Row {
            method: Method::GET,
            path: "/api/v1/openapi.json",
            target: Target::Open,
            who: Who::Open,
            rates: &[Rate::Reads],
            body: BodyKind::None,
            doc: Doc {
                summary: "Read the API document",
                tag: "documents",
                answers: &[AnswerDoc {
                    status: 200,
                    description: "OpenAPI 3.1.",
                    body: Some(SchemaOf::bytes(JSON)),
                }],
                headers: &[HeaderDoc::IfNoneMatch],
                ..Doc::NONE
            },
        },
        handler: |call| Box::pin(async move { Ok(call.app.documents.openapi.reply(&call.headers)) }),
    },
    Route {
        row: Row {
            method: Method::GET,
            path: "/demo/{file}",
            target: Target::Open,
            who: Who::Open,
            rates: &[Rate::Reads],
            body: BodyKind::None,
            doc: Doc {
                summary: "Read a file of the demo's page",
                tag: "documents",
                answers: &[AnswerDoc {
                    status: 200,
                    description: "The file; only in a demo.",
                    body: Some(SchemaOf::bytes(ANY)),
                }],
                headers: &[HeaderDoc::IfNoneMatch],
                ..Doc::NONE
            },
        },
        handler: |call| Box::pin(async move { demo_file(&call) }),
    },
];

fn demo_file(call: &Call) -> Result<Reply, ApiError> {
    let name = call.params.get("file").unwrap_or_default();
    if name == SESSION && !(is_own_host(call) && is_own_page(call)) {
        return Err(ApiError::forbidden("the demo's log-ins are given to this server's own pages alone"));
    }
    let file = call.app.documents.demo_file(name).ok_or_else(ApiError::not_found)?;
    Ok(file.reply(&call.headers))
}

/// The request names this server as its own pages do, or by a name of this machine. A page whose name was made to lead here
/// sends its own name, and must not get what this file holds.
fn is_own_host(call: &Call) -> bool {
    let Some(host) = call.headers.get(header::HOST).and_then(|host| host.to_str().ok()) else { return false };
    let host = host.to_ascii_lowercase();
    let own = call.app.origins.own().iter().filter_map(|origin| origin.split_once("://"));
    own.into_iter().any(|(_, own)| *own == *host) || is_loopback(&host)
}

/// No page of another origin asks, as far as a browser says it. A program says nothing, and may ask.
fn is_own_page(call: &Call) -> bool {
    let host = call.headers.get(header::HOST).map_or(b"".as_slice(), HeaderValue::as_bytes);
    // The host was found to be one of this server's names.
    let own_origin = |origin: &HeaderValue| {
        let named = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
        named.is_some_and(|(_, named)| named.as_bytes().eq_ignore_ascii_case(host))
    };
    let from_here = |site: &HeaderValue| [b"same-origin".as_slice(), b"none"].contains(&site.as_bytes());
    call.headers.get_all(header::ORIGIN).iter().all(own_origin)
        && call.headers.get_all("sec-fetch-site").iter().all(from_here)
}

/// `localhost`, `127.0.0.1`, `[::1]`, with any port.
fn is_loopback(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        Some(_) | None => host,
    };
    let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
    let address = match bare {
        Some(v6) => v6.parse::<Ipv6Addr>().map(IpAddr::V6),
        None => name.parse::<Ipv4Addr>().map(IpAddr::V4),
    };
    name == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_are_loopback() {
        for host in
            ["localhost", "localhost:8080", "127.0.0.1", "127.0.0.1:1", "127.9.9.9:80", "[::1]", "[::1]:8080"]
        {
            assert!(is_loopback(host), "{host}");
        }
        for host in [
            "",
            ":80",
            "evil.example",
            "evil.example:8080",
            "localhost.evil.example",
            "evil-localhost",
            "127.0.0.1.evil.example:8080",
            "10.0.0.1:8080",
            "[::2]:8080",
            "[::1].evil.example",
            "::1",
            "localhost:80:80",
            "localhost:x",
            "user@localhost",
        ] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
