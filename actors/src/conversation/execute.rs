//! From a request to its answer: decide on the draft, append in groups, publish, answer.

use std::sync::Arc;

use domain::{Answer, Command, Event, EventKind, Head, Request};
use ractor::{ActorRef, ActorStatus};
use store::Append;

use super::draft::Waiter;
use super::live::LiveConversation;
use super::{append, confirm, notify};
use crate::mail::{Appended, ConversationMessage, Permit, Refusal, Reply};
use crate::runtime::{Stats, Witness};
use crate::words::{ExecuteError, Outcome, SharedEvent};

impl LiveConversation {
    /// Decides on the draft, as if everything staged were written. The answer, also a refusal, waits for what it was
    /// decided on. With `probe` nothing is staged.
    pub(super) fn execute(&mut self, request: &Request, probe: bool, reply: Reply<Outcome>, permit: Permit) {
        if self.closing {
            let _ = reply.send(Err(Refusal::Moved));
            return;
        }
        self.touch();
        if !self.refused.is_empty() && self.refused.contains(&request.digest()) {
            let _ = reply.send(Err(Refusal::Error(ExecuteError::Poisoned)));
            return;
        }
        let node = Arc::clone(&self.node);
        let witness = Witness::new(&node.crashes, self.key, request);
        #[cfg(test)]
        assert!(!super::tests::is_poisonous(request), "a test asked for this panic");
        let decided = self.draft.conversation().decide(request, self.node.clock.now());
        let (mut events, mut answer) = match decided {
            Ok(decision) => (decision.events, Ok(decision.answer)),
            Err(rejection) => (Vec::new(), Err(rejection)),
        };
        let would_change = probe && !events.is_empty();
        if would_change {
            (events, answer) = (Vec::new(), Ok(Answer::Done { repeated: false }));
        }
        self.draft.stage(events);
        let wants_head = !would_change && !matches!(request.command, Command::PostMessage { .. });
        let answer = answer.map(|answer| Outcome {
            answer,
            head: wants_head.then(|| Arc::new(self.draft.conversation().head().clone())),
        });
        witness.dismiss();
        self.answer_when_durable(Waiter { reply, answer, _permit: permit });
    }

    /// Answers with the head as soon as everything that was asked before is durable or refused.
    pub(super) fn settle(&mut self, reply: Reply<Outcome>, permit: Permit) {
        if self.closing {
            let _ = reply.send(Err(Refusal::Moved));
            return;
        }
        let head = Some(Arc::new(self.draft.conversation().head().clone()));
        let answer = Ok(Outcome { answer: Answer::Done { repeated: false }, head });
        self.answer_when_durable(Waiter { reply, answer, _permit: permit });
    }

    fn answer_when_durable(&mut self, waiter: Waiter) {
        if self.draft.is_settled() {
            confirm::answer_if_open(&self.node, waiter);
        } else {
            self.draft.wait(waiter);
        }
    }

    /// At most one append is in flight; what is staged meanwhile goes out together when it is back.
    pub(super) fn flush_when_idle(&mut self, myself: &ActorRef<ConversationMessage>) {
        if let Some(group) = self.draft.take_group() {
            append::begin(&self.node, self.key, group, myself.clone());
        }
    }

    pub(super) fn appended(&mut self, Appended { events, head, outcome, took }: Appended) {
        match outcome {
            Ok(Append::Applied) => {
                self.node.stats.appended(events.len(), took);
                self.draft.make_durable(Arc::clone(&head));
                let released = events.iter().rev().find_map(notify::released);
                self.notify_router(&head, released);
                for event in events {
                    self.publish(event, &head);
                }
                self.draft.answer_group();
            }
            Ok(Append::Fenced) => self.give_up(|| ExecuteError::Moved, || ExecuteError::Moved),
            // Nothing of what was staged behind it was written.
            Ok(Append::Unknown) => self.give_up(|| ExecuteError::Unknown, || ExecuteError::Moved),
            Err(error) => {
                let error = || ExecuteError::Unavailable(error.clone());
                self.give_up(error, error);
            }
        }
    }

    /// Pushes a durable event to all listeners, and notifies the agents concerned. Never waits.
    fn publish(&mut self, event: Event, head: &Arc<Head>) {
        self.notify_agents(&event, head);
        if let Some(author) = self.typists.stop_of(&event.by) {
            self.listeners.typing(author, false, None);
        }
        let moves_sight = matches!(
            event.kind,
            EventKind::Assigned { .. }
                | EventKind::Released { .. }
                | EventKind::Reopened
                | EventKind::Transferred { .. }
                | EventKind::Identified { .. }
        );
        self.listeners.event(Arc::new(SharedEvent::new(event)), moves_sight.then_some(head));
    }

    /// The draft is not what the log says, so nobody reads it any more: the next question reads the log anew.
    fn give_up(&mut self, of_group: impl Fn() -> ExecuteError, of_staged: impl Fn() -> ExecuteError) {
        Stats::add(&self.node.stats.appends_failed, 1);
        self.draft.refuse_group(|| Refusal::Error(of_group()));
        self.draft.refuse_staged(|| Refusal::Error(of_staged()));
        self.close();
    }

    /// The lanes have ended: what is in flight learns its outcome, and nothing else can be written.
    pub(super) fn leave(&mut self) {
        self.draft.refuse_staged(|| Refusal::Error(ExecuteError::Moved));
        self.close();
    }

    /// Out of the registry first, so that what comes from now on starts anew.
    fn close(&mut self) {
        self.closing = true;
        self.node.conversations.forget(&self.key, &self.activity);
        self.publish_departures();
        self.listeners.lose_owner();
    }

    pub(super) fn passivate(&mut self, only_idle: bool) {
        let busy = !self.draft.is_settled() || !self.listeners.is_empty() || !self.marks.is_settled();
        if self.closing || (only_idle && busy) {
            return;
        }
        // The next actor waits for the append in flight and for nothing behind it.
        self.draft.refuse_staged(|| Refusal::Moved);
        self.close();
    }

    /// What is queued behind this is answered `Moved`, then the actor ends.
    pub(super) fn stop_when_settled(&mut self, myself: &ActorRef<ConversationMessage>) {
        let settled = self.draft.is_settled() && self.marks.is_settled();
        if !self.closing || !settled || myself.get_status() >= ActorStatus::Draining {
            return;
        }
        Stats::add(&self.node.stats.passivations, 1);
        // An actor that is ending already cannot be drained again; it ends all the same.
        let _ = myself.drain();
    }
}
