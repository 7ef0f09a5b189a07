//! Where a visitor's conversations wait, as the visitor was told last.

use cluster::{QueuePosition, Watcher};
use domain::{ConversationId, VisitorId};
use tokio::time::Instant;

/// So many of a visitor's newest conversations are read for those that wait.
pub(super) const CONVERSATIONS_MAX: usize = 20;

/// What only a visitor's socket has.
pub(super) struct QueuePositions {
    pub(super) visitor: VisitorId,
    pub(super) watcher: Watcher,
    /// When what changed is told next.
    pub(super) look_at: Instant,
    /// When the visitor is to be looked at again.
    pub(super) check_at: Option<Instant>,
    /// What was told last, of those that may still wait.
    told: Vec<(ConversationId, u64, Option<u64>)>,
}

impl QueuePositions {
    pub(super) fn new(visitor: VisitorId, watcher: Watcher, check_at: Option<Instant>) -> Self {
        Self { visitor, watcher, look_at: Instant::now(), check_at, told: Vec::new() }
    }

    /// Whether that is news to the visitor, who is told it now.
    pub(super) fn tell(&mut self, conversation: ConversationId, position: QueuePosition) -> bool {
        let now = (conversation, position.position, position.expected_wait_s);
        if self.told.contains(&now) {
            return false;
        }
        self.forget(conversation);
        if self.told.len() >= CONVERSATIONS_MAX {
            self.told.remove(0);
        }
        self.told.push(now);
        true
    }

    pub(super) fn forget(&mut self, conversation: ConversationId) {
        self.told.retain(|(other, ..)| *other != conversation);
    }
}
