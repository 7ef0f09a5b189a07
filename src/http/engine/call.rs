//! A judged request, as handlers get it.

use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Version, header};
use identity::Caller;
use serde::de::DeserializeOwned;
use store::ConversationKey;
use tokio::time::Instant;

use crate::app::App;
use crate::errors::RequestId;
use crate::errors::{ApiError, ErrorCode};
use crate::http::engine::body::Body;
use crate::http::table::{BodyKind, Params, Row};
use crate::strict_json;

/// A body that takes longer than this gives time to revoke the credential that was judged before it.
const SLOW: Duration = Duration::from_millis(100);

/// A judged request: all that a handler needs.
pub struct Call {
    /// What handlers share.
    pub app: Arc<App>,
    /// The row of the table that it matched.
    pub row: &'static Row,
    /// The caller, admitted by the row.
    pub caller: Caller,
    /// What stands in the path.
    pub params: Params,
    /// What stands after the `?`; read it with [`crate::http::engine::query::Query`].
    pub query: String,
    /// Not read yet.
    pub body: Body,
    /// As they came.
    pub headers: HeaderMap,
    /// The client's address, through trusted proxies.
    pub peer: IpAddr,
    /// HTTP/1.0 or 1.1.
    pub version: Version,
    /// The request's name.
    pub request_id: RequestId,
}

impl Call {
    /// Reads the body as JSON: media type (415), syntax (400), then schema (422). What may be missing altogether
    /// counts as `{}`.
    ///
    /// # Errors
    /// Those of [`Self::body_bytes`], `INVALID_JSON` and `VALIDATION_FAILED`. Where the path names a conversation, a caller
    /// who does not see it is told of none of them: the row's [`crate::http::table::Target`] sees to it.
    pub async fn json<T: DeserializeOwned>(&mut self) -> Result<T, ApiError> {
        let body = self.body_bytes().await?;
        Ok(strict_json::parse(&body)?)
    }

    /// The body's bytes, after its media type was checked; [`strict_json::parse`] makes a type of them that borrows.
    ///
    /// # Errors
    /// Those of the body; `UNSUPPORTED_MEDIA_TYPE`; after a slow body those of [`Self::recheck`].
    pub async fn body_bytes(&mut self) -> Result<Bytes, ApiError> {
        let begun = Instant::now();
        let body = self.body.read().await?;
        if begun.elapsed() >= SLOW {
            self.recheck().await?;
        }
        if body.is_empty() && self.row.body == BodyKind::OptionalJson {
            return Ok(Bytes::from_static(b"{}"));
        }
        check_not_encoded(&self.headers)?;
        if !is_json(&self.headers) {
            let message = "the body must be JSON, and the header say so: Content-Type: application/json";
            return Err(ApiError::new(ErrorCode::UnsupportedMediaType, message));
        }
        Ok(body)
    }

    /// Asks again who the caller is, after a wait in which the credential may have been revoked.
    ///
    /// # Errors
    ///
    /// As a request with the credential would be refused now.
    pub async fn recheck(&mut self) -> Result<(), ApiError> {
        self.caller = self.app.identity.still_valid(&self.caller).await?;
        self.row.who.admits(&self.caller)
    }

    /// The conversation in the path, in the caller's workspace.
    ///
    /// # Errors
    /// `NOT_FOUND` when the caller has no workspace, or the path no id.
    pub fn conversation(&self) -> Result<ConversationKey, ApiError> {
        let workspace = self.caller.workspace().ok_or_else(ApiError::not_found)?;
        Ok(ConversationKey { workspace, conversation: self.id("id")? })
    }

    /// An id in the path. What is not one names nothing: 404.
    ///
    /// # Errors
    /// `NOT_FOUND`.
    pub fn id<T: FromStr>(&self, name: &str) -> Result<T, ApiError> {
        self.params.get(name).and_then(|text| text.parse().ok()).ok_or_else(ApiError::not_found)
    }
}

/// Bodies are read as they come: nothing is unpacked, so that a small body never becomes a large one.
///
/// # Errors
///
/// `UNSUPPORTED_MEDIA_TYPE` when the body is in any content coding (RFC 9110, section 8.4).
pub(crate) fn check_not_encoded(headers: &HeaderMap) -> Result<(), ApiError> {
    let is_plain = |coding: &http::HeaderValue| coding.as_bytes().eq_ignore_ascii_case(b"identity");
    if headers.get_all(header::CONTENT_ENCODING).iter().all(is_plain) {
        return Ok(());
    }
    let message = "the body must be sent without a content-encoding";
    Err(ApiError::new(ErrorCode::UnsupportedMediaType, message))
}

/// `application/json`, with no charset or UTF-8.
fn is_json(headers: &HeaderMap) -> bool {
    let Some(given) = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()) else {
        return false;
    };
    if given == "application/json" {
        return true;
    }
    let (media_type, parameters) = given.split_once(';').unwrap_or((given, ""));
    let parameter = parameters.trim();
    let charset =
        parameter.split_once('=').map(|(name, value)| (name.trim(), value.trim().trim_matches('"')));
    media_type.trim().eq_ignore_ascii_case("application/json")
        && match charset {
            None => parameter.is_empty(),
            Some((name, value)) => {
                name.eq_ignore_ascii_case("charset") && value.eq_ignore_ascii_case("utf-8")
            }
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_json_in_utf_8_is_json() {
        for (given, passes) in [
            ("application/json", true),
            ("Application/JSON; charset=UTF-8", true),
            ("application/json;charset=\"utf-8\"", true),
            ("application/json;", true),
            ("application/json; charset=latin1", false),
            ("application/json; x", false),
            ("text/json", false),
            ("application/jsonp", false),
            ("", false),
        ] {
            let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, given.parse().unwrap())]);
            assert_eq!(is_json(&headers), passes, "{given}");
        }
        assert!(!is_json(&HeaderMap::new()));
    }

    #[test]
    fn a_body_that_is_packed_is_not_taken() {
        let check = |codings: &[&str]| {
            let mut headers = HeaderMap::new();
            for coding in codings {
                headers.append(header::CONTENT_ENCODING, coding.parse().unwrap());
            }
            check_not_encoded(&headers).map_err(|error| error.code())
        };
        for plain in [&[] as &[&str], &["identity"], &["Identity"], &["identity", "identity"]] {
            assert_eq!(check(plain), Ok(()), "{plain:?}");
        }
        for packed in [
            &["gzip"] as &[&str],
            &["GZIP"],
            &["x-gzip"],
            &["br"],
            &["deflate"],
            &["zstd"],
            &["compress"],
            &["identity", "gzip"],
            &["gzip, identity"],
            &["aes128gcm"],
            &[""],
        ] {
            assert_eq!(check(packed), Err(ErrorCode::UnsupportedMediaType), "{packed:?}");
        }
    }
}
