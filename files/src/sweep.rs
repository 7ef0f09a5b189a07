//! Removes bytes that have no record: of uploads that no message used within a day, and of servers that stopped between
//! writing the bytes and the record. Records expire by themselves ([`store::Records::expire`]); bytes are removed here, later.

use domain::{FileId, Workspace, WorkspaceId};
use futures_util::TryStreamExt;
use store::{BlobKey, Document, INSTALLATION, StoreError};

use crate::blob;
use crate::files::Files;
use crate::record::FileRecord;

/// Bytes younger than this may still get their record.
const YOUNG_MS: u64 = 60 * 60 * 1000;

impl Files {
    /// Goes over the bytes of all files and thumbnails once, and returns how many of them it removed. To be called now and
    /// then, by one task at a time; other nodes may do the same.
    ///
    /// # Errors
    /// The store did not answer. What was removed before stays removed, and the next call removes the rest.
    pub async fn sweep(&self) -> Result<usize, StoreError> {
        let mut removed = 0;
        for workspace in self.blobs.workspaces().await? {
            // A bucket may be shared with another installation, whose files have no records here.
            if !self.has::<Workspace>(INSTALLATION, &workspace.to_string()).await? {
                continue;
            }
            let mut entries = self.blobs.list(workspace);
            while let Some(entry) = entries.try_next().await? {
                let Some(file) = blob::file_of(&entry.name) else { continue };
                let young = self.clock.now().as_ms() < entry.written_at.as_ms().saturating_add(YOUNG_MS);
                if young || self.is_recorded(workspace, file).await? {
                    continue;
                }
                self.blobs.delete(&BlobKey { workspace, name: entry.name }).await?;
                removed += 1;
            }
        }
        Ok(removed)
    }

    async fn is_recorded(&self, workspace: WorkspaceId, file: FileId) -> Result<bool, StoreError> {
        self.has::<FileRecord>(workspace, &file.to_string()).await
    }

    async fn has<T: Document>(&self, workspace: WorkspaceId, id: &str) -> Result<bool, StoreError> {
        Ok(store::get::<T>(self.records.as_ref(), workspace, id).await?.is_some())
    }
}
