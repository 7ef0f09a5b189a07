//! What a node is called, and the secret that all nodes of a cluster share.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A node's name: 1 to 63 of `a-z`, `0-9`, `-`, `_` and `.`. The greater of two names dials.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct NodeName(String);

impl NodeName {
    /// In bytes; as long as a label of a host name may be.
    pub const BYTES_MAX: usize = 63;

    /// # Errors
    /// [`NotAName`]: it is empty, too long, or holds another character.
    pub fn parse(text: &str) -> Result<Self, NotAName> {
        let is_allowed =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.".contains(&byte);
        if text.is_empty() || text.len() > Self::BYTES_MAX || !text.bytes().all(is_allowed) {
            return Err(NotAName);
        }
        Ok(Self(text.to_owned()))
    }

    /// As it was parsed.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for NodeName {
    type Error = NotAName;

    fn try_from(text: String) -> Result<Self, NotAName> {
        Self::parse(&text)
    }
}

impl From<NodeName> for String {
    fn from(name: NodeName) -> Self {
        name.0
    }
}

impl fmt::Display for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A text that cannot name a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a node's name has 1 to {max} of a-z, 0-9, -, _ and .", max = NodeName::BYTES_MAX)]
pub struct NotAName;

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
    fn names_and_secrets_are_parsed_once() {
        for name in ["a", "node-1.example_2", &"x".repeat(63)] {
            assert_eq!(NodeName::parse(name).unwrap().to_string(), *name);
        }
        for other in ["", "A", "node 1", "nöde", &"x".repeat(64)] {
            assert_eq!(NodeName::parse(other), Err(NotAName), "{other}");
        }
        assert_eq!(ClusterSecret::new(vec![1; 31]).unwrap_err(), SecretTooShort);
        let secret = ClusterSecret::new(vec![1; 32]).unwrap();
        assert_eq!(format!("{secret:?}"), "ClusterSecret(..)");
    }
}
