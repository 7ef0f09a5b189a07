//! Versions of what is answered, for `ETag`, `If-None-Match` and `If-Match` (RFC 9110, section 8.8.3).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, HeaderValue, header};
use sha2::{Digest, Sha256};

use crate::errors::{ApiError, ErrorCode};

/// A strong entity tag, with its quotes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ETag(HeaderValue);

impl ETag {
    /// Of a document that counts its versions.
    pub fn of_version(version: u64) -> Self {
        Self(HeaderValue::try_from(format!("\"{version}\"")).expect("digits are a header value"))
    }

    /// Of bytes: the same bytes have the same tag on every node.
    pub fn of_bytes(bytes: &[u8]) -> Self {
        let hash = URL_SAFE_NO_PAD.encode(&Sha256::digest(bytes)[..18]);
        Self(HeaderValue::try_from(format!("\"{hash}\"")).expect("base64 is a header value"))
    }

    /// For the `ETag` header.
    pub fn header_value(&self) -> HeaderValue {
        self.0.clone()
    }

    /// `If-None-Match` names it: the client has what it would get.
    pub fn is_known_by(&self, asked: &HeaderMap) -> bool {
        let mut tags = asked.get_all(header::IF_NONE_MATCH).iter().flat_map(listed);
        tags.any(|tag| tag == "*" || self.is(tag.strip_prefix("W/").unwrap_or(tag)))
    }

    /// Obeys `If-Match` when it is sent: 412 unless it names this version.
    ///
    /// # Errors
    /// `PRECONDITION_FAILED`.
    pub fn check_if_match(&self, asked: &HeaderMap) -> Result<(), ApiError> {
        let mut given = asked.get_all(header::IF_MATCH).iter().peekable();
        if given.peek().is_none() || given.flat_map(listed).any(|tag| tag == "*" || self.is(tag)) {
            return Ok(());
        }
        Err(ApiError::new(ErrorCode::PreconditionFailed, "it was changed since: read it again"))
    }

    fn is(&self, tag: &str) -> bool {
        self.0.as_bytes() == tag.as_bytes()
    }
}

/// The tags of one header line. None of ours holds a comma, so a foreign one that does is merely not ours.
fn listed(line: &HeaderValue) -> impl Iterator<Item = &str> {
    line.to_str().unwrap_or_default().split(',').map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asking(name: header::HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_str(value).unwrap())])
    }

    #[test]
    fn a_known_version_is_found_in_a_list_weak_or_strong() {
        let tag = ETag::of_version(7);
        for (line, known) in
            [("\"7\"", true), ("\"6\", W/\"7\"", true), ("*", true), ("7", false), ("\"77\"", false)]
        {
            assert_eq!(tag.is_known_by(&asking(header::IF_NONE_MATCH, line)), known, "{line}");
        }
        assert!(!tag.is_known_by(&HeaderMap::new()));
    }

    #[test]
    fn if_match_is_obeyed_only_when_sent_and_never_weakly() {
        let tag = ETag::of_version(7);
        assert!(tag.check_if_match(&HeaderMap::new()).is_ok());
        for (line, passes) in
            [("\"7\"", true), ("\"6\",\"7\"", true), ("*", true), ("W/\"7\"", false), ("\"6\"", false)]
        {
            assert_eq!(tag.check_if_match(&asking(header::IF_MATCH, line)).is_ok(), passes, "{line}");
        }
    }
}
