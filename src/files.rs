//! Uploaded files: received in a stream, told apart by their bytes, kept, used once. HTTP is not known here; who may
//! read a file is decided by who asks for it.

use std::ops::Range;
use std::sync::Arc;
use std::{fs, io};

use bytes::Bytes;
use domain::{
    AgentId, ClientId, ConversationId, FileCard, FileId, Mime, Name, Seq, Timestamp, VisitorId, WorkspaceId,
};
use serde::{Deserialize, Serialize};
use store::Clock;
use store::{BlobKey, BlobStream, Blobs, Document, RecordError, RecordKind, Records, StoreError, Versioned};

mod blob;
mod image;
mod image_queue;
mod kind;
mod link;
mod metadata;
mod name;
mod quota;
mod receive;
mod sniff;
mod sweep;
mod thumbnail;

pub use kind::Kind;
pub use link::{FileLinks, LinkError, Rendition};
pub use quota::{QuotaLimits, QuotaPassed};
pub use receive::{Upload, UploadError};
pub use sniff::Refusal;

use crate::identity::unavailable;
use crate::storage::Storage;
use image_queue::ImageQueue;
use quota::UploadQuotas;

/// How long a file waits for the message that uses it.
const UNUSED_MS: u64 = 24 * 60 * 60 * 1000;

/// Who uploaded a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Uploader {
    /// The conversation's visitor.
    Visitor(VisitorId),
    /// An agent.
    Agent(AgentId),
}

/// What is known of an uploaded file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileRecord {
    /// Names it, and its bytes.
    pub id: FileId,
    /// Where alone it can be used.
    pub conversation: ConversationId,
    /// Who alone can use it.
    pub uploader: Uploader,
    /// Harmless, with an extension that fits its kind.
    pub name: Name,
    /// By its bytes.
    pub mime: Mime,
    /// It is text in UTF-8: said beside `mime` where it is served. Of other texts the encoding is not certain.
    #[serde(default)]
    pub is_utf8: bool,
    /// In bytes, as it is kept.
    pub size: u64,
    /// Of its bytes as they are kept, in hexadecimal digits.
    pub sha256: Box<str>,
    /// When its last byte came.
    pub uploaded_at: Timestamp,
    /// The message or note that it is part of, by its sender's own name for it.
    pub used_by: Option<ClientId>,
    /// The last event of its conversation before that message was appended: if it was, it stands behind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used_after: Option<Seq>,
    /// What is shown of an image where there is little room.
    #[serde(default)]
    pub thumbnail: Option<Thumbnail>,
}

/// What is shown of an image where there is little room: at most 320x320 pixels.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Thumbnail {
    /// It is small enough itself.
    Itself,
    /// A picture made of it, with bytes of its own.
    Made {
        /// JPEG or PNG.
        mime: Mime,
        /// In bytes.
        size: u64,
    },
}

impl FileRecord {
    /// As messages carry it.
    pub fn card(&self) -> FileCard {
        FileCard {
            id: self.id,
            name: self.name.clone(),
            mime: self.mime.clone(),
            size: self.size,
            has_thumbnail: self.thumbnail.is_some(),
        }
    }

    /// Only a raster image may be shown in a page; everything else is served as a download.
    pub fn shown_inline(&self) -> bool {
        Kind::of_mime(self.mime.as_str()).is_some_and(Kind::shown_inline)
    }
}

impl Document for FileRecord {
    const KIND: RecordKind = RecordKind::File;
    fn id(&self) -> String {
        self.id.to_string()
    }
    fn expires_at(&self) -> Option<Timestamp> {
        self.used_by.is_none().then(|| self.uploaded_at.plus_ms(UNUSED_MS))
    }
}

/// Files were not reserved for a message; none of them is.
#[derive(Debug, thiserror::Error)]
pub enum ReserveError {
    /// It is not there, not his, not of this conversation, used already, or named twice.
    #[error("file {0} cannot be used here")]
    NotUsable(FileId),
    /// The store could not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The bounds of what is taken.
#[derive(Clone, Copy, Debug)]
pub struct FileLimits {
    /// The largest file.
    pub bytes_max: u64,
    /// The largest image that is decoded for a thumbnail, width times height.
    pub pixels_max: u64,
    /// What a day may bring.
    pub quotas: QuotaLimits,
}

/// The installation's files. Shared in an `Arc`.
pub struct Files {
    blobs: Arc<dyn Blobs>,
    records: Arc<dyn Records>,
    clock: Clock,
    limits: FileLimits,
    images: ImageQueue<(WorkspaceId, Uploader)>,
    quotas: UploadQuotas,
    storage: Storage,
}

impl Files {
    /// Removes what an earlier run left half received. Blocks. Only the one server that has the folder
    /// [`Blobs::incoming`] may call it.
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

    /// The disk that uploads are received on, and that of the database.
    pub fn storage(&self) -> &Storage {
        &self.storage
    }

    /// Writes what uploads were counted since the last time. To be called every few seconds, by one task, and at the
    /// end.
    ///
    /// # Errors
    ///
    /// When the store could not do it; the next call does.
    pub async fn save_counts(&self) -> Result<(), StoreError> {
        self.quotas.save().await
    }

    /// Asks where the bytes lie for something, to learn whether it answers.
    pub async fn reach(&self) -> Result<(), StoreError> {
        self.blobs.workspaces().await.map(drop)
    }

    /// The file, unless nobody used it in time.
    pub async fn find(&self, workspace: WorkspaceId, id: FileId) -> Result<Option<FileRecord>, StoreError> {
        Ok(self.read(workspace, id).await?.map(|record| record.document))
    }

    /// A range of its bytes, or of those of its [`Thumbnail::Made`], counted from 0 and within its size.
    pub async fn bytes(
        &self,
        workspace: WorkspaceId,
        id: FileId,
        what: Rendition,
        range: Range<u64>,
    ) -> Result<BlobStream<Bytes>, StoreError> {
        let key = BlobKey { workspace, name: blob::name_of(id, what) };
        let bytes = self.blobs.read(&key, range).await?;
        // The record comes after the bytes and goes before them.
        bytes.ok_or_else(|| StoreError::Corrupt(format!("the bytes of {id} are not there")))
    }

    /// Takes the files for the message that `uploader` sends to `conversation` under `client_id`, all or none, before
    /// it is appended: from then on no other message can have them, and they no longer go by themselves. The same
    /// message may reserve them again, so a repeat passes. Refused by the rules, it must [`Files::release`] them; when
    /// its outcome is unknown they stay. `after` is the conversation's last event now, or an earlier one.
    pub async fn reserve(
        &self,
        workspace: WorkspaceId,
        conversation: ConversationId,
        uploader: Uploader,
        client_id: &ClientId,
        after: Seq,
        ids: &[FileId],
    ) -> Result<Vec<FileCard>, ReserveError> {
        let mut cards = Vec::with_capacity(ids.len());
        let mut taken = Vec::new();
        for (at, &id) in ids.iter().enumerate() {
            let reserved = if ids[..at].contains(&id) {
                Err(ReserveError::NotUsable(id))
            } else {
                self.reserve_one(workspace, conversation, uploader, (client_id, after), id).await
            };
            match reserved {
                Ok((card, newly)) => {
                    cards.push(card);
                    taken.extend(newly.then_some(id));
                }
                Err(error) => {
                    self.release(workspace, client_id, &taken).await?;
                    return Err(error);
                }
            }
        }
        Ok(cards)
    }

    /// The card, and whether it was not reserved before.
    async fn reserve_one(
        &self,
        workspace: WorkspaceId,
        conversation: ConversationId,
        uploader: Uploader,
        (client_id, after): (&ClientId, Seq),
        id: FileId,
    ) -> Result<(FileCard, bool), ReserveError> {
        loop {
            let record = self.read(workspace, id).await?.filter(|record| {
                record.document.conversation == conversation && record.document.uploader == uploader
            });
            let mut record = record.ok_or(ReserveError::NotUsable(id))?;
            let card = record.document.card();
            match &record.document.used_by {
                Some(by) if by == client_id => return Ok((card, false)),
                Some(_) => return Err(ReserveError::NotUsable(id)),
                None => record.document.used_by = Some(client_id.clone()),
            }
            record.document.used_after = Some(after);
            match store::update(self.records.as_ref(), record, self.clock.now()).await {
                Ok(_) => return Ok((card, true)),
                Err(RecordError::Changed) => {}
                Err(error) => return Err(unavailable(error).into()),
            }
        }
    }

    /// Gives files back that were reserved for a message which the rules then refused.
    pub async fn release(
        &self,
        workspace: WorkspaceId,
        client_id: &ClientId,
        ids: &[FileId],
    ) -> Result<(), StoreError> {
        for id in ids {
            loop {
                let record =
                    store::get::<FileRecord>(self.records.as_ref(), workspace, &id.to_string()).await?;
                let reserved = record.filter(|record| record.document.used_by.as_ref() == Some(client_id));
                let Some(mut record) = reserved else { break };
                record.document.used_by = None;
                record.document.used_after = None;
                match store::update(self.records.as_ref(), record, self.clock.now()).await {
                    Ok(_) => break,
                    Err(RecordError::Changed) => {}
                    Err(error) => return Err(unavailable(error)),
                }
            }
        }
        Ok(())
    }

    async fn read(
        &self,
        workspace: WorkspaceId,
        id: FileId,
    ) -> Result<Option<Versioned<FileRecord>>, StoreError> {
        let record = store::get::<FileRecord>(self.records.as_ref(), workspace, &id.to_string()).await?;
        let now = self.clock.now();
        Ok(record.filter(|record| record.document.expires_at().is_none_or(|at| now < at)))
    }
}

/// Runs what blocks on a thread that may.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    // It fails only when the runtime is stopping or the work panicked.
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

#[cfg(test)]
mod tests;
