//! Records in memory whose calls a test counts, delays, fails or loses.

use std::pin::Pin;
use std::sync::Arc;

use async_trait::async_trait;
use domain::{Timestamp, WorkspaceId};
use store::memory::MemoryRecords;
use store::{Record, RecordError, RecordKind, Records, StoreError, Unique};

/// A write that was not made yet.
pub(crate) type Write = Pin<Box<dyn Future<Output = Result<(), RecordError>> + Send>>;

/// What happens to calls; as it is, nothing.
#[async_trait]
pub(crate) trait Trouble: Send + Sync + 'static {
    /// Makes the write, or not.
    async fn write(&self, _call: &'static str, _kind: RecordKind, write: Write) -> Result<(), RecordError> {
        write.await
    }

    /// Before a read.
    async fn reads(&self, _call: &'static str, _kind: RecordKind) -> Result<(), StoreError> {
        Ok(())
    }

    /// Before the answer of a read.
    async fn answers(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

/// Records in memory with some trouble.
#[derive(Default)]
pub(crate) struct TroubledRecords<T> {
    pub(crate) inner: Arc<MemoryRecords>,
    pub(crate) trouble: T,
}

#[async_trait]
impl<T: Trouble> Records for TroubledRecords<T> {
    async fn insert(&self, kind: RecordKind, record: Record, unique: &[Unique]) -> Result<(), RecordError> {
        let (inner, unique) = (Arc::clone(&self.inner), unique.to_vec());
        let write = Box::pin(async move { inner.insert(kind, record, &unique).await });
        self.trouble.write("insert", kind, write).await
    }

    async fn update(&self, kind: RecordKind, record: Record, unique: &[Unique]) -> Result<(), RecordError> {
        let (inner, unique) = (Arc::clone(&self.inner), unique.to_vec());
        let write = Box::pin(async move { inner.update(kind, record, &unique).await });
        self.trouble.write("update", kind, write).await
    }

    async fn delete(
        &self,
        workspace: WorkspaceId,
        kind: RecordKind,
        id: &str,
        version: Option<u64>,
    ) -> Result<(), RecordError> {
        let (inner, id) = (Arc::clone(&self.inner), id.to_owned());
        let write = Box::pin(async move { inner.delete(workspace, kind, &id, version).await });
        self.trouble.write("delete", kind, write).await
    }

    async fn get(
        &self,
        workspace: WorkspaceId,
        kind: RecordKind,
        id: &str,
    ) -> Result<Option<Record>, StoreError> {
        self.trouble.reads("get", kind).await?;
        let found = self.inner.get(workspace, kind, id).await?;
        self.trouble.answers().await.map(|()| found)
    }

    async fn find(
        &self,
        workspace: WorkspaceId,
        kind: RecordKind,
        unique: &Unique,
    ) -> Result<Option<Record>, StoreError> {
        self.trouble.reads("find", kind).await?;
        let found = self.inner.find(workspace, kind, unique).await?;
        self.trouble.answers().await.map(|()| found)
    }

    async fn list(
        &self,
        workspace: WorkspaceId,
        kind: RecordKind,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Record>, StoreError> {
        self.trouble.reads("list", kind).await?;
        let found = self.inner.list(workspace, kind, after, limit).await?;
        self.trouble.answers().await.map(|()| found)
    }

    async fn expire(&self, now: Timestamp, limit: usize) -> Result<usize, StoreError> {
        self.inner.expire(now, limit).await
    }
}
