//! The draft: the state as if all that is staged were written, and the callers that wait for it.

use std::collections::VecDeque;

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
pub(super) struct Group {
    pub(super) tail: Seq,
    pub(super) events: Vec<Event>,
    pub(super) head: Head,
}

#[derive(Default)]
struct Staged {
    events: Vec<Event>,
    weight: u64,
    /// The state after these events, kept when a later group was begun.
    head: Option<Head>,
    waiters: Vec<Waiter>,
}

pub(super) struct Draft {
    conversation: Conversation,
    /// The callers that wait for the append in flight; none: nothing is in flight.
    in_flight: Option<Vec<Waiter>>,
    staged: VecDeque<Staged>,
}

impl Draft {
    pub(super) fn new(conversation: Conversation) -> Self {
        Self { conversation, in_flight: None, staged: VecDeque::new() }
    }

    /// As if all that is staged were written.
    pub(super) fn conversation(&self) -> &Conversation {
        &self.conversation
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
                full.head = Some(self.conversation.head().clone());
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
    pub(super) fn take_group(&mut self) -> Option<Group> {
        if self.in_flight.is_some() {
            return None;
        }
        let Staged { events, head, waiters, .. } = self.staged.pop_front()?;
        self.in_flight = Some(waiters);
        let tail = Seq(events.first().map_or(0, |event| event.seq.0 - 1));
        Some(Group { tail, events, head: head.unwrap_or_else(|| self.conversation.head().clone()) })
    }

    /// The group in flight is durable.
    pub(super) fn answer_group(&mut self) {
        self.in_flight.take().into_iter().flatten().for_each(Waiter::answer);
    }

    /// Nothing of it may have been written.
    pub(super) fn refuse_all(&mut self, refusal: impl Fn() -> Refusal) {
        let staged = self.staged.drain(..).flat_map(|group| group.waiters);
        for waiter in self.in_flight.take().into_iter().flatten().chain(staged) {
            waiter.refuse(refusal());
        }
    }
}
