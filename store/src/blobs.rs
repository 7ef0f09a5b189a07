//! Bytes of files, whole, under a name. They are written once and read in ranges; what is said of them stands in
//! [`crate::Records`].

use std::fs::DirBuilder;
use std::io;
use std::ops::Range;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use async_trait::async_trait;
use bytes::Bytes;
use domain::{Timestamp, WorkspaceId};
use futures_util::stream::BoxStream;

use crate::StoreError;

mod folder;
mod object;

pub use folder::FolderBlobs;
pub use object::{ObjectBlobs, S3Bucket};

/// Names a blob in its workspace: `a-z`, `0-9` and `-`, so that it is a file's name and a part of a URL as it stands.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlobName(String);

impl BlobName {
    /// The longest name.
    pub const BYTES_MAX: usize = 100;

    /// None when it has other characters, or none, or too many.
    pub fn parse(text: impl Into<String>) -> Option<Self> {
        let text = text.into();
        let fits = (1..=Self::BYTES_MAX).contains(&text.len());
        let plain = text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'));
        (fits && plain).then_some(Self(text))
    }

    /// As it was parsed.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A blob, with the workspace without which it is not found.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlobKey {
    /// Whose it is.
    pub workspace: WorkspaceId,
    /// Names it there.
    pub name: BlobName,
}

/// A stored blob, as a list shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlobEntry {
    /// Names it in its workspace.
    pub name: BlobName,
    /// In bytes.
    pub size: u64,
    /// When its bytes were written, by the clock of what keeps them, to the second at least.
    pub written_at: Timestamp,
}

/// A stream of pieces, which ends at the first error.
pub type BlobStream<T> = BoxStream<'static, Result<T, StoreError>>;

/// The largest piece that [`Blobs::read`] gives, in bytes: each reader holds so much in memory.
pub const BLOB_PIECE_BYTES_MAX: usize = 256 * 1024;

/// Bytes of files. The contract stands beside [`crate::Store`] and not in it: the operator chooses where bytes lie apart
/// from where logs and records do, and only the code that keeps files needs them.
///
/// The bytes under a key never change. To put other bytes under a used key is a fault of the caller, and then it is open
/// which of them a reader gets.
#[async_trait]
pub trait Blobs: Send + Sync + 'static {
    /// A local folder of this server alone, which exists as long as the store is open. A file is written there before it is
    /// put.
    fn incoming(&self) -> &Path;

    /// Keeps the bytes of `file`, which is complete and lies in [`Self::incoming`]; it need not be synced. When the call
    /// returns, the bytes are durable and every node reads them. They appear as a whole: a read before that finds none of
    /// them. The file itself may be gone afterwards, also after an error; if it is still there, the caller removes it.
    ///
    /// # Errors
    ///
    /// [`StoreError`]: the bytes may be kept, or may yet be; the same holds for a call that is dropped before it returns. The
    /// caller may call again, with another file of the same bytes.
    async fn put(&self, key: &BlobKey, file: &Path) -> Result<(), StoreError>;

    /// The bytes of `range`, counted from 0, in pieces of at most [`BLOB_PIECE_BYTES_MAX`]; none when there is no such
    /// blob.
    ///
    /// # Errors
    ///
    /// [`StoreError::Corrupt`], here or in the stream, when the blob has fewer bytes. After any other error the caller may
    /// read again later.
    async fn read(&self, key: &BlobKey, range: Range<u64>) -> Result<Option<BlobStream<Bytes>>, StoreError>;

    /// Removes a blob; one that does not exist counts as removed.
    ///
    /// # Errors
    ///
    /// [`StoreError`]: the blob may be gone or not, and the caller may delete it again.
    async fn delete(&self, key: &BlobKey) -> Result<(), StoreError>;

    /// The workspace's blobs, in no order. A blob that is put or deleted meanwhile may be among them or not.
    fn list(&self, workspace: WorkspaceId) -> BlobStream<BlobEntry>;

    /// The workspaces that have blobs, and perhaps some that had blobs once.
    ///
    /// # Errors
    ///
    /// [`StoreError`]: nothing is known, and the caller may ask again later.
    async fn workspaces(&self) -> Result<Vec<WorkspaceId>, StoreError>;
}

/// A workspace's name in paths.
fn folder_name(workspace: WorkspaceId) -> String {
    workspace.uuid().simple().to_string()
}

/// None when it is no name of a workspace.
fn workspace_of(folder_name: &str) -> Option<WorkspaceId> {
    format!("ws_{folder_name}").parse().ok()
}

/// Makes the folder, for nobody but the server, unless it is there.
fn make_private(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// The error of a call that failed on a file of this machine.
fn failed_on_disk(path: &Path, error: &io::Error) -> StoreError {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StoreError::StorageFull,
        _ => StoreError::Unavailable(format!("{}: {error}", path.display())),
    }
}

fn too_short(key: &BlobKey) -> StoreError {
    StoreError::Corrupt(format!("the blob {} has fewer bytes than were written", key.name.as_str()))
}
