//! What a node is called.

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_short_and_plain() {
        for good in ["a", "node-1", "node-1.example_2", "switchboard-0.switchboard", "x_1", &"x".repeat(63)] {
            assert_eq!(NodeName::parse(good).unwrap().to_string(), *good);
        }
        for bad in ["", "A", "Node", "node 1", "a/b", "nöde", &"x".repeat(64)] {
            assert_eq!(NodeName::parse(bad), Err(NotAName), "{bad}");
        }
    }
}
