//! The records as one node reaches them.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use domain::{Timestamp, WorkspaceId};
use store::memory::MemoryRecords;
use store::{Record, RecordError, RecordKind, Records, StoreError, Unique};
use tokio::time::sleep;

use super::control::{Control, UNAVAILABLE_AFTER};
use super::truth::Chance;

pub(super) struct NodeRecords {
    pub(super) inner: Arc<MemoryRecords>,
    pub(super) control: Arc<Control>,
    pub(super) chance: Arc<Chance>,
}

impl NodeRecords {
    async fn arrive(&self, reads_view: bool) -> Result<(), StoreError> {
        if self.control.is_hasty(reads_view) {
            self.chance.broken("after a pause a node did something before it read the view");
        }
        let faults = self.control.store();
        sleep(Duration::from_millis(1 + self.chance.up_to(4 + faults.slow_ms))).await;
        if self.control.store().is_cut {
            sleep(UNAVAILABLE_AFTER).await;
            return Err(StoreError::Unavailable("cut off".into()));
        }
        Ok(())
    }

    async fn answer(&self) -> Result<(), StoreError> {
        sleep(Duration::from_millis(self.chance.up_to(3))).await;
        if self.control.store().is_cut {
            return Err(StoreError::Unavailable("cut off before the answer".into()));
        }
        Ok(())
    }

    async fn write<W>(&self, write: W) -> Result<(), RecordError>
    where
        W: Future<Output = Result<(), RecordError>> + Send + 'static,
    {
        self.arrive(false).await?;
        if self.chance.chance(self.control.store().unknown) {
            match self.chance.up_to(2) {
                0 => {}
                1 => drop(write.await),
                _ => {
                    let late = Duration::from_millis(self.chance.up_to(2_500));
                    drop(tokio::spawn(async move {
                        sleep(late).await;
                        drop(write.await);
                    }));
                }
            }
            return Err(RecordError::Unknown);
        }
        write.await?;
        self.answer().await.map_err(|_| RecordError::Unknown)
    }
}

#[async_trait]
impl Records for NodeRecords {
    async fn insert(&self, kind: RecordKind, record: Record, unique: &[Unique]) -> Result<(), RecordError> {
        let (inner, unique) = (Arc::clone(&self.inner), unique.to_vec());
        let control = Arc::clone(&self.control);
        self.write(async move {
            inner.insert(kind, record, &unique).await?;
            if kind == RecordKind::Heartbeat {
                control.beat();
            }
            Ok(())
        })
        .await
    }

    async fn update(&self, kind: RecordKind, record: Record, unique: &[Unique]) -> Result<(), RecordError> {
        let (inner, unique) = (Arc::clone(&self.inner), unique.to_vec());
        let control = Arc::clone(&self.control);
        self.write(async move {
            inner.update(kind, record, &unique).await?;
            if kind == RecordKind::Heartbeat {
                control.beat();
            }
            Ok(())
        })
        .await
    }

    async fn delete(
        &self,
        workspace: WorkspaceId,
        kind: RecordKind,
        id: &str,
        version: Option<u64>,
    ) -> Result<(), RecordError> {
        let (inner, id) = (Arc::clone(&self.inner), id.to_owned());
        self.write(async move { inner.delete(workspace, kind, &id, version).await }).await
    }

    async fn get(
        &self,
        workspace: WorkspaceId,
        kind: RecordKind,
        id: &str,
    ) -> Result<Option<Record>, StoreError> {
        self.arrive(kind == RecordKind::View).await?;
        let found = self.inner.get(workspace, kind, id).await?;
        self.answer().await?;
        Ok(found)
    }

    async fn find(
        &self,
        workspace: WorkspaceId,
        kind: RecordKind,
        unique: &Unique,
    ) -> Result<Option<Record>, StoreError> {
        self.inner.find(workspace, kind, unique).await
    }

    async fn list(
        &self,
        workspace: WorkspaceId,
        kind: RecordKind,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Record>, StoreError> {
        self.arrive(false).await?;
        let found = self.inner.list(workspace, kind, after, limit).await?;
        self.answer().await?;
        Ok(found)
    }

    async fn expire(&self, now: Timestamp, limit: usize) -> Result<usize, StoreError> {
        self.inner.expire(now, limit).await
    }
}
