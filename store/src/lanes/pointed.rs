//! Which conversations are known to have a pointer to a lane's segment. Only what a quorum acknowledged to this boot counts: a
//! pointer that a read found may stand on one replica alone.

use std::collections::HashSet;

use crate::ConversationKey;

/// The pointers to one segment.
#[derive(Debug, Default)]
pub(super) struct Pointed {
    acknowledged: HashSet<ConversationKey>,
    asked: HashSet<ConversationKey>,
}

impl Pointed {
    /// Whether the conversation's events may go into the segment.
    pub(super) fn has(&self, key: ConversationKey) -> bool {
        self.acknowledged.contains(&key)
    }

    /// Whether the pointer must be written now; afterwards it counts as asked for.
    pub(super) fn ask(&mut self, key: ConversationKey) -> bool {
        !self.has(key) && self.asked.insert(key)
    }

    /// Pointers that were asked for and have no answer.
    pub(super) fn asked(&self) -> usize {
        self.asked.len()
    }

    /// What became of a pointer that was asked for.
    pub(super) fn answered(&mut self, key: ConversationKey, acknowledged: bool) {
        self.asked.remove(&key);
        if acknowledged {
            // What is forgotten is written once more: a bound costs nothing but that.
            if self.acknowledged.len() >= KNOWN_MAX {
                self.acknowledged.clear();
            }
            self.acknowledged.insert(key);
        }
    }
}

/// More than a segment has rows by default.
const KNOWN_MAX: usize = 65_536;
