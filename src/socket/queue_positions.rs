//! Where a visitor's conversations wait, as was written to the visitor last.

use cluster::{QueuePosition, Watcher};
use domain::{ConversationId, VisitorId};
use tokio::time::Instant;

/// So many of a visitor's newest conversations are read for those that wait.
pub(super) const CONVERSATIONS_MAX: usize = 20;

/// What only a visitor's socket has.
pub(super) struct QueuePositions {
    pub(super) visitor: VisitorId,
    pub(super) watcher: Watcher,
    /// When changes are written next.
    pub(super) look_at: Instant,
    /// When the visitor is to be looked at again.
    pub(super) check_at: Option<Instant>,
    /// What was written last, of those that may still wait.
    shown: Vec<(ConversationId, u64, Option<u64>)>,
}

impl QueuePositions {
    pub(super) fn new(visitor: VisitorId, watcher: Watcher, check_at: Option<Instant>) -> Self {
        Self { visitor, watcher, look_at: Instant::now(), check_at, shown: Vec::new() }
    }

    /// Notes what is written to the visitor now; false: that was written last.
    pub(super) fn note(&mut self, conversation: ConversationId, position: QueuePosition) -> bool {
        let now = (conversation, position.position, position.expected_wait_s);
        if self.shown.contains(&now) {
            return false;
        }
        self.forget(conversation);
        if self.shown.len() >= CONVERSATIONS_MAX {
            self.shown.remove(0);
        }
        self.shown.push(now);
        true
    }

    pub(super) fn forget(&mut self, conversation: ConversationId) {
        self.shown.retain(|(other, ..)| *other != conversation);
    }
}
