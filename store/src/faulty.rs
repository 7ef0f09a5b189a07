//! A log that fails as real ones do, by seed or by script: for tests of the code that must survive it.
//!
//! [`FaultyLog`] stands in front of any log. By itself it is transparent; [`Faults`] makes it fail by chance, always
//! the same for one seed and one order of calls, [`FaultyLog::script`] sets the outcomes of the next appends, and
//! [`FaultyLog::hold`] stops the next append until the test lets it go.
//!
//! An append is carried out by a task of its own, so it goes on when its caller stops waiting, as it does on a way to a
//! real store. An append that reaches the log when its lanes are sealed is fenced there.

use std::sync::Arc;

use async_trait::async_trait;
use domain::{Event, Seq};

use crate::{
    ConversationKey, EventLog, Incarnation, JournalError, JournalPage, JournalPosition, LaneId, Lanes,
    OpenLanesError, StoreError,
};

use lanes::FaultyLanes;
use trouble::Trouble;

mod dice;
mod lanes;
mod trouble;

pub use dice::Dice;
pub use trouble::{Fault, Faults, Held};

/// A log that fails. A clone is the same one.
#[derive(Clone)]
pub struct FaultyLog {
    inner: Arc<dyn EventLog>,
    trouble: Arc<Trouble>,
}

impl FaultyLog {
    /// `inner`, failing by chance.
    pub fn new(inner: Arc<dyn EventLog>, seed: u64, faults: Faults) -> Self {
        Self { inner, trouble: Arc::new(Trouble::new(seed, faults)) }
    }

    /// `inner`, failing only by script.
    pub fn scripted(inner: Arc<dyn EventLog>) -> Self {
        Self::new(inner, 0, Faults::default())
    }

    /// From now on it fails so.
    pub fn trouble(&self, faults: Faults) {
        self.trouble.set(faults);
    }

    /// From now on nothing fails; what is late is still to come.
    pub fn calm(&self) {
        self.trouble(Faults::default());
    }

    /// What the next appends come to, one each, before chance has its say again.
    pub fn script(&self, faults: impl IntoIterator<Item = Fault>) {
        self.trouble.script(faults);
    }

    /// Stops the next append that no other hold stops, before it touches the log.
    pub fn hold(&self) -> Held {
        self.trouble.hold()
    }

    /// How many appends are on their way, those included that no caller waits for any more.
    pub fn on_their_way(&self) -> usize {
        self.trouble.on_their_way.now()
    }

    /// Waits until no append is on its way.
    pub async fn at_rest(&self) {
        self.trouble.on_their_way.none().await;
    }
}

#[async_trait]
impl EventLog for FaultyLog {
    async fn open(&self, incarnation: Incarnation) -> Result<Arc<dyn Lanes>, OpenLanesError> {
        self.trouble.arrive().await?;
        let inner = self.inner.open(incarnation).await?;
        self.trouble.lose_answer()?;
        Ok(Arc::new(FaultyLanes::new(inner, Arc::clone(&self.trouble))))
    }

    async fn seal(&self, incarnation: Incarnation) -> Result<(), StoreError> {
        self.trouble.arrive().await?;
        self.inner.seal(incarnation).await?;
        self.trouble.lose_answer()
    }

    async fn read(&self, key: ConversationKey, after: Seq, limit: usize) -> Result<Vec<Event>, StoreError> {
        self.trouble.arrive().await?;
        self.inner.read(key, after, limit).await
    }

    async fn read_before(
        &self,
        key: ConversationKey,
        before: Seq,
        limit: usize,
    ) -> Result<Vec<Event>, StoreError> {
        self.trouble.arrive().await?;
        self.inner.read_before(key, before, limit).await
    }

    async fn lanes(&self) -> Result<Vec<LaneId>, StoreError> {
        self.trouble.arrive().await?;
        self.inner.lanes().await
    }

    async fn journal(
        &self,
        lane: LaneId,
        after: JournalPosition,
        limit: usize,
    ) -> Result<JournalPage, JournalError> {
        self.trouble.arrive().await?;
        self.inner.journal(lane, after, limit).await
    }
}
