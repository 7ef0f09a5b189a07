//! Takes uploads in: a stream into a local file, what it is by its bytes, and of an image only the picture, with a
//! small one beside it. Then the bytes are put where they are kept, and get their record.

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

use crate::descriptors;

use super::image_queue::QueueError;
use super::kind::Kind;
use super::quota::{Charge, QuotaPassed};
use super::sniff::{Encoding, Found, Refusal, TextCheck, sniff};
use super::thumbnail::{Small, thumbnail};
use super::{FileRecord, Files, Rendition, Thumbnail, Uploader, blob, blocking, image, metadata, name};

/// After so many bytes an upload asks again whether the disk has room: so much each may pass the reserve.
const ROOM_ASKED_BYTES: usize = 1024 * 1024;

/// What comes with an upload's bytes.
#[derive(Clone, Debug)]
pub struct Upload {
    /// Whose it will be.
    pub workspace: WorkspaceId,
    /// Where alone it can be used.
    pub conversation: ConversationId,
    /// Where that conversation came from.
    pub site: SiteId,
    /// Who alone can use it.
    pub uploader: Uploader,
    /// What its uploader calls it.
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
    /// Too many images wait to be looked at; it may be sent again.
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
    /// The process has too many files open; it passes by itself.
    #[error("too many files are open: {0}")]
    Exhausted(io::Error),
    /// It could not be received into a file of this machine.
    #[error("receiving an upload: {0}")]
    Local(io::Error),
    /// Its bytes could not be put where they are kept.
    #[error("keeping an upload: {0}")]
    Kept(StoreError),
    /// The store does not say what was uploaded before.
    #[error(transparent)]
    Counts(StoreError),
    /// Its record could not be written.
    #[error(transparent)]
    Record(#[from] RecordError),
}

impl From<io::Error> for UploadError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::StorageFull,
            _ if descriptors::is_exhausted(&error) => Self::Exhausted(error),
            _ => Self::Local(error),
        }
    }
}

/// A file that is whole and not kept yet. It goes away when this is dropped.
struct Received {
    file: File,
    path: TempPath,
    size: u64,
    sha256: Box<str>,
}

/// What the record will say of a thumbnail, and the file of one that was made, which is not kept yet either.
type NewThumbnail = (Thumbnail, Option<TempPath>);

impl Files {
    /// Takes a file whose bytes come in `body`. When it returns, bytes and record are durable; when it fails or is
    /// dropped, nothing is left of it.
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

    /// Writes the body as it comes; says of text in which encoding it is.
    async fn stream<E: Display>(
        &self,
        body: impl Stream<Item = Result<Bytes, E>> + Send,
        charge: &mut Charge<'_>,
    ) -> Result<(Received, Option<Encoding>), UploadError> {
        let blobs = Arc::clone(&self.blobs);
        // The path removes the file when it is dropped, so also when the client leaves in the middle.
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

    /// Leaves nothing of an image but the picture, and makes the small one.
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

/// A file that goes away when the path is dropped.
fn new_file(blobs: &dyn Blobs) -> io::Result<(File, TempPath)> {
    // Opened here: the errors of the library's own way do not say which one of the system they were.
    let open =
        |path: &Path| OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path);
    Ok(tempfile::Builder::new().make_in(blobs.incoming(), open)?.into_parts())
}

fn in_hexadecimal(hash: Sha256) -> Box<str> {
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect::<String>().into()
}
