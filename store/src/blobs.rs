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

/// A blob that is there, as a list tells of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlobEntry {
    /// Names it in its workspace.
    pub name: BlobName,
    /// In bytes.
    pub size: u64,
    /// When its bytes were written, by the clock of what keeps them, to the second at least.
    pub written_at: Timestamp,
}

/// What comes piece by piece. After an error nothing comes.
pub type BlobStream<T> = BoxStream<'static, Result<T, StoreError>>;

/// The largest piece that [`Blobs::read`] gives at once, in bytes: so much is in memory for each reader.
pub const BLOB_PIECE_BYTES_MAX: usize = 256 * 1024;

/// Bytes of files. It stands beside [`crate::Store`] and not in it: where bytes lie is chosen apart from where logs and
/// records do, and only who keeps files asks.
///
/// What is under a key never changes: to put other bytes under one that was used is a fault of the caller, and which
/// of them are read is then open.
#[async_trait]
pub trait Blobs: Send + Sync + 'static {
    /// A local folder of this server alone, there since this was opened. What is to be put is written there first.
    fn incoming(&self) -> &Path;

    /// Keeps the bytes of `file`, which lies in [`Self::incoming`] and has all of them; it need not be synced. When it
    /// returns, they are durable and every node reads them. They appear as a whole: whoever reads before gets none.
    /// The file itself may be gone then, also after an error; if it is not, it is the caller's to remove.
    ///
    /// After an error, and when it is dropped before it has returned, they may be there, or may yet come: it may be
    /// called again, with another file of the same bytes.
    async fn put(&self, key: &BlobKey, file: &Path) -> Result<(), StoreError>;

    /// The bytes of `range`, counted from 0, in pieces of at most [`BLOB_PIECE_BYTES_MAX`]; none when there is no such
    /// blob. [`StoreError::Corrupt`], here or in the stream, when it has fewer bytes.
    async fn read(&self, key: &BlobKey, range: Range<u64>) -> Result<Option<BlobStream<Bytes>>, StoreError>;

    /// Removes it; one that is not there counts as removed. After an error it may be gone or not.
    async fn delete(&self, key: &BlobKey) -> Result<(), StoreError>;

    /// The workspace's blobs, in no order. One that is put or deleted meanwhile may be in it or not.
    fn list(&self, workspace: WorkspaceId) -> BlobStream<BlobEntry>;

    /// The workspaces that have blobs. One that had some may be among them.
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

/// What befell a file of this machine.
fn failed_on_disk(path: &Path, error: &io::Error) -> StoreError {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StoreError::StorageFull,
        _ => StoreError::Unavailable(format!("{}: {error}", path.display())),
    }
}

fn too_short(key: &BlobKey) -> StoreError {
    StoreError::Corrupt(format!("the blob {} has fewer bytes than were written", key.name.as_str()))
}
