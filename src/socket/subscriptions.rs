//! What a socket listens to, and how far it has written each of them.

use std::collections::{HashMap, VecDeque};

use cluster::{ListenerId, Subscription};
use domain::{ConversationId, Seq};

/// One conversation that the socket listens to.
pub(super) struct Followed {
    /// Keeps the pushes coming; none while the owner is being found again.
    subscription: Option<Subscription>,
    /// The last event that was written.
    written: Seq,
    /// The last event that is known to be durable.
    head: Seq,
    /// Events between the two are read from the store; a push of them is only noted.
    replaying: bool,
    /// The client waits for `caught_up`.
    announce: bool,
    /// The agent has the conversation open.
    viewing: bool,
}

/// What to do with a pushed event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arrival {
    /// It is the next one: write it.
    Next,
    /// It was written, or will be read from the store.
    Skip,
    /// Some before it are missing: read them from the store first.
    Missing,
}

impl Followed {
    /// Where `seq` stands, which is noted.
    fn place(&mut self, seq: Seq) -> Arrival {
        self.head = self.head.max(seq);
        if seq <= self.written || self.replaying {
            Arrival::Skip
        } else if seq == self.written.next() {
            self.written = seq;
            Arrival::Next
        } else {
            self.replaying = true;
            Arrival::Missing
        }
    }
}

/// All positions of a socket.
#[derive(Default)]
pub(super) struct Subscriptions {
    positions: HashMap<ConversationId, Followed>,
    /// Those that have something to read from the store, each once.
    replays: VecDeque<ConversationId>,
    /// Those whose owner is being found again.
    lost: Vec<ConversationId>,
}

/// A replay's next step.
pub(super) struct Replay {
    pub(super) conversation: ConversationId,
    pub(super) after: Seq,
}

impl Subscriptions {
    pub(super) fn count(&self) -> usize {
        self.positions.len()
    }

    pub(super) fn all(&self) -> Vec<ConversationId> {
        self.positions.keys().copied().collect()
    }

    pub(super) fn contains(&self, conversation: ConversationId) -> bool {
        self.positions.contains_key(&conversation)
    }

    /// Begins at `written`; what is after it, up to the subscription's last event, is replayed.
    pub(super) fn add(
        &mut self,
        conversation: ConversationId,
        subscription: Subscription,
        written: Seq,
        announce: bool,
    ) {
        let head = subscription.last_seq;
        let replaying = written < head || announce;
        let viewing = self.is_viewing(conversation);
        let position =
            Followed { subscription: Some(subscription), written, head, replaying, announce, viewing };
        self.positions.insert(conversation, position);
        self.lost.retain(|other| *other != conversation);
        self.replays.retain(|other| *other != conversation);
        if replaying {
            self.replays.push_back(conversation);
        }
    }

    pub(super) fn remove(&mut self, conversation: ConversationId) -> bool {
        self.lost.retain(|other| *other != conversation);
        self.replays.retain(|other| *other != conversation);
        self.positions.remove(&conversation).is_some()
    }

    /// The agent looks at it, or away; remembered for the next owner.
    pub(super) fn view(&mut self, conversation: ConversationId, viewing: bool) {
        if let Some(position) = self.positions.get_mut(&conversation) {
            position.viewing = viewing;
        }
    }

    pub(super) fn is_viewing(&self, conversation: ConversationId) -> bool {
        self.positions.get(&conversation).is_some_and(|position| position.viewing)
    }

    /// The last event that was written.
    pub(super) fn written(&self, conversation: ConversationId) -> Seq {
        self.positions.get(&conversation).map_or(Seq::ZERO, |position| position.written)
    }

    /// Names the subscription; none while the owner is being found again.
    pub(super) fn id_of(&self, conversation: ConversationId) -> Option<ListenerId> {
        self.positions.get(&conversation)?.subscription.as_ref().map(Subscription::id)
    }

    pub(super) fn place(&mut self, conversation: ConversationId, seq: Seq) -> Arrival {
        let Some(position) = self.positions.get_mut(&conversation) else { return Arrival::Skip };
        let place = position.place(seq);
        if place == Arrival::Missing {
            self.replays.push_back(conversation);
        }
        place
    }

    /// The owner is gone; the socket is to find the next one.
    pub(super) fn lose_owner(&mut self, conversation: ConversationId) {
        if let Some(position) = self.positions.get_mut(&conversation) {
            position.subscription = None;
            if !self.lost.contains(&conversation) {
                self.lost.push(conversation);
            }
        }
    }

    /// Its owner was lost, and that since the last search began.
    pub(super) fn is_lost(&self, conversation: ConversationId) -> bool {
        self.lost.contains(&conversation)
    }

    /// Followed, and without an owner: lost, or searched for.
    pub(super) fn is_unowned(&self, conversation: ConversationId) -> bool {
        self.positions.get(&conversation).is_some_and(|position| position.subscription.is_none())
    }

    /// All that are without an owner are lost again.
    pub(super) fn lose_unowned(&mut self) {
        for conversation in self.all() {
            if self.is_unowned(conversation) {
                self.lose_owner(conversation);
            }
        }
    }

    /// Those whose owner is to be found again; they are lost again unless [`Self::found_owner`] is called.
    pub(super) fn take_lost(&mut self) -> Vec<ConversationId> {
        std::mem::take(&mut self.lost)
    }

    pub(super) fn has_lost(&self) -> bool {
        !self.lost.is_empty()
    }

    /// The position stays: what was missed meanwhile is replayed.
    pub(super) fn found_owner(&mut self, conversation: ConversationId, subscription: Subscription) {
        let Some(position) = self.positions.get_mut(&conversation) else { return };
        position.head = position.head.max(subscription.last_seq);
        position.subscription = Some(subscription);
        if !position.replaying && position.written < position.head {
            position.replaying = true;
            self.replays.push_back(conversation);
        }
    }

    pub(super) fn has_replays(&self) -> bool {
        !self.replays.is_empty()
    }

    /// The conversation whose turn it is; each gets a page in turn.
    pub(super) fn next_replay(&mut self) -> Option<Replay> {
        let conversation = self.replays.pop_front()?;
        let position = self.positions.get(&conversation)?;
        Some(Replay { conversation, after: position.written })
    }

    /// What a page wrote: up to `written`. True: the client waits to hear that it is caught up, and is.
    pub(super) fn replayed(&mut self, conversation: ConversationId, written: Seq) -> bool {
        let Some(position) = self.positions.get_mut(&conversation) else { return false };
        position.written = position.written.max(written);
        if position.written < position.head {
            self.replays.push_back(conversation);
            return false;
        }
        position.replaying = false;
        std::mem::take(&mut position.announce)
    }

    /// A page could not be read: it is tried again later.
    pub(super) fn replay_failed(&mut self, conversation: ConversationId) {
        if self.positions.contains_key(&conversation) {
            self.replays.push_back(conversation);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(written: u64, head: u64, replaying: bool) -> Followed {
        let (written, head) = (Seq(written), Seq(head));
        Followed { subscription: None, written, head, replaying, announce: false, viewing: false }
    }

    #[test]
    fn the_next_is_written_the_old_is_skipped_and_the_missing_is_read() {
        let mut position = at(3, 3, false);
        assert_eq!(position.place(Seq(3)), Arrival::Skip);
        assert_eq!(position.place(Seq(4)), Arrival::Next);
        assert_eq!(position.place(Seq(6)), Arrival::Missing);
        assert_eq!(position.place(Seq(5)), Arrival::Skip);
        assert_eq!((position.written, position.head), (Seq(4), Seq(6)));
    }

    #[test]
    fn during_a_replay_pushes_are_only_noted() {
        let mut position = at(3, 5, true);
        assert_eq!(position.place(Seq(4)), Arrival::Skip);
        assert_eq!(position.place(Seq(9)), Arrival::Skip);
        assert_eq!((position.written, position.head), (Seq(3), Seq(9)));
    }

    #[test]
    fn a_replay_goes_on_until_it_has_met_what_came_meanwhile() {
        let conversation = domain::Id::from_hash([1; 16]);
        let mut all = Subscriptions::default();
        all.positions.insert(conversation, Followed { announce: true, ..at(0, 2, true) });
        all.replays.push_back(conversation);
        assert_eq!(all.next_replay().map(|replay| replay.after), Some(Seq(0)));
        assert_eq!(all.place(conversation, Seq(3)), Arrival::Skip);
        assert!(!all.replayed(conversation, Seq(2)));
        assert_eq!(all.next_replay().map(|replay| replay.after), Some(Seq(2)));
        assert!(all.replayed(conversation, Seq(3)));
        assert!(!all.has_replays());
        assert_eq!(all.place(conversation, Seq(4)), Arrival::Next);
    }
}
