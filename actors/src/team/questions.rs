//! Questions for the position of conversations that this router has not heard of yet.

use domain::ConversationId;

use crate::mail::Reply;
use crate::words::QueuePosition;

/// So many questions wait for their conversation; more are answered at once that it is not known.
const QUESTIONS_MAX: usize = 1_000;

/// Each with the place of its answer.
#[derive(Debug, Default)]
pub(super) struct Questions(Vec<(ConversationId, Reply<Option<QueuePosition>>)>);

impl Questions {
    pub(super) fn is_full(&self) -> bool {
        self.0.len() >= QUESTIONS_MAX
    }

    pub(super) fn put(&mut self, conversation: ConversationId, reply: Reply<Option<QueuePosition>>) {
        self.0.push((conversation, reply));
    }

    /// Those whose callers wait no longer.
    pub(super) fn drop_gone(&mut self) {
        self.0.retain(|(_, reply)| !reply.is_closed());
    }

    /// Answers those whose conversation has a position now.
    pub(super) fn answer(&mut self, position: impl Fn(ConversationId) -> Option<QueuePosition>) {
        for (conversation, reply) in std::mem::take(&mut self.0) {
            match position(conversation) {
                // The caller may be gone; the answer is for nobody else.
                Some(position) => drop(reply.send(Ok(Some(position)))),
                None => self.0.push((conversation, reply)),
            }
        }
    }
}
