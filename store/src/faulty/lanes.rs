//! Lanes that fail, one task for each append.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use domain::{Event, Head};
use tokio::sync::watch;

use crate::log::{InFlight, OnItsWay, check_group};
use crate::{Append, ConversationKey, Generation, Group, Incarnation, Lanes, LanesEnd, StoreError};

use super::trouble::{Count, Fault, Trouble, pass, unavailable_now};

/// The lanes of one boot.
pub(super) struct FaultyLanes {
    shared: Arc<Shared>,
    in_flight: InFlight,
    closed: AtomicBool,
}

/// What the tasks need.
struct Shared {
    inner: Arc<dyn Lanes>,
    trouble: Arc<Trouble>,
    /// An append failed in a way that ends the lanes.
    failed: watch::Sender<bool>,
    /// Appends of these lanes that are on their way.
    on_their_way: Count,
}

/// A group that outlives its caller.
struct OwnedGroup {
    key: ConversationKey,
    generation: Generation,
    before: Option<Head>,
    events: Vec<Event>,
    head: Head,
}

/// Counts an append that is on its way, until it is dropped.
struct Counted {
    shared: Arc<Shared>,
    _on_its_way: OnItsWay,
}

impl Counted {
    fn new(shared: &Arc<Shared>, on_its_way: OnItsWay) -> Self {
        shared.on_their_way.add();
        shared.trouble.on_their_way.add();
        Self { shared: Arc::clone(shared), _on_its_way: on_its_way }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.shared.on_their_way.remove();
        self.shared.trouble.on_their_way.remove();
    }
}

impl FaultyLanes {
    pub(super) fn new(inner: Arc<dyn Lanes>, trouble: Arc<Trouble>) -> Self {
        let (failed, on_their_way) = (watch::Sender::new(false), Count::default());
        let shared = Arc::new(Shared { inner, trouble, failed, on_their_way });
        Self { shared, in_flight: InFlight::default(), closed: AtomicBool::new(false) }
    }
}

impl Shared {
    /// Carries an append out, as fate has it.
    async fn append(&self, group: OwnedGroup) -> Result<Append, StoreError> {
        self.trouble.arrive().await?;
        self.trouble.hold_back().await;
        if *self.failed.borrow() {
            return Err(StoreError::Unavailable("the lanes failed before".into()));
        }
        match self.trouble.fate() {
            Fault::None => self.write(&group).await,
            Fault::Unavailable => Err(unavailable_now()),
            Fault::AnsweredLate(ms) => {
                let appended = self.write(&group).await;
                pass(ms).await;
                appended
            }
            Fault::WrittenLate(ms) => {
                pass(ms).await;
                self.write(&group).await
            }
            Fault::FailedWritten => {
                let appended = self.write(&group).await;
                self.failed.send_replace(true);
                appended.map(|_| Append::Unknown)
            }
            Fault::FailedLost => {
                self.failed.send_replace(true);
                Ok(Append::Unknown)
            }
        }
    }

    async fn write(&self, group: &OwnedGroup) -> Result<Append, StoreError> {
        let OwnedGroup { key, generation, before, events, head } = group;
        let before = before.as_ref();
        self.inner.append(Group { key: *key, generation: *generation, before, events, head }).await
    }
}

#[async_trait]
impl Lanes for FaultyLanes {
    fn incarnation(&self) -> Incarnation {
        self.shared.inner.incarnation()
    }

    async fn append(&self, group: Group<'_>) -> Result<Append, StoreError> {
        check_group(&group);
        let Group { key, generation, before, events, head } = group;
        let (before, events, head) = (before.cloned(), events.to_vec(), head.clone());
        let group = OwnedGroup { key, generation, before, events, head };
        let on_its_way = self.in_flight.begin(key).await;
        if self.closed.load(Ordering::Relaxed) {
            return Ok(Append::Fenced);
        }
        let shared = Arc::clone(&self.shared);
        let counted = Counted::new(&shared, on_its_way);
        let carried = tokio::spawn(async move {
            let appended = shared.append(group).await;
            drop(counted);
            appended
        });
        match carried.await {
            Ok(appended) => appended,
            Err(error) => match error.try_into_panic() {
                // A fault of the caller, who is to see it.
                Ok(panic) => std::panic::resume_unwind(panic),
                // The runtime ends, and the process with it.
                Err(_) => Ok(Append::Unknown),
            },
        }
    }

    async fn settled(&self, key: ConversationKey) {
        self.in_flight.settled(key).await;
        self.shared.inner.settled(key).await;
    }

    async fn confirm(&self) -> Result<bool, StoreError> {
        self.shared.trouble.arrive().await?;
        self.shared.trouble.allow_confirming()?;
        Ok(!*self.shared.failed.borrow() && self.shared.inner.confirm().await?)
    }

    async fn ended(&self) -> LanesEnd {
        let mut failed = self.shared.failed.subscribe();
        tokio::select! {
            end = self.shared.inner.ended() => end,
            failed = failed.wait_for(|failed| *failed) => {
                drop(failed.expect("the sender is in these lanes"));
                LanesEnd::Failed
            }
        }
    }

    async fn close(&self) -> Result<(), StoreError> {
        self.shared.trouble.arrive().await?;
        self.closed.store(true, Ordering::Relaxed);
        self.shared.on_their_way.none().await;
        self.shared.inner.close().await?;
        self.shared.trouble.lose_answer()
    }
}
