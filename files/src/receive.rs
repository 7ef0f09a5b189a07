//! Receives an upload: writes the stream into a local file, finds the kind of the file by its bytes, and leaves of an image
//! only the picture, with a thumbnail beside it. Then the bytes are put where they are kept, and the record is written.

use std::fmt::Display;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use domain::{ConversationId, FileId, Mime, SiteId, WorkspaceId};
use futures_util::{Stream, StreamExt};
use sha2::{Digest, Sha256};
use store::{BlobKey, Blobs, RecordError, StoreError, Versioned};
use tempfile::TempPath;
use tokio::io::AsyncWriteExt;

use crate::exhaustion::is_exhausted;
use crate::files::Files;
use crate::image_queue::QueueError;
use crate::kind::Kind;
use crate::quota::{Charge, QuotaPassed};
use crate::record::{FileRecord, Rendition, Thumbnail, Uploader};
use crate::sniff::{Encoding, Found, Refusal, TextCheck, sniff};
use crate::thumbnail::{Small, thumbnail};
use crate::{blob, image, metadata, name};

/// After so many bytes an upload asks again whether the disk has room. So far may each upload run into the reserve.
const ROOM_ASKED_BYTES: usize = 1024 * 1024;

/// What comes with an upload's bytes.
#[derive(Clone, Debug)]
pub struct Upload {
    /// The workspace that will have the file.
    pub workspace: WorkspaceId,
    /// The only conversation in which the file can be used.
    pub conversation: ConversationId,
    /// The site that the conversation came from.
    pub site: SiteId,
    /// The only person who can use it.
    pub uploader: Uploader,
    /// What the uploader calls the file.
    pub name: String,
}

/// A file was not taken, and nothing of it is left.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// The file has more bytes than this.
    #[error("the file has more than {0} bytes")]
    TooLarge(u64),
    /// The file is of no kind that is taken.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The client left, or sent a body that is no upload.
    #[error("the upload broke off: {0}")]
    BrokeOff(String),
    /// Too many images wait to be worked on. The client may send the file again.
    #[error("too many images are uploaded now")]
    TooManyImages,
    /// A day's bytes are used up.
    #[error(transparent)]
    Quota(#[from] QuotaPassed),
    /// What is left of the disk is kept for messages.
    #[error("the disk is nearly full: no file is taken")]
    ReserveReached,
    /// The disk is full.
    #[error("the disk is full")]
    StorageFull,
    /// The process has too many files open, which passes by itself. The client may send the file again.
    #[error("too many files are open: {0}")]
    Exhausted(io::Error),
    /// The upload could not be received into a file of this machine.
    #[error("receiving an upload: {0}")]
    Local(io::Error),
    /// The bytes could not be put where they are kept.
    #[error("keeping an upload: {0}")]
    Kept(StoreError),
    /// The store does not say how much was uploaded before.
    #[error(transparent)]
    Counts(StoreError),
    /// The record could not be written.
    #[error(transparent)]
    Record(#[from] RecordError),
}

impl From<io::Error> for UploadError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::StorageFull,
            _ if is_exhausted(&error) => Self::Exhausted(error),
            _ => Self::Local(error),
        }
    }
}

/// A local file that was received whole and is not kept yet. The file is removed when this is dropped.
struct Received {
    file: File,
    path: TempPath,
    size: u64,
    sha256: Box<str>,
}

/// What the record will say of a thumbnail, and the file of one that was made, which is not kept yet either.
type NewThumbnail = (Thumbnail, Option<TempPath>);

impl Files {
    /// Receives a file whose bytes come in `body`. When this returns, bytes and record are durable; when it fails or is
    /// dropped, nothing of the file is left.
    ///
    /// # Errors
    /// [`UploadError`] says in each variant why the file was not taken.
    pub async fn receive<E: Display>(
        &self,
        upload: Upload,
        body: impl Stream<Item = Result<Bytes, E>> + Send,
    ) -> Result<Versioned<FileRecord>, UploadError> {
        let Upload { workspace, conversation, site, uploader, name } = upload;
        if !self.storage.may_upload() {
            return Err(UploadError::ReserveReached);
        }
        let visitor = match uploader {
            Uploader::Visitor(visitor) => Some((visitor, site)),
            Uploader::Agent(_) => None,
        };
        let mut charge = self.quotas.begin(workspace, visitor).await.map_err(UploadError::Counts)?;
        let (mut received, encoding) = self.stream(body, &mut charge).await?;
        let (Found { kind, is_utf8, pixels }, received, name) = blocking(move || {
            let sniffed = sniff(&mut received.file, encoding, &name)?;
            Ok(sniffed.map(|found| (found, received, name)))
        })
        .await??;
        let is_decoded = pixels <= self.limits.pixels_max;
        let (received, thumbnail) = if kind.shown_inline() {
            // What is not decoded costs its bytes alone.
            let cost = received.size.saturating_add(if is_decoded { pixels } else { 0 });
            self.work_on_image((workspace, uploader), cost, kind, is_decoded, received).await?
        } else {
            (received, None)
        };

        let now = self.clock.now();
        let id = FileId::new(now, rand::random());
        let Received { file: _, path, size, sha256 } = received;
        let (thumbnail, small) = thumbnail.map_or((None, None), |(thumbnail, path)| (Some(thumbnail), path));
        if let Some(small) = small {
            self.keep(workspace, id, Rendition::Thumbnail, &small).await?;
        }
        self.keep(workspace, id, Rendition::Original, &path).await?;
        let name = name::clean(&name, kind);
        let mime = Mime::new(kind.mime());
        let record = FileRecord {
            id,
            conversation,
            uploader,
            name,
            mime,
            is_utf8,
            size,
            sha256,
            uploaded_at: now,
            used_by: None,
            used_after: None,
            thumbnail,
        };
        // If this fails, the bytes are swept: no record speaks of them.
        let record = store::insert(self.records.as_ref(), workspace, record, now).await?;
        charge.keep();
        Ok(record)
    }

    async fn keep(
        &self,
        workspace: WorkspaceId,
        id: FileId,
        what: Rendition,
        received: &Path,
    ) -> Result<(), UploadError> {
        let key = BlobKey { workspace, name: blob::name_of(id, what) };
        self.blobs.put(&key, received).await.map_err(|error| match error {
            StoreError::StorageFull => UploadError::StorageFull,
            StoreError::Unavailable(_) | StoreError::Corrupt(_) => UploadError::Kept(error),
        })
    }

    /// Writes the body as it comes, and finds the encoding of a text.
    async fn stream<E: Display>(
        &self,
        body: impl Stream<Item = Result<Bytes, E>> + Send,
        charge: &mut Charge<'_>,
    ) -> Result<(Received, Option<Encoding>), UploadError> {
        let blobs = Arc::clone(&self.blobs);
        // Dropping the path removes the file, so a client that leaves in the middle leaves no file behind.
        let (file, path) = blocking(move || new_file(&*blobs)).await?;
        let mut file = tokio::fs::File::from_std(file);
        let mut body = pin!(body);
        let (mut size, mut hash, mut text) = (0, Sha256::new(), TextCheck::default());
        let mut asked_of_room = 0;
        while let Some(bytes) = body.next().await {
            let bytes = bytes.map_err(|error| UploadError::BrokeOff(error.to_string()))?;
            size += bytes.len() as u64;
            if size > self.limits.bytes_max {
                return Err(UploadError::TooLarge(self.limits.bytes_max));
            }
            charge.add(bytes.len() as u64)?;
            asked_of_room += bytes.len();
            if asked_of_room >= ROOM_ASKED_BYTES {
                asked_of_room = 0;
                if !self.storage.may_upload() {
                    return Err(UploadError::ReserveReached);
                }
            }
            hash.update(&bytes);
            text.push(&bytes);
            file.write_all(&bytes).await?;
        }
        file.flush().await?;
        let file = file.into_std().await;
        Ok((Received { file, path, size, sha256: in_hexadecimal(hash) }, text.encoding()))
    }

    /// Leaves nothing of an image but the picture, and makes its thumbnail.
    async fn work_on_image(
        &self,
        payer: (WorkspaceId, Uploader),
        cost: u64,
        kind: Kind,
        is_decoded: bool,
        mut received: Received,
    ) -> Result<(Received, Option<NewThumbnail>), UploadError> {
        let blobs = Arc::clone(&self.blobs);
        let worked = self.images.run(payer, cost, move || {
            let thumbnail = work_on_image(kind, is_decoded, &mut received, &*blobs)?;
            io::Result::Ok(thumbnail.map(|thumbnail| (received, thumbnail)))
        });
        match worked.await {
            Ok(worked) => Ok(worked??),
            Err(QueueError::Full) => Err(UploadError::TooManyImages),
            Err(error @ QueueError::Panicked) => Err(UploadError::Local(io::Error::other(error))),
        }
    }
}

fn work_on_image(
    kind: Kind,
    is_decoded: bool,
    received: &mut Received,
    blobs: &dyn Blobs,
) -> io::Result<Result<Option<NewThumbnail>, Refusal>> {
    let Received { file, path: _, size, sha256 } = received;
    let mut bytes = Vec::with_capacity(*size as usize);
    file.seek(SeekFrom::Start(0))?;
    file.read_to_end(&mut bytes)?;
    let Some(stripped) = metadata::strip(kind, bytes) else { return Ok(Err(Refusal::DamagedImage)) };
    if !image::can_hold(kind, &stripped.bytes) {
        return Ok(Err(Refusal::DamagedImage));
    }
    let made = match if is_decoded { thumbnail(kind, &stripped) } else { Ok(None) } {
        Ok(made) => made,
        Err(refusal) => return Ok(Err(refusal)),
    };
    file.set_len(0)?;
    file.seek(SeekFrom::Start(0))?;
    file.write_all(&stripped.bytes)?;
    *size = stripped.bytes.len() as u64;
    *sha256 = in_hexadecimal(Sha256::new_with_prefix(&stripped.bytes));
    let thumbnail = match made {
        None => None,
        Some(Small::Itself) => Some((Thumbnail::Itself, None)),
        Some(Small::Picture { kind, bytes }) => {
            let (mut file, path) = new_file(blobs)?;
            file.write_all(&bytes)?;
            let thumbnail = Thumbnail::Made { mime: Mime::new(kind.mime()), size: bytes.len() as u64 };
            Some((thumbnail, Some(path)))
        }
    };
    Ok(Ok(thumbnail))
}

/// A local file, which is removed when the path is dropped.
fn new_file(blobs: &dyn Blobs) -> io::Result<(File, TempPath)> {
    // Opened here: the errors of the library's own way do not say which one of the system they were.
    let open =
        |path: &Path| OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path);
    Ok(tempfile::Builder::new().make_in(blobs.incoming(), open)?.into_parts())
}

fn in_hexadecimal(hash: Sha256) -> Box<str> {
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect::<String>().into()
}

/// Runs work that blocks, on a thread that may block.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    // It fails only when the runtime is stopping or the work panicked.
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}
