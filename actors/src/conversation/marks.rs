//! Read marks are written beside the log, one write after the other. Who moves one is answered when it is kept; what
//! moves during a write goes with the next.

use super::{Refusal, Reply};
use crate::ExecuteError;
use crate::admission::Permit;

#[derive(Default)]
pub(super) struct MarkWrites {
    under_way: bool,
    /// Whom the next write answers; bounded by the permits that they hold.
    waiting: Vec<Reader>,
}

/// Who waits until his mark is kept.
pub(super) struct Reader {
    reply: Reply<()>,
    _permit: Permit,
}

impl Reader {
    pub(super) fn tell(self, kept: bool) {
        // Whoever asked may be gone.
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

    /// Whom a write answers that begins now; none when nobody waits, or one is under way.
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
