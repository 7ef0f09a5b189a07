//! The state behind all files: where bytes and records lie, and what bounds uploads. Reading stands here; receiving stands in
//! `receive.rs`, reserving in `reservation.rs`, removing in `sweep.rs`.

use std::ops::Range;
use std::sync::Arc;
use std::{fs, io};

use bytes::Bytes;
use domain::{FileId, WorkspaceId};
use store::{BlobKey, BlobStream, Blobs, Clock, Document, Records, StoreError, Versioned};

use crate::blob;
use crate::image_queue::ImageQueue;
use crate::quota::{QuotaLimits, UploadQuotas};
use crate::record::{FileRecord, Rendition, Uploader};
use crate::storage::Storage;

/// The bounds of uploads, as the config has them.
#[derive(Clone, Copy, Debug)]
pub struct FileLimits {
    /// The largest file, in bytes.
    pub bytes_max: u64,
    /// The largest image that is decoded for a thumbnail, in pixels: width times height.
    pub pixels_max: u64,
    /// How much may be uploaded in a day.
    pub quotas: QuotaLimits,
}

/// The installation's files. Shared in an `Arc`.
pub struct Files {
    pub(crate) blobs: Arc<dyn Blobs>,
    pub(crate) records: Arc<dyn Records>,
    pub(crate) clock: Clock,
    pub(crate) limits: FileLimits,
    pub(crate) images: ImageQueue<(WorkspaceId, Uploader)>,
    pub(crate) quotas: UploadQuotas,
    pub(crate) storage: Storage,
}

impl Files {
    /// Removes what an earlier run left half received. Blocks. Only the one server that has the folder [`Blobs::incoming`] may
    /// call this.
    ///
    /// # Errors
    /// The folder cannot be read, or something in it cannot be removed.
    pub fn open(
        blobs: Arc<dyn Blobs>,
        records: Arc<dyn Records>,
        clock: Clock,
        limits: FileLimits,
        storage: Storage,
    ) -> io::Result<Self> {
        for entry in fs::read_dir(blobs.incoming())? {
            fs::remove_file(entry?.path())?;
        }
        let images = ImageQueue::new();
        let quotas = UploadQuotas::new(limits.quotas, Arc::clone(&records), clock.clone());
        Ok(Self { blobs, records, clock, limits, images, quotas, storage })
    }

    /// The disk that uploads are received on, and the disk of the database.
    pub fn storage(&self) -> &Storage {
        &self.storage
    }

    /// Writes the bytes that uploads counted since the last call. To be called every few seconds by one task, and at the end.
    ///
    /// # Errors
    /// The store did not answer; the next call writes what this one did not.
    pub async fn save_counts(&self) -> Result<(), StoreError> {
        self.quotas.save().await
    }

    /// Asks the store of bytes something, to learn whether it answers.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn reach(&self) -> Result<(), StoreError> {
        self.blobs.workspaces().await.map(drop)
    }

    /// The file, unless it expired: no message used it within a day.
    ///
    /// # Errors
    /// The store did not answer: ask again.
    pub async fn find(&self, workspace: WorkspaceId, id: FileId) -> Result<Option<FileRecord>, StoreError> {
        Ok(self.read(workspace, id).await?.map(|record| record.document))
    }

    /// A range of the file's bytes, or of those of its [`Thumbnail::Made`](crate::Thumbnail::Made), counted from 0 and within
    /// its size.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when the bytes are gone though the caller has found the record; [`StoreError::Unavailable`]: ask
    /// again.
    pub async fn bytes(
        &self,
        workspace: WorkspaceId,
        id: FileId,
        what: Rendition,
        range: Range<u64>,
    ) -> Result<BlobStream<Bytes>, StoreError> {
        let key = BlobKey { workspace, name: blob::name_of(id, what) };
        let bytes = self.blobs.read(&key, range).await?;
        // The record is written after the bytes and removed before them, so where there is a record there are bytes.
        bytes.ok_or_else(|| StoreError::Corrupt(format!("the bytes of {id} are not there")))
    }

    /// The record of the file, unless it expired.
    pub(crate) async fn read(
        &self,
        workspace: WorkspaceId,
        id: FileId,
    ) -> Result<Option<Versioned<FileRecord>>, StoreError> {
        let record = store::get::<FileRecord>(self.records.as_ref(), workspace, &id.to_string()).await?;
        let now = self.clock.now();
        Ok(record.filter(|record| record.document.expires_at().is_none_or(|at| now < at)))
    }
}
