//! The draft: the state as if all that is staged were written, and the callers that wait for it.

use std::collections::VecDeque;
use std::sync::Arc;

use domain::{Conversation, Event, Head, Rejection, Seq, Side};
use store::{GROUP_BYTES_MAX, GROUP_MAX};

use crate::mail::{Permit, Refusal, Reply};
use crate::words::Outcome;

/// A caller that gets `answer` as soon as everything that it was decided on is durable.
pub(super) struct Waiter {
    pub(super) reply: Reply<Outcome>,
    pub(super) answer: Result<Outcome, Rejection>,
    /// Kept until the caller is answered: one that waits for the store counts as much as one that waits for the actor.
    pub(super) _permit: Permit,
}

impl Waiter {
    pub(super) fn answer(self) {
        // The caller may be gone; the log has it all the same.
        let _ = self.reply.send(self.answer.map_err(Refusal::from));
    }

    pub(super) fn refuse(self, refusal: Refusal) {
        let _ = self.reply.send(Err(refusal));
    }
}

/// Events that go out in one append.
pub(super) struct DraftedGroup {
    /// The head before them.
    pub(super) before: Arc<Head>,
    pub(super) events: Vec<Event>,
    /// The head after them.
    pub(super) head: Arc<Head>,
}

#[derive(Default)]
struct Staged {
    events: Vec<Event>,
    weight: u64,
    /// The head after these events, kept when a later group was begun.
    head: Option<Arc<Head>>,
    waiters: Vec<Waiter>,
}

pub(super) struct Draft {
    conversation: Conversation,
    /// The head as of the last event that is known to be durable.
    durable: Arc<Head>,
    /// The callers that wait for the append in flight; none: nothing is in flight.
    in_flight: Option<Vec<Waiter>>,
    staged: VecDeque<Staged>,
}

impl Draft {
    pub(super) fn new(conversation: Conversation) -> Self {
        let durable = Arc::new(conversation.head().clone());
        Self { conversation, durable, in_flight: None, staged: VecDeque::new() }
    }

    /// As if all that is staged were written.
    pub(super) fn conversation(&self) -> &Conversation {
        &self.conversation
    }

    /// As of the last event that is known to be durable.
    pub(super) fn durable(&self) -> &Arc<Head> {
        &self.durable
    }

    pub(super) fn mark(&mut self, side: Side, seq: Seq) -> bool {
        self.conversation.mark(side, seq)
    }

    /// Nothing is in flight and nothing waits to be.
    pub(super) fn is_settled(&self) -> bool {
        self.in_flight.is_none() && self.staged.is_empty()
    }

    /// Takes what was decided on this draft.
    pub(super) fn stage(&mut self, events: Vec<Event>) {
        if events.is_empty() {
            return;
        }
        let weight: u64 = events.iter().map(Event::weight).sum();
        let fits = |group: &Staged| {
            group.events.len() + events.len() <= GROUP_MAX && group.weight + weight <= GROUP_BYTES_MAX
        };
        if !self.staged.back().is_some_and(fits) {
            if let Some(full) = self.staged.back_mut() {
                full.head = Some(Arc::new(self.conversation.head().clone()));
            }
            self.staged.push_back(Staged::default());
        }
        for event in &events {
            self.conversation.apply(event);
        }
        if let Some(group) = self.staged.back_mut() {
            group.weight += weight;
            group.events.extend(events);
        }
    }

    /// Answers `waiter` when all that is staged now is durable; at once when nothing is staged.
    pub(super) fn wait(&mut self, waiter: Waiter) {
        match (self.staged.back_mut(), &mut self.in_flight) {
            (Some(group), _) => group.waiters.push(waiter),
            (None, Some(waiters)) => waiters.push(waiter),
            (None, None) => waiter.answer(),
        }
    }

    /// The next group, unless one is in flight.
    pub(super) fn take_group(&mut self) -> Option<DraftedGroup> {
        if self.in_flight.is_some() {
            return None;
        }
        let Staged { events, head, waiters, .. } = self.staged.pop_front()?;
        self.in_flight = Some(waiters);
        let head = head.unwrap_or_else(|| Arc::new(self.conversation.head().clone()));
        Some(DraftedGroup { before: Arc::clone(&self.durable), events, head })
    }

    /// The group in flight is durable; `head` is the one after it.
    pub(super) fn make_durable(&mut self, head: Arc<Head>) {
        self.durable = head;
    }

    /// Answers those who waited for the group in flight; the next one may go.
    pub(super) fn answer_group(&mut self) {
        self.in_flight.take().into_iter().flatten().for_each(Waiter::answer);
    }

    /// What is staged and not in flight will not be written.
    pub(super) fn refuse_staged(&mut self, refusal: impl Fn() -> Refusal) {
        for waiter in self.staged.drain(..).flat_map(|group| group.waiters) {
            waiter.refuse(refusal());
        }
    }

    /// The group in flight is over, with an outcome that answers none of those who wait for it.
    pub(super) fn refuse_group(&mut self, refusal: impl Fn() -> Refusal) {
        for waiter in self.in_flight.take().into_iter().flatten() {
            waiter.refuse(refusal());
        }
    }
}
