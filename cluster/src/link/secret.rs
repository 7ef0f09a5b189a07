//! The secret that all nodes of a cluster share.

use std::fmt;

/// What all nodes of a cluster know and nobody else does. It never shows itself.
#[derive(Clone)]
pub struct ClusterSecret(Vec<u8>);

impl ClusterSecret {
    /// In bytes: as much as the HMAC's hash gives.
    pub const BYTES_MIN: usize = 32;

    /// # Errors
    /// [`SecretTooShort`]: it is shorter than [`Self::BYTES_MIN`].
    pub fn new(bytes: Vec<u8>) -> Result<Self, SecretTooShort> {
        if bytes.len() < Self::BYTES_MIN { Err(SecretTooShort) } else { Ok(Self(bytes)) }
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for ClusterSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClusterSecret(..)")
    }
}

/// A secret that could be guessed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the cluster's secret has at least {min} bytes", min = ClusterSecret::BYTES_MIN)]
pub struct SecretTooShort;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_long_and_never_shows_itself() {
        assert_eq!(ClusterSecret::new(vec![1; 31]).unwrap_err(), SecretTooShort);
        let secret = ClusterSecret::new(vec![1; 32]).unwrap();
        assert_eq!(format!("{secret:?}"), "ClusterSecret(..)");
    }
}
