//! The endpoint that opens sockets: from HTTP to a socket (RFC 6455, section 4.2): the last answer that a connection gets as HTTP.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use domain::Origin;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Version, header};
use sha1::{Digest, Sha1};

use crate::errors::{ApiError, ErrorCode};
use crate::http::engine::call::Call;
use crate::http::engine::query::Query;
use crate::http::engine::reply::Reply;
use crate::http::table::{AnswerDoc, BodyKind, Doc, Rate, Route, Row, Target, Who};
use crate::rates::{Key, headers_of_taken};
use crate::socket::Handover;

/// The row of the socket. Its origin was judged against all sites' lists; hello judges it against one.
pub const ROUTES: &[Route] = &[Route {
    row: Row {
        method: Method::GET,
        path: "/api/v1/chat/socket",
        target: Target::Open,
        who: Who::Socket,
        rates: &[Rate::Sockets],
        body: BodyKind::None,
        doc: Doc {
            summary: "Open a socket",
            tag: "socket",
            answers: &[AnswerDoc {
                status: 101,
                description: "Frames are JSON texts of the subprotocol `switchboard.v1`; the first is `hello`.",
                body: None,
            }],
            errors: &[ErrorCode::UpgradeRequired, ErrorCode::InvalidHeader, ErrorCode::RateLimited],
            ..Doc::NONE
        },
    },
    handler: |call| Box::pin(async move { upgrade(&call) }),
}];

/// The only subprotocol.
pub const SUBPROTOCOL: &str = "switchboard.v1";
const VERSION: HeaderValue = HeaderValue::from_static("13");
const WEBSOCKET: HeaderValue = HeaderValue::from_static("websocket");
/// Until it is worth trying again for a place among an address's sockets.
const SEAT_WAIT: Duration = Duration::from_secs(5);
/// What a server proves with that it speaks the protocol (RFC 6455, section 1.3).
const ACCEPT_GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

fn upgrade(call: &Call) -> Result<Reply, ApiError> {
    Query::parse(&call.query)?.finish()?;
    let headers = &call.headers;
    let asks = call.version >= Version::HTTP_11
        && lists(headers, &header::UPGRADE, "websocket")
        && lists(headers, &header::CONNECTION, "upgrade");
    if !asks {
        let error = ApiError::new(ErrorCode::UpgradeRequired, "this path speaks WebSocket");
        return Err(error.with_header(header::UPGRADE, WEBSOCKET));
    }
    if headers.get(header::SEC_WEBSOCKET_VERSION) != Some(&VERSION) {
        let error = ApiError::new(ErrorCode::UpgradeRequired, "the version of WebSocket must be 13");
        return Err(error.with_header(header::SEC_WEBSOCKET_VERSION, VERSION));
    }
    let key = headers.get(header::SEC_WEBSOCKET_KEY).filter(|key| is_key(key)).ok_or_else(|| {
        ApiError::new(ErrorCode::InvalidHeader, "Sec-WebSocket-Key must be 16 bytes in base64")
    })?;
    let max = call.app.config.limits.sockets_per_address;
    let seat = call.app.socket_seats.take(Key::of_address(call.peer), max).ok_or_else(|| {
        ApiError::rate_limited("too many sockets from this address", SEAT_WAIT)
            .with_headers(headers_of_taken("sockets", max, SEAT_WAIT))
    })?;
    let origin = headers.get(header::ORIGIN).and_then(|value| value.to_str().ok());
    let reply = Reply::switching(Handover {
        peer: call.peer,
        origin: origin.and_then(|origin| Origin::listed(origin).ok()),
        request_id: call.request_id.clone(),
        seat,
    })
    .with_header(header::CONNECTION, HeaderValue::from_static("Upgrade"))
    .with_header(header::UPGRADE, WEBSOCKET)
    .with_header(header::SEC_WEBSOCKET_ACCEPT, accept(key));
    // A browser closes a socket whose answer does not name what it asked for; a client that asked for nothing is served too.
    if lists(headers, &header::SEC_WEBSOCKET_PROTOCOL, SUBPROTOCOL) {
        return Ok(reply.with_header(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL)));
    }
    Ok(reply)
}

/// One of the header's comma-separated words is `word`, whatever its case.
fn lists(headers: &HeaderMap, name: &HeaderName, word: &str) -> bool {
    let lines = headers.get_all(name).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).any(|given| given.trim().eq_ignore_ascii_case(word))
}

fn is_key(key: &HeaderValue) -> bool {
    STANDARD.decode(key.as_bytes()).is_ok_and(|bytes| bytes.len() == 16)
}

fn accept(key: &HeaderValue) -> HeaderValue {
    let hash = Sha1::new().chain_update(key.as_bytes()).chain_update(ACCEPT_GUID).finalize();
    HeaderValue::try_from(STANDARD.encode(hash)).expect("base64 is a header value")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_answered_as_in_the_rfc() {
        let key = HeaderValue::from_static("dGhlIHNhbXBsZSBub25jZQ==");
        assert!(is_key(&key) && !is_key(&HeaderValue::from_static("dGhl")));
        assert_eq!(accept(&key), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn words_are_found_in_lists_without_case() {
        let headers =
            HeaderMap::from_iter([(header::CONNECTION, HeaderValue::from_static("keep-alive, UPGRADE"))]);
        assert!(lists(&headers, &header::CONNECTION, "upgrade"));
        assert!(!lists(&headers, &header::CONNECTION, "up"));
    }
}
