//! Blobs in a local folder: `<root>/<workspace>/<name>`, and `<root>/incoming` for what is not whole yet. A file gets
//! its name by a rename, when all its bytes are on the disk.

use std::fs::{self, File, ReadDir};
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use domain::{Timestamp, WorkspaceId};
use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::io::{AsyncReadExt, AsyncSeekExt};

use super::{
    BlobEntry, BlobKey, BlobName, BlobStream, Blobs, failed_on_disk, folder_name, make_private, too_short,
    workspace_of,
};
use crate::StoreError;

const INCOMING: &str = "incoming";
/// Read from the disk at once.
const PIECE_BYTES: u64 = 64 * 1024;
/// So many entries of a folder are looked at before others get the thread.
const ENTRIES_AT_ONCE: usize = 256;

/// Blobs in a folder of this machine.
#[derive(Debug)]
pub struct FolderBlobs {
    root: Arc<Path>,
    incoming: PathBuf,
}

impl FolderBlobs {
    /// Makes the folder if it is not there. Blocks.
    ///
    /// # Errors
    ///
    /// [`StoreError`]: the folder could not be made; the operator must act.
    pub fn open(root: &Path) -> Result<Self, StoreError> {
        let incoming = root.join(INCOMING);
        make_private(&incoming).map_err(|error| failed_on_disk(&incoming, &error))?;
        Ok(Self { root: root.into(), incoming })
    }

    fn home(&self, workspace: WorkspaceId) -> PathBuf {
        self.root.join(folder_name(workspace))
    }

    fn path(&self, key: &BlobKey) -> PathBuf {
        self.home(key.workspace).join(key.name.as_str())
    }
}

#[async_trait]
impl Blobs for FolderBlobs {
    fn incoming(&self) -> &Path {
        &self.incoming
    }

    async fn put(&self, key: &BlobKey, file: &Path) -> Result<(), StoreError> {
        let (root, home, path) = (Arc::clone(&self.root), self.home(key.workspace), self.path(key));
        let file = file.to_owned();
        blocking(&self.root, move || {
            File::open(&file)?.sync_all()?;
            make_private(&home)?;
            fs::rename(&file, path)?;
            File::open(&home)?.sync_all()?;
            File::open(&root)?.sync_all()
        })
        .await
    }

    async fn read(&self, key: &BlobKey, range: Range<u64>) -> Result<Option<BlobStream<Bytes>>, StoreError> {
        let path = self.path(key);
        let opened = blocking(&self.root, move || match File::open(path) {
            Ok(file) => Ok(Some((file.metadata()?.len(), file))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        });
        let Some((size, file)) = opened.await? else { return Ok(None) };
        if size < range.end {
            return Err(too_short(key));
        }
        let mut file = tokio::fs::File::from_std(file);
        file.seek(io::SeekFrom::Start(range.start))
            .await
            .map_err(|error| failed_on_disk(&self.root, &error))?;
        let left = range.end.saturating_sub(range.start);
        let root = Arc::clone(&self.root);
        let pieces = stream::try_unfold((file, left), move |(mut file, left)| {
            let root = Arc::clone(&root);
            async move {
                let wanted = left.min(PIECE_BYTES);
                if wanted == 0 {
                    return Ok(None);
                }
                let mut piece = BytesMut::zeroed(wanted as usize);
                file.read_exact(&mut piece).await.map_err(|error| failed_on_disk(&root, &error))?;
                Ok(Some((piece.freeze(), (file, left - wanted))))
            }
        });
        Ok(Some(pieces.boxed()))
    }

    async fn delete(&self, key: &BlobKey) -> Result<(), StoreError> {
        let path = self.path(key);
        blocking(&self.root, move || match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => Ok(()),
        })
        .await
    }

    fn list(&self, workspace: WorkspaceId) -> BlobStream<BlobEntry> {
        let (root, home) = (Arc::clone(&self.root), self.home(workspace));
        let lists = stream::try_unfold(None, move |folder| {
            let (root, home) = (Arc::clone(&root), home.clone());
            async move { blocking(&root, move || some_entries(&home, folder)).await }
        });
        lists.map_ok(|entries| stream::iter(entries.into_iter().map(Ok))).try_flatten().boxed()
    }

    async fn workspaces(&self) -> Result<Vec<WorkspaceId>, StoreError> {
        let root = Arc::clone(&self.root);
        blocking(&self.root, move || {
            let names: io::Result<Vec<Option<String>>> = fs::read_dir(root)?.map(name_of).collect();
            Ok(names?.iter().flatten().filter_map(|name| workspace_of(name)).collect())
        })
        .await
    }
}

/// The next entries of the folder `home`, which is opened when it is not yet; none when there are no more.
fn some_entries(
    home: &Path,
    folder: Option<ReadDir>,
) -> io::Result<Option<(Vec<BlobEntry>, Option<ReadDir>)>> {
    let mut folder = match folder {
        Some(folder) => folder,
        None => match fs::read_dir(home) {
            Ok(folder) => folder,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        },
    };
    let mut entries = Vec::new();
    let mut any = false;
    for entry in folder.by_ref().take(ENTRIES_AT_ONCE) {
        any = true;
        let Some(name) = name_of(entry)?.and_then(BlobName::parse) else { continue };
        let metadata = match fs::metadata(home.join(name.as_str())) {
            Ok(metadata) => metadata,
            // It was deleted meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        let since_1970 = metadata.modified()?.duration_since(UNIX_EPOCH);
        let written_at = Timestamp::from_ms(since_1970.map_or(0, |since| since.as_millis() as u64));
        entries.push(BlobEntry { name, size: metadata.len(), written_at });
    }
    Ok(any.then_some((entries, Some(folder))))
}

/// Names that are no Unicode are none of ours.
fn name_of(entry: io::Result<fs::DirEntry>) -> io::Result<Option<String>> {
    Ok(entry?.file_name().into_string().ok())
}

/// Runs what blocks on a thread that may.
async fn blocking<T: Send + 'static>(
    root: &Path,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, StoreError> {
    // It fails only when the runtime is stopping or the work panicked.
    let worked = tokio::task::spawn_blocking(work).await.map_err(io::Error::other);
    worked.flatten().map_err(|error| failed_on_disk(root, &error))
}
