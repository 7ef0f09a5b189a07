//! A question on its way to an actor, and the bound in front of the actor: ractor's mailbox has none of its own, so a permit
//! travels inside each question and comes back when its sender was answered.

use std::sync::Arc;

use domain::Rejection;
use ractor::{ActorRef, ActorStatus, Message};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use crate::words::{Ask, ExecuteError};

/// Why an actor did not do what it was asked.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// The actor no longer has what was asked for, and did nothing: ask the one that has it now.
    Moved,
    /// The caller's answer.
    Error(ExecuteError),
}

impl From<Rejection> for Refusal {
    fn from(rejection: Rejection) -> Self {
        Refusal::Error(rejection.into())
    }
}

pub(crate) type Reply<T> = oneshot::Sender<Result<T, Refusal>>;

/// A question, with the place of its answer.
#[derive(Debug)]
pub(crate) struct Asked<A: Ask> {
    pub(crate) ask: A,
    pub(crate) reply: Reply<A::Answer>,
    /// Kept until the caller is answered: a caller that waits for the store counts as much as one that waits for the actor.
    pub(crate) permit: Permit,
}

impl<A: Ask> Asked<A> {
    /// Answers; says whether the caller still waited.
    pub(crate) fn answer(self, answer: Result<A::Answer, Refusal>) -> bool {
        self.reply.send(answer).is_ok()
    }
}

/// How many questions may wait for one actor.
#[derive(Clone, Debug)]
pub(crate) struct Admission(Arc<Semaphore>);

/// A place in front of an actor; given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Permit(#[expect(dead_code, reason = "held for its drop")] OwnedSemaphorePermit);

impl Admission {
    /// Gives a place at once, or [`ExecuteError::Overloaded`]: nothing queues for the queue.
    pub(crate) fn enter(&self) -> Result<Permit, ExecuteError> {
        match Arc::clone(&self.0).try_acquire_owned() {
            Ok(permit) => Ok(Permit(permit)),
            Err(_) => Err(ExecuteError::Overloaded),
        }
    }
}

/// The way to an actor that takes `M`, and what it shows to others without being asked: `S`.
pub(crate) struct Handle<M: Message, S> {
    pub(crate) actor: ActorRef<M>,
    /// In front of questions; what other actors tell is bounded by their outbox.
    pub(crate) admission: Admission,
    pub(crate) shown: Arc<S>,
}

impl<M: Message, S> Handle<M, S> {
    pub(crate) fn new(actor: ActorRef<M>, places: usize, shown: Arc<S>) -> Self {
        Self { actor, admission: Admission(Arc::new(Semaphore::new(places))), shown }
    }

    /// The actor takes messages.
    pub(crate) fn lives(&self) -> bool {
        self.actor.get_status() < ActorStatus::Draining
    }

    /// Tells the actor; says whether it still took it.
    pub(crate) fn tell(&self, message: M) -> bool {
        self.actor.cast(message).is_ok()
    }
}

impl<M: Message, S> Clone for Handle<M, S> {
    fn clone(&self) -> Self {
        Self { actor: self.actor.clone(), admission: self.admission.clone(), shown: Arc::clone(&self.shown) }
    }
}
