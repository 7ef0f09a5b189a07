//! From a request to its answer: decide on the draft, append in groups, publish, answer.

use std::sync::Arc;

use domain::{Answer, Command, Event, EventKind, Head, Request};
use ractor::{ActorRef, ActorStatus};
use store::{Append, StoreError};

use super::draft::Waiter;
use super::live::LiveConversation;
use super::{append, confirm, notify};
use crate::mail::{Appended, ConversationMessage, Permit, Refusal, Reply};
use crate::runtime::{Stats, Witness};
use crate::words::{ExecuteError, Outcome};

impl LiveConversation {
    /// Decides on the draft, as if everything staged were written. The answer, also a refusal, waits for what it was
    /// decided on. With `probe` nothing is staged.
    pub(super) fn execute(
        &mut self,
        myself: &ActorRef<ConversationMessage>,
        request: &Request,
        probe: bool,
        reply: Reply<Outcome>,
        permit: Permit,
    ) {
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
        let waiter = Waiter { reply, answer, _permit: permit };
        if self.draft.is_settled() {
            confirm::answer_if_owner(&self.node.store, Arc::clone(&self.claim), waiter, myself.clone());
        } else {
            self.draft.wait(waiter);
        }
    }

    /// At most one append is in flight; what is staged meanwhile goes out together when it is back.
    pub(super) fn flush_when_idle(&mut self, myself: &ActorRef<ConversationMessage>) {
        if let Some(group) = self.draft.take_group() {
            append::spawn(&self.node.store, Arc::clone(&self.claim), group, myself.clone());
        }
    }

    pub(super) fn appended(&mut self, appended: Appended) {
        match appended.outcome {
            Ok(Append::Applied) => {
                self.node.stats.appended(appended.events.len(), appended.took);
                let head = Arc::new(appended.head);
                let released = appended.events.iter().rev().find_map(notify::released);
                self.notify_router(&head, released);
                for event in appended.events {
                    self.publish(Arc::new(event), &head);
                }
                self.draft.answer_group();
            }
            Ok(Append::Fenced { epoch, owner }) => {
                tracing::info!(conversation = %self.key.conversation, epoch = epoch.0, owner = owner.0, "a newer owner");
                self.give_up(&GivenUp::Unknown);
            }
            Ok(Append::Unknown) => {
                if !self.closing {
                    self.node.unsettled.put(self.key, self.last_told());
                }
                self.give_up(&GivenUp::Unknown);
            }
            Err(error) => self.give_up(&GivenUp::Store(error)),
        }
    }

    /// Pushes a durable event to all listeners, and notifies the agents concerned. Never waits.
    fn publish(&mut self, event: Arc<Event>, head: &Arc<Head>) {
        self.durable = event.seq;
        self.notify_agents(&event, head);
        if let Some(author) = self.typists.stop_of(&event.by) {
            self.subscribers.typing(&author, false, None);
        }
        self.subscribers.publish(&event);
        if matches!(
            event.kind,
            EventKind::Assigned { .. }
                | EventKind::Released { .. }
                | EventKind::Reopened
                | EventKind::Transferred { .. }
                | EventKind::Identified { .. }
        ) {
            self.subscribers.drop_those_who_lost_sight(head);
        }
    }

    pub(super) fn overtaken(&mut self) {
        self.give_up(&GivenUp::Unknown);
    }

    /// The state may not be what the log says, so nobody reads it any more: the next question reads the log anew.
    fn give_up(&mut self, cause: &GivenUp) {
        Stats::add(&self.node.stats.appends_failed, 1);
        self.draft.refuse_all(|| Refusal::Error(cause.error()));
        self.close();
    }

    /// Out of the registry first, so that what comes from now on starts anew.
    fn close(&mut self) {
        self.closing = true;
        self.node.conversations.forget(&self.key, &self.activity);
        self.publish_departures();
        self.subscribers.lose_owner();
    }

    pub(super) fn passivate(&mut self, only_idle: bool) {
        let busy = !self.draft.is_settled() || !self.subscribers.is_empty() || !self.marks.is_settled();
        if self.closing || (only_idle && busy) {
            return;
        }
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
        let (store, claim) = (self.node.store.clone(), (*self.claim).clone());
        tokio::spawn(async move {
            let key = claim.key;
            if let Err(error) = store.log.passivate(claim).await {
                tracing::debug!(conversation = %key.conversation, %error, "the log still names this owner");
            }
        });
    }
}

/// Why an owner gave up, as each of many callers is told.
enum GivenUp {
    Unknown,
    Store(StoreError),
}

impl GivenUp {
    fn error(&self) -> ExecuteError {
        match self {
            GivenUp::Unknown => ExecuteError::Unknown,
            GivenUp::Store(error) => ExecuteError::Store(error.clone()),
        }
    }
}
