//! What waits before a lane, bounded, and whose turn it is. A conversation has at most one group on its way at a time
//! ([`crate::log::InFlight`]), so one batch after the other has one group of each in the order of their arrival; of the long
//! groups each batch takes one, so that those who write without end wait for each other and not for one another's length.

use std::collections::{BTreeSet, VecDeque};

use crate::ConversationKey;

use super::options::LaneOptions;
use super::segments::StoredGroup;

/// A group that waits, with what waits for it.
#[derive(Debug)]
pub(super) struct Queued<W> {
    pub(super) group: StoredGroup,
    pub(super) waiter: W,
}

/// The queue before one lane.
#[derive(Debug)]
pub(super) struct Queue<W> {
    groups: VecDeque<Queued<W>>,
    bytes: usize,
}

/// There is no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Full;

impl<W> Default for Queue<W> {
    fn default() -> Self {
        Self { groups: VecDeque::new(), bytes: 0 }
    }
}

impl<W> Queue<W> {
    /// # Errors
    ///
    /// [`Full`]: it was not taken.
    pub(super) fn push(&mut self, queued: Queued<W>, options: &LaneOptions) -> Result<(), Full> {
        let bytes = self.bytes + weight(&queued.group);
        let is_full = self.groups.len() >= options.queue_groups_max || bytes > options.queue_bytes_max;
        // Where nothing waits, one group always has room.
        if is_full && !self.groups.is_empty() {
            return Err(Full);
        }
        self.bytes = bytes;
        self.groups.push_back(queued);
        Ok(())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// Whose groups wait, in order.
    pub(super) fn keys(&self) -> impl Iterator<Item = ConversationKey> {
        self.groups.iter().map(|queued| queued.group.key)
    }

    /// Takes the next batch out, of the conversations that are `ready`: none when none is.
    pub(super) fn take(
        &mut self,
        options: &LaneOptions,
        ready: impl Fn(ConversationKey) -> bool,
    ) -> Vec<Queued<W>> {
        let (mut events, mut bytes, mut has_long) = (0, 0, false);
        let (mut taken, mut left) = (Vec::new(), VecDeque::with_capacity(self.groups.len()));
        // What is left of a conversation must not be passed by what came later.
        let mut passed = BTreeSet::new();
        for queued in self.groups.drain(..) {
            let (key, count, weight) = (queued.group.key, queued.group.events.len(), weight(&queued.group));
            let is_long = count > options.turn_events_max;
            let fits = taken.is_empty()
                || (events + count <= options.batch_events_max
                    && bytes + weight <= options.batch_bytes_max
                    && !(is_long && has_long));
            // Its place is kept for the next batch, where it may be the first.
            if passed.contains(&key) || !ready(key) || !fits {
                passed.insert(key);
                left.push_back(queued);
                continue;
            }
            passed.insert(key);
            events += count;
            bytes += weight;
            has_long |= is_long;
            taken.push(queued);
        }
        self.groups = left;
        self.bytes = self.groups.iter().map(|queued| self::weight(&queued.group)).sum();
        taken
    }

    /// Takes out all that waits of a conversation.
    pub(super) fn take_of(&mut self, key: ConversationKey) -> Vec<Queued<W>> {
        let (of, left) = self.groups.drain(..).partition(|queued: &Queued<W>| queued.group.key == key);
        self.groups = left;
        self.bytes = self.groups.iter().map(|queued| weight(&queued.group)).sum();
        VecDeque::into(of)
    }

    /// Takes everything out.
    pub(super) fn take_all(&mut self) -> Vec<Queued<W>> {
        self.bytes = 0;
        std::mem::take(&mut self.groups).into()
    }
}

/// Bytes of a group, as far as they count for bounds.
pub(super) fn weight(group: &StoredGroup) -> usize {
    /// Keys, and what a statement and a queue need around them.
    const ROW: usize = 64;
    let events: usize = group.events.iter().map(|event| event.body.len() + ROW).sum();
    events + group.head.len() + ROW
}
