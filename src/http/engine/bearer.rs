//! The `Authorization` header.

use http::HeaderValue;

/// The token of `Bearer <token>`; the scheme's name has no case.
pub(crate) fn bearer(value: &HeaderValue) -> Option<&str> {
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    let whole = !token.is_empty() && token.bytes().all(|b| b.is_ascii_graphic());
    (scheme.eq_ignore_ascii_case("bearer") && whole).then_some(token)
}
