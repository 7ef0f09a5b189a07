//! The log in segments: what an implementation of [`crate::EventLog`] calls. Everything is as its contract says, with events
//! and heads as they are stored.

use std::sync::Arc;

use domain::Seq;

use crate::log::InFlight;
use crate::{
    Clock, ConversationKey, Incarnation, JournalError, JournalPage, JournalPosition, LaneId, OpenLanesError,
    StoreError,
};

use super::mover::Swept;
use super::open::OpenLanes;
use super::options::LaneOptions;
use super::rules::Rules;
use super::segments::{Segments, StoredEvent, StoredHead};
use super::tries::Chance;

/// Logs in segments. Clones are the same log; one process has one, which counts what is on its way.
#[derive(Debug)]
pub(crate) struct LaneLog<S>(Arc<Rules<S>>);

impl<S> Clone for LaneLog<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<S: Segments> LaneLog<S> {
    /// `seed` is for the lengths of pauses alone.
    pub(crate) fn new(segments: Arc<S>, options: LaneOptions, clock: Clock, seed: u64) -> Self {
        let (chance, in_flight) = (Chance::of(seed), InFlight::default());
        Self(Arc::new(Rules { segments, options, clock, chance, in_flight }))
    }

    /// Opens the lanes of a boot. When the last reference to them is dropped they end without being closed, as by a crash.
    ///
    /// # Errors
    ///
    /// [`OpenLanesError`].
    pub(crate) async fn open(&self, incarnation: Incarnation) -> Result<Arc<OpenLanes<S>>, OpenLanesError> {
        OpenLanes::open(Arc::clone(&self.0), incarnation).await
    }

    /// Ends the lanes of a boot, open or never opened.
    ///
    /// # Errors
    ///
    /// [`StoreError`]: some of them may be sealed.
    pub(crate) async fn seal(&self, incarnation: Incarnation) -> Result<(), StoreError> {
        self.0.seal(incarnation).await
    }

    /// The events after `after`, oldest first, at most `limit` and [`crate::PAGE_MAX`], without holes from `after` on.
    ///
    /// # Errors
    ///
    /// [`StoreError::Corrupt`] when the log has a hole.
    pub(crate) async fn read(
        &self,
        key: ConversationKey,
        after: Seq,
        limit: usize,
    ) -> Result<Vec<StoredEvent>, StoreError> {
        self.0.read(key, after, limit).await
    }

    /// The last events before `before`, oldest first, at most `limit` and [`crate::PAGE_MAX`], without holes.
    ///
    /// # Errors
    ///
    /// As of [`LaneLog::read`].
    pub(crate) async fn read_before(
        &self,
        key: ConversationKey,
        before: Seq,
        limit: usize,
    ) -> Result<Vec<StoredEvent>, StoreError> {
        self.0.read_before(key, before, limit).await
    }

    /// The head as of the last event; never behind what was acknowledged before the call.
    ///
    /// # Errors
    ///
    /// [`StoreError`]: nothing is known.
    pub(crate) async fn head(&self, key: ConversationKey) -> Result<Option<StoredHead>, StoreError> {
        self.0.head(key).await
    }

    /// As [`crate::EventLog::lanes`].
    ///
    /// # Errors
    ///
    /// [`StoreError`]: nothing is known.
    pub(crate) async fn lanes(&self) -> Result<Vec<LaneId>, StoreError> {
        self.0.lanes().await
    }

    /// As [`crate::EventLog::journal`].
    ///
    /// # Errors
    ///
    /// [`JournalError`].
    pub(crate) async fn journal(
        &self,
        lane: LaneId,
        after: JournalPosition,
        limit: usize,
    ) -> Result<JournalPage, JournalError> {
        self.0.journal(lane, after, limit).await
    }

    /// Moves the sealed segments of those boots home, and drops those that were moved and kept for long enough. One round, to be
    /// repeated every few minutes by every node for its own boot and for those that it sealed; what one round leaves the next
    /// one does, and two nodes that move the same segment do no harm.
    ///
    /// # Errors
    ///
    /// [`StoreError`]: some of it was not done. [`StoreError::Corrupt`]: a home is not what its segment was; the segment stays.
    pub(crate) async fn sweep(
        &self,
        whose: impl Fn(Incarnation) -> bool + Send + Sync,
    ) -> Result<Swept, StoreError> {
        self.0.sweep(&whose).await
    }

    /// Removes a conversation, wherever it has events. The caller is its one writer, nothing of it is on its way, and nothing
    /// is appended to it ever after.
    ///
    /// # Errors
    ///
    /// [`StoreError`]: some of it may be gone; the caller erases again.
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "no contract erases yet; the mover must not undo it all the same")
    )]
    pub(crate) async fn erase(&self, key: ConversationKey) -> Result<(), StoreError> {
        self.0.erase(key).await
    }
}
