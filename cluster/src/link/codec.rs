//! Bincode is named here alone: the outer shapes as bytes and back. Golden samples in `codec/golden.txt` hold what
//! earlier releases wrote.

use serde::Serialize;
use serde::de::DeserializeOwned;

#[cfg(test)]
mod tests;

/// The longest that is decoded: a publication of 256 KiB with its key.
const BYTES_MAX: usize = 257 * 1024;
/// Bincode's own limit counts memory, not bytes; a vector of small elements takes several times its bytes.
const MEMORY_BYTES_MAX: usize = 1024 * 1024;

/// Bytes that are not what they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CodecError {
    #[error("longer than any message may be")]
    TooLong,
    #[error("not a message that this release knows")]
    Malformed,
    #[error("bytes follow the message")]
    Trailing,
}

fn config() -> impl bincode::config::Config {
    bincode::config::standard().with_limit::<MEMORY_BYTES_MAX>()
}

/// A value as it crosses.
pub(crate) fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    bincode::serde::encode_to_vec(value, config()).expect("outer shapes have lengths that are known")
}

/// A value that crossed: all of `bytes`, and nothing behind it.
pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    if bytes.len() > BYTES_MAX {
        return Err(CodecError::TooLong);
    }
    match bincode::serde::decode_from_slice(bytes, config()) {
        Ok((value, read)) if read == bytes.len() => Ok(value),
        Ok(_) => Err(CodecError::Trailing),
        Err(_) => Err(CodecError::Malformed),
    }
}
