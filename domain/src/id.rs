//! Identifiers: a UUID with a kind, written with the kind's prefix (`cnv_018f...`) wherever people or clients see it.

use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::{Builder, Uuid};

/// What an [`Id`] names. The prefix is part of the public contract.
pub trait Kind: Copy + Eq + Ord + std::hash::Hash + fmt::Debug + Send + Sync + 'static {
    /// Stands before the hexadecimal digits, with its underscore.
    const PREFIX: &'static str;
}

/// An opaque identifier. Ordered like its UUID, so ids made later (version 7) come later.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Id<K> {
    uuid: Uuid,
    #[serde(skip)]
    kind: PhantomData<fn() -> K>,
}

impl<K: Kind> Id<K> {
    /// A version 7 id: the time first, then ten random bytes that the caller drew.
    pub fn new(at: crate::Timestamp, random: [u8; 10]) -> Self {
        Self::from_uuid(Builder::from_unix_timestamp_millis(at.as_ms(), &random).into_uuid())
    }

    /// A version 8 id made of a keyed hash: the same input gives the same id on every node.
    pub fn from_hash(hash: [u8; 16]) -> Self {
        Self::from_uuid(Builder::from_custom_bytes(hash).into_uuid())
    }

    /// For stores, which keep the bare UUID.
    pub const fn from_uuid(uuid: Uuid) -> Self {
        Self { uuid, kind: PhantomData }
    }

    /// For stores, which keep the bare UUID.
    pub const fn uuid(self) -> Uuid {
        self.uuid
    }
}

impl<K: Kind> fmt::Display for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", K::PREFIX, self.uuid.simple())
    }
}

impl<K: Kind> fmt::Debug for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is not an id of the wanted kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an id of this kind")]
pub struct ParseIdError;

impl<K: Kind> FromStr for Id<K> {
    type Err = ParseIdError;

    /// Accepts exactly what [`fmt::Display`] writes: one spelling, so that an id can be compared as text.
    ///
    /// # Errors
    ///
    /// [`ParseIdError`] for every other text: to the caller's client no such thing exists.
    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        let digits = text.strip_prefix(K::PREFIX).ok_or(ParseIdError)?;
        let canonical = digits.len() == 32 && digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if !canonical {
            return Err(ParseIdError);
        }
        Uuid::try_parse(digits).map(Self::from_uuid).map_err(|_| ParseIdError)
    }
}

/// Marks for [`Id`]: types without values.
mod kinds {
    use super::Kind;

    #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
    pub enum Workspace {}
    #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
    pub enum Site {}
    #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
    pub enum Team {}
    #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
    pub enum Agent {}
    #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
    pub enum Visitor {}
    #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
    pub enum Conversation {}
    #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
    pub enum Message {}
    #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
    pub enum File {}
    #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
    pub enum Canned {}
    #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
    pub enum Bot {}

    impl Kind for Workspace {
        const PREFIX: &'static str = "ws_";
    }
    impl Kind for Site {
        const PREFIX: &'static str = "site_";
    }
    impl Kind for Team {
        const PREFIX: &'static str = "team_";
    }
    impl Kind for Agent {
        const PREFIX: &'static str = "agt_";
    }
    impl Kind for Visitor {
        const PREFIX: &'static str = "vis_";
    }
    impl Kind for Conversation {
        const PREFIX: &'static str = "cnv_";
    }
    impl Kind for Message {
        const PREFIX: &'static str = "msg_";
    }
    impl Kind for File {
        const PREFIX: &'static str = "file_";
    }
    impl Kind for Canned {
        const PREFIX: &'static str = "can_";
    }
    impl Kind for Bot {
        const PREFIX: &'static str = "bot_";
    }
}

/// A customer of the installation. No store call compiles without one.
pub type WorkspaceId = Id<kinds::Workspace>;
/// One embedded widget.
pub type SiteId = Id<kinds::Site>;
/// A group of agents with one queue.
pub type TeamId = Id<kinds::Team>;
/// A person who answers.
pub type AgentId = Id<kinds::Agent>;
/// A person who asks.
pub type VisitorId = Id<kinds::Visitor>;
/// One log.
pub type ConversationId = Id<kinds::Conversation>;
/// A message or a note in a log.
pub type MessageId = Id<kinds::Message>;
/// An uploaded file.
pub type FileId = Id<kinds::File>;
/// A canned response.
pub type CannedId = Id<kinds::Canned>;
/// A program that takes the first turn.
pub type BotId = Id<kinds::Bot>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_what_it_writes_and_nothing_else() {
        let id = ConversationId::new(crate::Timestamp::from_ms(1_700_000_000_000), [7; 10]);
        let text = id.to_string();
        assert_eq!(text.parse(), Ok(id));
        let upper = format!("cnv_{}", text["cnv_".len()..].to_uppercase());
        let foreign = text.replace("cnv_", "vis_");
        let hyphenated = format!("cnv_{}", id.uuid());
        for wrong in
            [upper, foreign, hyphenated, format!("{text}0"), text[..text.len() - 1].into(), String::new()]
        {
            assert_eq!(wrong.parse::<ConversationId>(), Err(ParseIdError), "{wrong}");
        }
    }

    #[test]
    fn ids_made_later_come_later() {
        let earlier = MessageId::new(crate::Timestamp::from_ms(1), [255; 10]);
        assert!(earlier < MessageId::new(crate::Timestamp::from_ms(2), [0; 10]));
    }
}
