//! How a repeat is known: `(sender, client_id)` with the hash of its content and the answer that it got. Part of the
//! fold, so it lives as long as the conversation and survives every change of owner.

use std::collections::HashMap;

use crate::{AgentId, BotId, ClientId, MessageId, Rejection, Seq, Timestamp, VisitorId};

use super::digest::{Digest, RequestMark};
use super::event::Author;

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
