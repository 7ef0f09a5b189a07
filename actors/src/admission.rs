//! Bounded admission in front of an actor: ractor's mailbox has no bound of its own, so a permit travels inside each
//! message and comes back when its sender was answered.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::ExecuteError;

/// How many messages may wait for one actor.
#[derive(Clone, Debug)]
pub(crate) struct Admission(Arc<Semaphore>);

/// A place in front of an actor; given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Permit(#[expect(dead_code, reason = "held for its drop")] OwnedSemaphorePermit);

impl Admission {
    pub(crate) fn new(places: usize) -> Self {
        Self(Arc::new(Semaphore::new(places)))
    }

    /// A place at once, or [`ExecuteError::Overloaded`]: nobody queues for the queue.
    pub(crate) fn enter(&self) -> Result<Permit, ExecuteError> {
        match Arc::clone(&self.0).try_acquire_owned() {
            Ok(permit) => Ok(Permit(permit)),
            Err(_) => Err(ExecuteError::Overloaded),
        }
    }
}
