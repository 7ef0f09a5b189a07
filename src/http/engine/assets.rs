//! Files and pages that are served from the binary, with their version and a strict security policy.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use sha2::{Digest, Sha256};

use crate::http::engine::etag::ETag;
use crate::http::engine::reply::Reply;

const REFERRER: HeaderValue = HeaderValue::from_static("no-referrer");
/// Kept by browsers, and asked for again each time: the answer is mostly a 304.
const REVALIDATE: HeaderValue = HeaderValue::from_static("no-cache");
const PERMISSIONS_POLICY: HeaderName = HeaderName::from_static("permissions-policy");

/// Something to be served as it is.
pub struct Asset {
    content_type: HeaderValue,
    policy: Option<HeaderValue>,
    etag: ETag,
    bytes: Bytes,
}

impl Asset {
    /// A document that no browser shows.
    pub fn data(content_type: &'static str, bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        let content_type = HeaderValue::from_static(content_type);
        Self { content_type, policy: None, etag: ETag::of_bytes(&bytes), bytes }
    }

    /// A page, or a file that belongs to one; `policy` says what it may load.
    pub fn page(content_type: &'static str, policy: &Policy, bytes: impl Into<Bytes>) -> Self {
        Self { policy: Some(policy.0.clone()), ..Self::data(content_type, bytes) }
    }

    /// The answer; without a body when the client has it.
    pub fn reply(&self, asked: &HeaderMap) -> Reply {
        let mut reply = Reply::bytes(StatusCode::OK, self.content_type.clone(), self.bytes.clone())
            .with_header(header::CACHE_CONTROL, REVALIDATE);
        if let Some(policy) = &self.policy {
            reply = reply
                .with_header(header::CONTENT_SECURITY_POLICY, policy.clone())
                .with_header(header::REFERRER_POLICY, REFERRER)
                .with_header(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"))
                .with_header(
                    PERMISSIONS_POLICY,
                    HeaderValue::from_static("camera=(), microphone=(), geolocation=()"),
                );
        }
        reply.with_etag(&self.etag, asked)
    }
}

/// A content security policy: nothing may be loaded but what it names.
pub struct Policy(HeaderValue);

impl Policy {
    /// One page alone, with this style in it and nothing from elsewhere.
    pub fn of_style(style: &str) -> Self {
        let hash = STANDARD.encode(Sha256::digest(style));
        Self::new(&format!("style-src 'sha256-{hash}'"))
    }

    /// Scripts, styles and pictures of this server, which may talk to `origins`, by socket too.
    pub fn of_own<'a>(origins: impl IntoIterator<Item = &'a str>) -> Self {
        // Older browsers do not take 'self' for a socket's scheme.
        let sockets: Vec<String> =
            origins.into_iter().map(|origin| origin.replacen("http", "ws", 1)).collect();
        Self::new(&format!(
            "script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self' {}",
            sockets.join(" ")
        ))
    }

    fn new(allowed: &str) -> Self {
        let policy = format!(
            "default-src 'none'; {allowed}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
             require-trusted-types-for 'script'; trusted-types 'none'"
        );
        Self(HeaderValue::try_from(policy).expect("origins and hashes are header values"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_says_what_it_may_load_and_is_sent_once() {
        let policy = Policy::of_own(["https://chat.example.org"]);
        let page = Asset::page("text/html; charset=utf-8", &policy, "<p>");
        let reply = page.reply(&HeaderMap::new());
        let policy = reply.header(&header::CONTENT_SECURITY_POLICY).unwrap().to_str().unwrap();
        assert!(
            policy.starts_with("default-src 'none'; ") && policy.contains("wss://chat.example.org;"),
            "{policy}"
        );
        assert!(policy.ends_with("; require-trusted-types-for 'script'; trusted-types 'none'"), "{policy}");
        let etag = reply.header(&header::ETAG).unwrap().clone();
        let again = page.reply(&HeaderMap::from_iter([(header::IF_NONE_MATCH, etag)]));
        assert_eq!((again.status(), again.text().as_str()), (StatusCode::NOT_MODIFIED, ""));
    }
}
