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

#[cfg(test)]
mod tests {
    use domain::{ConversationId, Seq, WorkspaceId};
    use uuid::Uuid;

    use super::super::segments::StoredEvent;
    use super::*;

    fn key(conversation: u128) -> ConversationKey {
        ConversationKey {
            workspace: WorkspaceId::from_uuid(Uuid::nil()),
            conversation: ConversationId::from_uuid(Uuid::from_u128(conversation)),
        }
    }

    /// A group of so many events of a conversation, each of so many bytes.
    fn group(conversation: u128, events: u64, bytes: usize) -> Queued<()> {
        let event = |seq| StoredEvent { seq: Seq(seq), body: vec![0; bytes] };
        let events = (1..=events).map(event).collect();
        Queued { group: StoredGroup { key: key(conversation), events, head: Vec::new() }, waiter: () }
    }

    fn queue(groups: Vec<Queued<()>>, options: &LaneOptions) -> Queue<()> {
        let mut queue = Queue::default();
        groups.into_iter().for_each(|group| queue.push(group, options).unwrap());
        queue
    }

    /// Who is in the next batch, by conversation and number of events.
    fn next(queue: &mut Queue<()>, options: &LaneOptions) -> Vec<(u128, usize)> {
        let taken = queue.take(options, |_| true);
        let of = |queued: &Queued<()>| queued.group.key.conversation.uuid().as_u128();
        taken.iter().map(|queued| (of(queued), queued.group.events.len())).collect()
    }

    #[test]
    fn those_who_write_long_wait_for_each_other() {
        let options = LaneOptions::default();
        let groups =
            vec![group(1, 64, 10), group(2, 64, 10), group(3, 1, 10), group(4, 16, 10), group(1, 2, 10)];
        let mut queue = queue(groups, &options);
        assert_eq!(next(&mut queue, &options), [(1, 64), (3, 1), (4, 16)]);
        // What is left keeps its place.
        assert_eq!(next(&mut queue, &options), [(2, 64), (1, 2)]);
        assert_eq!(next(&mut queue, &options), []);
        assert_eq!(queue.bytes, 0);
    }

    #[test]
    fn a_batch_is_bounded_in_events_and_bytes_and_one_group_always_fits() {
        let options = LaneOptions { batch_events_max: 4, batch_bytes_max: 1_000, ..LaneOptions::default() };
        let groups = vec![group(1, 3, 1), group(2, 2, 1), group(3, 1, 1), group(4, 1, 2_000), group(5, 1, 1)];
        let mut queue = queue(groups, &options);
        assert_eq!(next(&mut queue, &options), [(1, 3), (3, 1)]);
        assert_eq!(next(&mut queue, &options), [(2, 2), (5, 1)]);
        assert_eq!(next(&mut queue, &options), [(4, 1)]);
    }

    #[test]
    fn what_is_not_ready_stops_nobody_and_is_not_passed_by_its_own() {
        let options = LaneOptions::default();
        let mut queue = queue(vec![group(1, 1, 1), group(2, 1, 1), group(1, 2, 1)], &options);
        let taken = queue.take(&options, |of| of != key(1));
        assert_eq!(taken.iter().map(|queued| queued.group.key).collect::<Vec<_>>(), [key(2)]);
        assert_eq!(next(&mut queue, &options), [(1, 1)]);
        assert_eq!(queue.take_of(key(1)).len(), 1);
        assert!(queue.is_empty());
    }

    #[test]
    fn a_full_queue_takes_nothing_more_until_something_left() {
        let by_count = LaneOptions { queue_groups_max: 2, ..LaneOptions::default() };
        let mut queue = queue(vec![group(1, 1, 1), group(2, 1, 1)], &by_count);
        assert_eq!(queue.push(group(3, 1, 1), &by_count), Err(Full));
        let by_bytes = LaneOptions { queue_bytes_max: 1_000, ..LaneOptions::default() };
        assert_eq!(queue.push(group(3, 1, 900), &by_bytes), Err(Full));
        assert_eq!(queue.push(group(3, 1, 100), &by_bytes), Ok(()));
        assert_eq!(queue.take_all().len(), 3);
        assert_eq!(queue.push(group(4, 1, 9_000), &by_bytes), Ok(()));
    }
}
