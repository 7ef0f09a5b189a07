//! A member as the view has it.

use std::fmt;

use serde::{Deserialize, Serialize};
use store::Incarnation;

/// The name of a node, which its boots share: 1 to [`MemberName::BYTES_MAX`] lower-case letters, digits, `.`, `-`, `_`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MemberName(String);

/// The text names no node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a node's name has 1 to 64 lower-case letters, digits, `.`, `-` or `_`")]
pub struct NoMemberName;

/// What a member does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MemberState {
    /// Has no shards yet: it does not reach every member.
    Joining,
    /// Takes shards.
    Up,
    /// Gives its shards away, and leaves then.
    Draining,
}

/// The protocols of links that a node speaks, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProtocolRange {
    /// The oldest.
    pub min: u16,
    /// The newest.
    pub max: u16,
}

/// One boot of a node in the cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// The node.
    pub name: MemberName,
    /// This boot of it.
    pub incarnation: Incarnation,
    /// Where its peers reach it, as `host:port`; empty for a node that has none.
    pub address: String,
    /// What it does.
    pub state: MemberState,
    /// What it speaks.
    pub protocol: ProtocolRange,
    /// The newest formats that it reads.
    pub level: u32,
}

impl MemberName {
    /// As long as a label of a host name, nearly.
    pub const BYTES_MAX: usize = 64;

    /// # Errors
    /// [`NoMemberName`]: the text is empty, too long, or has other characters.
    pub fn parse(text: &str) -> Result<Self, NoMemberName> {
        let is_allowed =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-_".contains(&byte);
        let is_name = (1..=Self::BYTES_MAX).contains(&text.len()) && text.bytes().all(is_allowed);
        if is_name { Ok(Self(text.to_owned())) } else { Err(NoMemberName) }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for MemberName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for MemberName {
    type Error = NoMemberName;

    fn try_from(text: String) -> Result<Self, NoMemberName> {
        Self::parse(&text)
    }
}

impl From<MemberName> for String {
    fn from(name: MemberName) -> Self {
        name.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_short_and_plain() {
        for good in ["a", "node-1", "switchboard-0.switchboard", "x_1", &"n".repeat(64)] {
            assert_eq!(MemberName::parse(good).map(String::from).as_deref(), Ok(good));
        }
        for bad in ["", "Node", "a b", "a/b", "ü", &"n".repeat(65)] {
            assert_eq!(MemberName::parse(bad), Err(NoMemberName), "{bad}");
        }
    }
}
