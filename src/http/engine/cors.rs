//! Cross-origin requests: the origin that a browser sends, preflights, and what lets a page read an answer.

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};

use super::reply::Reply;
use crate::errors::{ApiError, ErrorCode};

/// For how long a browser may keep the answer to a preflight, in seconds.
const PREFLIGHT_S: &str = "600";

const REQUEST_HEADERS: &str = "authorization, content-type, x-site-key, x-request-id, idempotency-key, if-match, \
                               if-none-match, range, traceparent";
const ANSWER_HEADERS: HeaderValue = HeaderValue::from_static(
    "etag, retry-after, ratelimit, ratelimit-policy, x-request-id, x-stale, content-disposition",
);

/// The origin that the browser says the page has; none: it is no browser, or the page is our own.
pub(crate) fn origin_of(headers: &HeaderMap) -> Result<Option<&HeaderValue>, ApiError> {
    let mut given = headers.get_all(header::ORIGIN).iter();
    let origin = given.next();
    if given.next().is_some() {
        return Err(ApiError::new(ErrorCode::InvalidHeader, "there must be one Origin header"));
    }
    Ok(origin)
}

/// A page of this origin may not ask this.
pub(crate) fn refused() -> ApiError {
    ApiError::new(ErrorCode::OriginNotAllowed, "pages of this origin may not ask this")
}

/// The method that a preflight asks for; none: it is no preflight.
pub(crate) fn preflight_method(headers: &HeaderMap) -> Option<Method> {
    let asked = headers.get(header::ACCESS_CONTROL_REQUEST_METHOD)?;
    Method::from_bytes(asked.as_bytes()).ok()
}

/// The answer to a preflight from a page that may ask: `methods` are those of the path.
pub(crate) fn preflight(methods: &str) -> Reply {
    let methods = HeaderValue::try_from(methods).expect("the names of methods are a header value");
    Reply::empty(StatusCode::NO_CONTENT)
        .with_header(header::ACCESS_CONTROL_ALLOW_METHODS, methods)
        .with_header(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(REQUEST_HEADERS))
        .with_header(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static(PREFLIGHT_S))
}

/// What lets a page of `origin` read an answer. Never `*`, never with cookies.
pub(crate) fn allow(origin: &HeaderValue) -> [(HeaderName, HeaderValue); 2] {
    [
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone()),
        (header::ACCESS_CONTROL_EXPOSE_HEADERS, ANSWER_HEADERS),
    ]
}
