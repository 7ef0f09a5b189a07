//! The log: [`crate::lanes`] has the rules of lanes, and this adds the rows that lists are made of.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use domain::{Event, Seq};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

use crate::lanes::OpenLanes;
use crate::lanes::segments::{StoredEvent, StoredGroup};
use crate::log::{check_group, dense};
use crate::{
    Append, ConversationKey, EventLog, Group, Incarnation, JournalError, JournalPage, JournalPosition,
    LaneId, Lanes, LanesEnd, OpenLanesError, Store, StoreError, envelope,
};

use super::derived::Change;
use super::segments::CqlSegments;
use super::shared::{CqlStore, Shared};

/// How often sealed segments are moved home.
const MOVE_EVERY: Duration = Duration::from_secs(60);
/// Of so many rounds one is for the segments of all boots, as the node that would move them may be gone.
const ALL_EVERY: u32 = 30;
/// Appends whose rows are brought up to date beside the next ones. Beyond them the appends wait.
const FOLLOW_UPS_MAX: u32 = 256;
/// How long a close waits for them.
const CLOSE: Duration = Duration::from_secs(3);

fn opened(events: &[StoredEvent]) -> Result<Vec<Event>, StoreError> {
    events.iter().map(|event| envelope::open(&event.body)).collect()
}

impl CqlStore {
    /// The contracts, all on this store.
    pub fn store(&self) -> Store {
        Store {
            log: Arc::new(CqlLog(Arc::clone(&self.shared))),
            heads: self.shared.clone(),
            records: self.shared.clone(),
            series: self.shared.clone(),
        }
    }
}

/// The log of an open store.
struct CqlLog(Arc<Shared>);

#[async_trait]
impl EventLog for CqlLog {
    async fn open(&self, incarnation: Incarnation) -> Result<Arc<dyn Lanes>, OpenLanesError> {
        let shared = Arc::clone(&self.0);
        let lanes = shared.lanes.open(incarnation).await?;
        shared.mine.insert(incarnation);
        let mover = tokio::spawn(Arc::clone(&shared).move_home());
        let follow_ups = Arc::new(Semaphore::new(FOLLOW_UPS_MAX as usize));
        Ok(Arc::new(CqlLanes { lanes, follow_ups, mover, shared }))
    }

    async fn seal(&self, incarnation: Incarnation) -> Result<(), StoreError> {
        self.0.lanes.seal(incarnation).await?;
        self.0.mine.insert(incarnation);
        Ok(())
    }

    async fn read(&self, key: ConversationKey, after: Seq, limit: usize) -> Result<Vec<Event>, StoreError> {
        dense(opened(&self.0.lanes.read(key, after, limit).await?)?, Some(after.next()))
    }

    async fn read_before(
        &self,
        key: ConversationKey,
        before: Seq,
        limit: usize,
    ) -> Result<Vec<Event>, StoreError> {
        dense(opened(&self.0.lanes.read_before(key, before, limit).await?)?, None)
    }

    async fn lanes(&self) -> Result<Vec<LaneId>, StoreError> {
        self.0.lanes.lanes().await
    }

    async fn journal(
        &self,
        lane: LaneId,
        after: JournalPosition,
        limit: usize,
    ) -> Result<JournalPage, JournalError> {
        self.0.lanes.journal(lane, after, limit).await
    }
}

impl Shared {
    /// Moves sealed segments home, round after round.
    async fn move_home(self: Arc<Self>) {
        let mut rounds = tokio::time::interval(MOVE_EVERY);
        rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for round in 0_u32.. {
            rounds.tick().await;
            let of_all = round.is_multiple_of(ALL_EVERY);
            let swept = self.lanes.sweep(|whose| of_all || self.mine.contains(&whose)).await;
            if let Err(error) = swept {
                tracing::warn!(%error, "not all sealed segments were moved home");
            }
        }
    }
}

/// The lanes of a boot.
struct CqlLanes {
    lanes: Arc<OpenLanes<CqlSegments>>,
    follow_ups: Arc<Semaphore>,
    mover: JoinHandle<()>,
    shared: Arc<Shared>,
}

impl Drop for CqlLanes {
    fn drop(&mut self) {
        self.mover.abort();
    }
}

impl CqlLanes {
    /// Brings rows up to date after an append, beside the next ones; the caller waits when too many do so already.
    async fn follow_up(&self, key: ConversationKey, change: Change) {
        if !change.has_follow_up() {
            return;
        }
        match Arc::clone(&self.follow_ups).try_acquire_owned() {
            Ok(permit) => {
                let shared = Arc::clone(&self.shared);
                tokio::spawn(async move {
                    shared.after_append(key, &change).await;
                    drop(permit);
                });
            }
            Err(_) => self.shared.after_append(key, &change).await,
        }
    }
}

#[async_trait]
impl Lanes for CqlLanes {
    fn incarnation(&self) -> Incarnation {
        self.lanes.incarnation()
    }

    async fn append(&self, group: Group<'_>) -> Result<Append, StoreError> {
        check_group(&group);
        let Group { key, generation, before, events, head } = group;
        let on_its_way = self.lanes.begin(key).await;
        let change = Change::of(generation, before, head);
        let events = events.iter().map(|event| StoredEvent { seq: event.seq, body: envelope::seal(event) });
        let stored = StoredGroup { key, events: events.collect(), head: envelope::seal(head) };
        self.shared.before_append(key, &change).await?;
        let appended = self.lanes.append_begun(stored, on_its_way).await?;
        self.shared.known_heads.forget(key);
        if appended == Append::Applied {
            self.follow_up(key, change).await;
        }
        Ok(appended)
    }

    async fn settled(&self, key: ConversationKey) {
        self.lanes.settled(key).await;
    }

    async fn confirm(&self) -> Result<bool, StoreError> {
        self.lanes.confirm().await
    }

    async fn ended(&self) -> LanesEnd {
        self.lanes.ended().await
    }

    async fn close(&self) -> Result<(), StoreError> {
        self.mover.abort();
        let closed = self.lanes.close().await;
        // What is not done by then costs readers a look.
        let _ = tokio::time::timeout(CLOSE, self.follow_ups.acquire_many(FOLLOW_UPS_MAX)).await;
        closed
    }
}
