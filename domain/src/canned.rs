//! Canned responses: texts that agents send often.

use serde::{Deserialize, Serialize};

use crate::{AgentId, CannedId, Line, MessageText, TeamId, TextError};

mod template;

pub use template::{Template, TemplateError, Variable};

/// What an agent types after `/`: 1 to 32 of `a-z 0-9 _ -`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Shortcut(Box<str>);

impl Shortcut {
    /// How long it may be.
    pub const BYTES_MAX: usize = 32;

    /// Keeps the text as it is.
    ///
    /// # Errors
    ///
    /// [`TextError::Form`] when it breaks a rule: the caller tells the client.
    pub fn parse(text: &str) -> Result<Self, TextError> {
        let allowed = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-');
        if (1..=Self::BYTES_MAX).contains(&text.len()) && text.bytes().all(allowed) {
            Ok(Self(text.into()))
        } else {
            Err(TextError::Form("1 to 32 characters of a-z, 0-9, _ and -"))
        }
    }

    /// Without the `/`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The agents who see a canned response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CannedScope {
    /// Everybody of the workspace.
    Workspace,
    /// The members of one team.
    Team(TeamId),
    /// The agent who made it.
    Own(AgentId),
}

/// A text that agents send often. Its shortcut is unique in its scope.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Canned {
    /// Names it.
    pub id: CannedId,
    /// What an agent types.
    pub shortcut: Shortcut,
    /// For lists.
    pub title: Line<300>,
    /// A [`Template`], whose variables are filled when it is listed for a conversation.
    pub text: MessageText,
    /// The agents who see it.
    pub scope: CannedScope,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shortcuts_have_one_spelling() {
        assert!(Shortcut::parse("thank-you_2").is_ok());
        for wrong in ["", "Thanks", "a b", "é", "/a", &"a".repeat(33)] {
            assert!(Shortcut::parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
