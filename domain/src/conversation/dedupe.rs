//! How a repeat is known: `(sender, client_id)` with the hash of its content and the answer that it got. Part of the
//! fold, so it lives as long as the conversation and survives every change of owner.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::{AgentId, BotId, ClientId, MessageId, Rejection, Seq, Timestamp, VisitorId};

use super::event::Author;

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

/// The name that a sender gave to his request, and what the request asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestMark {
    /// Unique per sender and conversation.
    pub client_id: ClientId,
    /// Of its content.
    pub digest: Digest,
}

/// Whose `client_id` it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sender {
    /// A visitor's.
    Visitor(VisitorId),
    /// An agent's.
    Agent(AgentId),
    /// A program's.
    Bot(BotId),
}

impl Sender {
    /// The system sends no requests.
    pub fn of(author: &Author) -> Option<Self> {
        match author {
            Author::Visitor { id, .. } => Some(Sender::Visitor(*id)),
            Author::Agent(card) => Some(Sender::Agent(card.id)),
            Author::Bot { id, .. } => Some(Sender::Bot(*id)),
            Author::System => None,
        }
    }
}

/// What a request was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answered {
    Posted { message_id: MessageId, seq: Seq, at: Timestamp },
    Done,
}

/// All requests that the log knows by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Dedupe(HashMap<(Sender, ClientId), (Digest, Answered)>);

impl Dedupe {
    /// The answer that the same request got before; other content under the same name is refused.
    pub(super) fn find(&self, sender: Sender, mark: &RequestMark) -> Result<Option<Answered>, Rejection> {
        match self.0.get(&(sender, mark.client_id.clone())) {
            None => Ok(None),
            Some((digest, answered)) if *digest == mark.digest => Ok(Some(*answered)),
            Some(_) => Err(Rejection::IdempotencyConflict),
        }
    }

    /// The first answer stands.
    pub(super) fn remember(&mut self, sender: Sender, mark: &RequestMark, answered: Answered) {
        self.0.entry((sender, mark.client_id.clone())).or_insert((mark.digest, answered));
    }
}
