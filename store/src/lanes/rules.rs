//! What every rule works with.

use std::future::Future;
use std::sync::Arc;

use crate::log::InFlight;
use crate::{Clock, StoreError};

use super::options::LaneOptions;
use super::segments::Failure;
use super::tries::{Chance, Tries};

/// The statements, the bounds, and what this process knows.
#[derive(Debug)]
pub(super) struct Rules<S> {
    pub(super) segments: Arc<S>,
    pub(super) options: LaneOptions,
    /// Says when a segment was sealed, and when it may go. No rule of safety asks it.
    pub(super) clock: Clock,
    pub(super) chance: Chance,
    /// Appends on their way, through all lanes of this process.
    pub(super) in_flight: InFlight,
}

impl<S> Rules<S> {
    /// The attempts of a write, or of a look at a segment.
    pub(super) fn writing(&self) -> Tries<'_> {
        Tries::of_write(&self.options, &self.chance)
    }

    /// A statement that may be done more than once, until it is answered or the tries are over.
    pub(super) async fn write<T, F>(&self, statement: impl Fn() -> F) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        self.writing().repeat(statement).await
    }

    /// The same for reads of rows.
    pub(super) async fn ask<T, F>(&self, statement: impl Fn() -> F) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        Tries::of_read(&self.options, &self.chance).repeat(statement).await
    }

    /// Milliseconds since 1970.
    pub(super) fn now_ms(&self) -> u64 {
        self.clock.now().as_ms()
    }
}
