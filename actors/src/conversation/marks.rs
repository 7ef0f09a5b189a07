//! Read marks are written beside the log, one write after the other. A reader is answered when the mark is kept; what moves
//! during a write goes with the next.

use crate::mail::{Permit, Refusal, Reply};
use crate::words::ExecuteError;

#[derive(Default)]
pub(super) struct MarkWrites {
    under_way: bool,
    /// The readers that the next write answers; bounded by the permits that they hold.
    waiting: Vec<Reader>,
}

/// Waits until the mark is kept.
pub(super) struct Reader {
    reply: Reply<()>,
    _permit: Permit,
}

impl Reader {
    pub(super) fn answer(self, kept: bool) {
        // The reader may be gone.
        let _ = self.reply.send(kept.then_some(()).ok_or(Refusal::Error(ExecuteError::Unknown)));
    }
}

impl MarkWrites {
    pub(super) fn is_settled(&self) -> bool {
        !self.under_way && self.waiting.is_empty()
    }

    pub(super) fn wait(&mut self, reply: Reply<()>, permit: Permit) {
        self.waiting.push(Reader { reply, _permit: permit });
    }

    /// The readers that a write answers which begins now; none when none waits, or one is under way.
    pub(super) fn begin(&mut self) -> Option<Vec<Reader>> {
        if self.under_way || self.waiting.is_empty() {
            return None;
        }
        self.under_way = true;
        Some(std::mem::take(&mut self.waiting))
    }

    pub(super) fn written(&mut self) {
        self.under_way = false;
    }
}
