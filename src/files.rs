//! Uploaded files: received in a stream, told apart by their bytes, kept in a folder, used once. HTTP is not known
//! here; who may read a file is decided by who asks for it.

use std::fmt::Display;
use std::io;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;

use actors::Clock;
use bytes::Bytes;
use domain::{
    AgentId, ClientId, ConversationId, FileCard, FileId, Mime, Name, Timestamp, VisitorId, WorkspaceId,
};
use futures_util::{Stream, StreamExt};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use store::{Document, RecordError, RecordKind, Records, StoreError, Versioned};
use tokio::io::AsyncWriteExt;

mod folder;
mod image;
mod link;
mod name;
mod sniff;
mod sweep;

pub use link::{FileLinks, LinkError};
pub use sniff::{Kind, Refusal};
pub use sweep::SweepError;

use crate::identity::unavailable;
use folder::Folder;
use sniff::{TextCheck, sniff};

/// How long a file waits for the message that uses it.
const UNUSED_MS: u64 = 24 * 60 * 60 * 1000;

/// Who uploaded a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
    /// In bytes.
    pub size: u64,
    /// Of its bytes, in hexadecimal digits.
    pub sha256: Box<str>,
    /// When its last byte came.
    pub uploaded_at: Timestamp,
    /// The message or note that it is part of, by its sender's own name for it.
    pub used_by: Option<ClientId>,
}

impl FileRecord {
    /// As messages carry it.
    pub fn card(&self) -> FileCard {
        FileCard { id: self.id, name: self.name.clone(), mime: self.mime.clone(), size: self.size }
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

/// What comes with an upload's bytes.
#[derive(Clone, Debug)]
pub struct Upload {
    /// Whose it will be.
    pub workspace: WorkspaceId,
    /// Where alone it can be used.
    pub conversation: ConversationId,
    /// Who alone can use it.
    pub uploader: Uploader,
    /// What he calls it.
    pub name: String,
}

/// A file was not taken; nothing of it is left.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// It has more bytes than this.
    #[error("the file has more than {0} bytes")]
    TooLarge(u64),
    /// It is of no kind that is taken.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The client left, or sent what is no upload.
    #[error("the upload broke off: {0}")]
    BrokeOff(String),
    /// The disk is full.
    #[error("the disk is full")]
    StorageFull,
    /// The folder could not be written.
    #[error("writing an upload: {0}")]
    Folder(io::Error),
    /// Its record could not be written.
    #[error(transparent)]
    Record(#[from] RecordError),
}

impl From<io::Error> for UploadError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::StorageFull,
            _ => Self::Folder(error),
        }
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
    /// The largest image, width times height.
    pub pixels_max: u64,
}

/// The installation's files. Shared in an `Arc`.
pub struct Files {
    folder: Folder,
    records: Arc<dyn Records>,
    clock: Clock,
    limits: FileLimits,
}

impl Files {
    /// Opens the folder, and removes what an earlier run left half received. Blocks. Only the one server that has the
    /// data folder may call it.
    pub fn open(
        folder: PathBuf,
        records: Arc<dyn Records>,
        clock: Clock,
        limits: FileLimits,
    ) -> io::Result<Self> {
        Ok(Self { folder: Folder::open(folder)?, records, clock, limits })
    }

    /// Takes a file whose bytes come in `body`. When it returns, bytes and record are durable; when it fails or is
    /// dropped, nothing is left of it.
    pub async fn receive<E: Display>(
        &self,
        upload: Upload,
        body: impl Stream<Item = Result<Bytes, E>> + Send,
    ) -> Result<Versioned<FileRecord>, UploadError> {
        let folder = self.folder.clone();
        // The path removes the file when it is dropped, so also when the client leaves in the middle.
        let (file, path) = blocking(move || folder.receive()).await?;
        let mut file = tokio::fs::File::from_std(file);
        let mut body = pin!(body);
        let (mut size, mut hash, mut text) = (0, Sha256::new(), TextCheck::default());
        while let Some(bytes) = body.next().await {
            let bytes = bytes.map_err(|error| UploadError::BrokeOff(error.to_string()))?;
            size += bytes.len() as u64;
            if size > self.limits.bytes_max {
                return Err(UploadError::TooLarge(self.limits.bytes_max));
            }
            hash.update(&bytes);
            text.push(&bytes);
            file.write_all(&bytes).await?;
        }
        file.flush().await?;
        let mut file = file.into_std().await;

        let now = self.clock.now();
        let id = FileId::new(now, rand::random());
        let Upload { workspace, conversation, uploader, name } = upload;
        let (folder, pixels_max) = (self.folder.clone(), self.limits.pixels_max);
        let (kind, name) = blocking(move || {
            let kind = match sniff(&mut file, text.is_text(), &name, pixels_max)? {
                Ok(kind) => kind,
                Err(refusal) => return Ok(Err(refusal)),
            };
            file.sync_all()?;
            folder.keep(workspace, id, path)?;
            Ok(Ok((kind, name::clean(&name, kind))))
        })
        .await??;
        let record = FileRecord {
            id,
            conversation,
            uploader,
            name,
            mime: Mime::new(kind.mime()),
            size,
            sha256: hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect::<String>().into(),
            uploaded_at: now,
            used_by: None,
        };
        // If this fails, the bytes are swept: no record speaks of them.
        Ok(store::insert(self.records.as_ref(), workspace, record, now).await?)
    }

    /// The file, unless nobody used it in time.
    pub async fn find(&self, workspace: WorkspaceId, id: FileId) -> Result<Option<FileRecord>, StoreError> {
        Ok(self.read(workspace, id).await?.map(|record| record.document))
    }

    /// Its bytes.
    pub async fn bytes(&self, workspace: WorkspaceId, id: FileId) -> io::Result<tokio::fs::File> {
        let folder = self.folder.clone();
        blocking(move || folder.open_file(workspace, id)).await.map(tokio::fs::File::from_std)
    }

    /// Takes the files for the message that `uploader` sends to `conversation` under `client_id`, all or none, before
    /// it is appended: from then on no other message can have them, and they no longer go by themselves. The same
    /// message may reserve them again, so a repeat passes. Refused by the rules, it must [`Files::release`] them; when
    /// its outcome is unknown they stay.
    pub async fn reserve(
        &self,
        workspace: WorkspaceId,
        conversation: ConversationId,
        uploader: Uploader,
        client_id: &ClientId,
        ids: &[FileId],
    ) -> Result<Vec<FileCard>, ReserveError> {
        let mut cards = Vec::with_capacity(ids.len());
        let mut taken = Vec::new();
        for (at, &id) in ids.iter().enumerate() {
            let reserved = if ids[..at].contains(&id) {
                Err(ReserveError::NotUsable(id))
            } else {
                self.reserve_one(workspace, conversation, uploader, client_id, id).await
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
        client_id: &ClientId,
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
