//! The data folder, and the lock that lets one server have it: also a server that keeps most of its data elsewhere.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

mod watch;

pub use watch::{FolderLost, FolderWatch};

const LOCK_FILE: &str = "server.lock";

/// The folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// A server has it already.
    #[error("another server is using {}", dir.display())]
    Taken {
        /// The folder.
        dir: PathBuf,
    },
    /// A file or folder could not be made or opened.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// A data folder that no other server has until this is dropped, or the process dies, however it dies.
#[derive(Debug)]
pub struct FolderLock {
    _file: File,
    /// Locked as well, so that removing the lock file makes no room for a second server. None where the file system
    /// locks no folders.
    _folder: Option<File>,
}

/// Makes the folder if it is not there, for this user alone and so that it survives a power cut.
pub(crate) fn prepare(dir: &Path) -> Result<(), FolderError> {
    if dir.is_dir() {
        return Ok(());
    }
    let failed = |source| FolderError::Io { path: dir.to_owned(), source };
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(failed)?;
    if let Some(parent) = dir.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        File::open(parent).and_then(|parent| parent.sync_all()).map_err(failed)?;
    }
    Ok(())
}

/// Takes the folder for a server, and makes it if it is not there.
///
/// # Errors
///
/// [`FolderError::Taken`]: another server has it. [`FolderError::Io`]: the folder or its lock could not be made or locked; the
/// operator must act.
pub fn take(dir: &Path) -> Result<FolderLock, FolderError> {
    prepare(dir)?;
    let taken = || FolderError::Taken { dir: dir.to_owned() };
    let failed = |source| FolderError::Io { path: dir.to_owned(), source };
    let folder = File::open(dir).map_err(failed)?;
    let folder = match folder.try_lock() {
        Ok(()) => Some(folder),
        Err(TryLockError::WouldBlock) => return Err(taken()),
        // Network shares lock only what is open for writing, which a folder never is.
        Err(TryLockError::Error(_)) => None,
    };
    let path = lock_path(dir);
    let file = open_private(&path)?;
    match file.try_lock() {
        Ok(()) => Ok(FolderLock { _file: file, _folder: folder }),
        Err(TryLockError::WouldBlock) => Err(taken()),
        Err(TryLockError::Error(source)) => Err(FolderError::Io { path, source }),
    }
}

/// The file whose lock a server holds.
pub fn lock_path(dir: &Path) -> PathBuf {
    dir.join(LOCK_FILE)
}

/// Makes a file if it is not there, for this user alone.
pub(crate) fn open_private(path: &Path) -> Result<File, FolderError> {
    let opened: io::Result<File> =
        OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path);
    opened.map_err(|source| FolderError::Io { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_one_server_also_when_its_lock_file_was_removed_or_replaced() {
        let root = tempfile::tempdir().unwrap();
        let first = take(root.path()).unwrap();
        assert!(matches!(take(root.path()), Err(FolderError::Taken { .. })));
        std::fs::remove_file(lock_path(root.path())).unwrap();
        assert!(matches!(take(root.path()), Err(FolderError::Taken { .. })));
        std::fs::write(lock_path(root.path()), "").unwrap();
        assert!(matches!(take(root.path()), Err(FolderError::Taken { .. })));
        drop(first);
        take(root.path()).unwrap();
    }
}
