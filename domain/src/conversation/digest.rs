//! What a log keeps of a request, so that a repeat of it is known: its sender's name for it, and a hash of its content.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::ClientId;

/// SHA-256 of what a request asked for. It outlives the words themselves when those are redacted. Stored as 64
/// hexadecimal digits: every named event has one, and as numbers in a list it would take twice as much.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest([u8; 32]);

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble)]);
        digest.0.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
    }
}

impl TryFrom<String> for Digest {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        const FORM: &str = "64 hexadecimal digits are expected";
        let (pairs, []) = text.as_bytes().as_chunks::<2>() else { return Err(FORM) };
        if pairs.len() != 32 {
            return Err(FORM);
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(pairs) {
            let nibble = |digit: u8| char::from(digit).to_digit(16).ok_or(FORM);
            *byte = (nibble(pair[0])? << 4 | nibble(pair[1])?) as u8;
        }
        Ok(Self(bytes))
    }
}

impl Digest {
    /// Of parts, each with its length before it, so that no two lists of parts are taken for one another.
    pub fn of<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut hash = Sha256::new();
        for part in parts {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        Self(hash.finalize().into())
    }
}

/// A request as its log knows it: the sender's own name for it, and what it asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestMark {
    /// Unique per sender and conversation.
    pub client_id: ClientId,
    /// Of its content.
    pub digest: Digest,
}
