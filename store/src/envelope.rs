//! How anything is stored: a versioned, checksummed envelope around self-describing JSON.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::StoreError;

/// `value` in an envelope.
pub fn seal<T: Serialize>(_value: &T) -> Vec<u8> {
    Vec::new()
}

/// What is in the envelope.
pub fn open<T: DeserializeOwned>(_bytes: &[u8]) -> Result<T, StoreError> {
    Err(StoreError::Corrupt("unwritten".into()))
}
