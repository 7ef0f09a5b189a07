//! The name of one request, in its answer and in every line that the log keeps of it.

use http::HeaderValue;

/// Names one request: the client's own name for it when that is well-formed, else a random one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId(HeaderValue);

impl RequestId {
    /// `[A-Za-z0-9._-]{1,64}`; none when it is anything else.
    pub fn given(text: &str) -> Option<Self> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        let whole = (1..=64).contains(&text.len()) && text.bytes().all(allowed);
        if whole { HeaderValue::from_str(text).ok().map(Self) } else { None }
    }

    /// A random one: 24 hexadecimal digits.
    pub fn random() -> Self {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        let random: [u8; 12] = rand::random();
        let mut text = [0; 24];
        for (pair, byte) in text.chunks_exact_mut(2).zip(random) {
            pair[0] = HEX[usize::from(byte >> 4)];
            pair[1] = HEX[usize::from(byte & 15)];
        }
        Self(HeaderValue::from_bytes(&text).expect("hexadecimal digits are a header value"))
    }

    /// Taken over from the client, or made.
    pub fn of(given: Option<&HeaderValue>) -> Self {
        given.and_then(|value| value.to_str().ok()).and_then(Self::given).unwrap_or_else(Self::random)
    }

    /// For bodies and logs.
    pub fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }

    /// For the `X-Request-Id` header.
    pub fn header_value(&self) -> HeaderValue {
        self.0.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_well_formed_name_is_taken_over_and_any_other_is_replaced() {
        for kept in ["a", "A.b_c-9", &"x".repeat(64)] {
            assert_eq!(RequestId::of(Some(&HeaderValue::from_str(kept).unwrap())).as_str(), kept);
        }
        for wrong in ["", "a b", "a/b", "\u{e9}", &"x".repeat(65)] {
            let made = RequestId::of(HeaderValue::from_bytes(wrong.as_bytes()).ok().as_ref());
            assert_eq!(made.as_str().len(), 24, "{wrong:?}");
        }
        assert_ne!(RequestId::random(), RequestId::random());
    }
}
