//! The peer's asks, from the frame that brings them to the frame that answers them. Each is answered once.

use std::collections::{BTreeMap, VecDeque};

use super::asks::{ASK_BYTES_MAX, ASKS_MAX};
use super::codec;
use super::frame::PAYLOAD_BYTES_MAX;
#[cfg(test)]
use super::mutant::{self, Mutant};
use super::shapes::{AskReply, Opaque};

/// Asks of the peer that are open: its own bound, held here as well, in bytes too. Beyond, they are refused.
pub(super) const OPEN_MAX: usize = ASKS_MAX;
/// Answers that wait for the wire, in bytes: beyond, an answer is left out, and its asker does not know.
pub(super) const ANSWER_BYTES_MAX: usize = 1024 * 1024;
/// The same in count: a peer that asks and never reads has no link.
pub(super) const ANSWERS_MAX: usize = 4 * OPEN_MAX;
/// What an answer's encoding adds to it, at most.
const REPLY_BYTES: usize = 16;

/// The peer asks as no peer does that keeps to the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum AskedError {
    #[error("ask {0} after a later one")]
    Id(u64),
    #[error("it asks and does not read the answers")]
    NeverReads,
}

#[derive(Clone, Copy, Debug)]
struct Open {
    deadline_ms: u64,
    bytes: usize,
}

/// The peer's asks that are not answered, and the answers that wait for the wire.
#[derive(Debug, Default)]
pub(super) struct AnswerTable {
    last_id: u64,
    open: BTreeMap<u64, Open>,
    open_bytes: usize,
    answers: VecDeque<(u64, Vec<u8>)>,
    answer_bytes: usize,
    declined: u64,
}

impl AnswerTable {
    /// An ask came. False: it was refused already, and is not to be done.
    pub(super) fn asked(&mut self, id: u64, deadline_ms: u64, bytes: usize) -> Result<bool, AskedError> {
        if id <= self.last_id {
            return Err(AskedError::Id(id));
        }
        if self.answers.len() > ANSWERS_MAX {
            return Err(AskedError::NeverReads);
        }
        self.last_id = id;
        self.open.insert(id, Open { deadline_ms, bytes });
        self.open_bytes += bytes;
        if self.open.len() > OPEN_MAX || self.open_bytes > ASK_BYTES_MAX {
            self.answer(id, AskReply::Overloaded);
            return Ok(false);
        }
        Ok(true)
    }

    /// Before an ask is done: what remains of its budget. None: it is over, the asker hears that nothing was done, and
    /// nothing may be.
    pub(super) fn begin(&mut self, now_ms: u64, id: u64) -> Option<u32> {
        let deadline_ms = self.open.get(&id)?.deadline_ms;
        let remaining_ms = u32::try_from(deadline_ms.saturating_sub(now_ms)).unwrap_or(u32::MAX);
        #[cfg(test)]
        if mutant::is(Mutant::ExpiredIsDone) {
            return Some(remaining_ms);
        }
        if remaining_ms == 0 {
            self.answer(id, AskReply::Expired);
            return None;
        }
        Some(remaining_ms)
    }

    /// Queues the answer of an ask that is open; a second one is ignored.
    pub(super) fn answer(&mut self, id: u64, reply: AskReply) {
        let Some(asked) = self.open.remove(&id) else { return };
        self.open_bytes -= asked.bytes;
        self.declined += u64::from(matches!(reply, AskReply::Expired | AskReply::Overloaded));
        let bytes = if let AskReply::Done(Opaque(answer)) = &reply { answer.len() + REPLY_BYTES } else { 0 };
        let fits = bytes <= PAYLOAD_BYTES_MAX && self.answer_bytes + bytes <= ANSWER_BYTES_MAX;
        let encoded = codec::encode(&if fits { reply } else { AskReply::Unanswered });
        self.answer_bytes += encoded.len();
        self.answers.push_back((id, encoded));
    }

    /// The length of what [`AnswerTable::send`] gives next.
    pub(super) fn next_bytes(&self) -> Option<usize> {
        self.answers.front().map(|(_, encoded)| encoded.len())
    }

    /// The next answer for the wire.
    pub(super) fn send(&mut self) -> Option<(u64, Vec<u8>)> {
        let (id, encoded) = self.answers.pop_front()?;
        self.answer_bytes -= encoded.len();
        Some((id, encoded))
    }

    /// Bytes of the answers that wait.
    pub(super) fn bytes(&self) -> usize {
        self.answer_bytes
    }

    /// How many asks were refused, or were over.
    pub(super) fn declined(&self) -> u64 {
        self.declined
    }
}
