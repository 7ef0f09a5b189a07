//! Removes bytes that no record speaks of: of uploads that nobody used within a day, and of servers that stopped
//! between bytes and record. Records go by themselves ([`store::Records::expire`]); bytes go here, after them.

use std::io;

use domain::FileId;

use super::{FileRecord, Files, blocking};

/// Bytes younger than this may still get their record.
const YOUNG_MS: u64 = 60 * 60 * 1000;

/// A sweep stopped; what it did stays done, and the next one goes on.
#[derive(Debug, thiserror::Error)]
pub enum SweepError {
    /// The folder could not be read, or a file not removed.
    #[error("sweeping the files' folder: {0}")]
    Folder(#[from] io::Error),
    /// Whether a file is spoken of could not be read.
    #[error(transparent)]
    Store(#[from] store::StoreError),
}

impl Files {
    /// Looks at every file once; says how many it removed. To be called now and then, by one task at a time.
    pub async fn sweep(&self) -> Result<usize, SweepError> {
        let folder = self.folder.clone();
        let mut removed = 0;
        for workspace in blocking(move || folder.workspaces()).await? {
            let folder = self.folder.clone();
            for (file, at_ms) in blocking(move || folder.files(workspace)).await? {
                let young = self.clock.now().as_ms() < at_ms.saturating_add(YOUNG_MS);
                if young || self.is_recorded(workspace, file).await? {
                    continue;
                }
                let folder = self.folder.clone();
                blocking(move || folder.remove(workspace, file)).await?;
                removed += 1;
            }
        }
        Ok(removed)
    }

    async fn is_recorded(
        &self,
        workspace: domain::WorkspaceId,
        file: FileId,
    ) -> Result<bool, store::StoreError> {
        let record = store::get::<FileRecord>(self.records.as_ref(), workspace, &file.to_string()).await?;
        Ok(record.is_some())
    }
}
