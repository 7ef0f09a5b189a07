//! The data folder, and the lock that lets one server have it.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::OpenError;

const LOCK_FILE: &str = "server.lock";
const DATABASE_FILE: &str = "switchboard.db";

/// Makes the folder if it is not there, for this user alone and so that it survives a power cut.
pub(super) fn prepare(dir: &Path) -> Result<(), OpenError> {
    if dir.is_dir() {
        return Ok(());
    }
    let failed = |source| OpenError::Io { path: dir.to_owned(), source };
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(failed)?;
    if let Some(parent) = dir.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        File::open(parent).and_then(|parent| parent.sync_all()).map_err(failed)?;
    }
    Ok(())
}

/// Makes the database's file if it is not there, for this user alone; SQLite gives its other files the same mode.
pub(super) fn database_file(dir: &Path) -> Result<PathBuf, OpenError> {
    let path = dir.join(DATABASE_FILE);
    open_private(&path)?;
    Ok(path)
}

/// Takes the lock, which lasts until the file is dropped or the process dies, however it dies.
pub(super) fn take(dir: &Path) -> Result<File, OpenError> {
    let path = dir.join(LOCK_FILE);
    let file = open_private(&path)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::Taken { dir: dir.to_owned() }),
        Err(TryLockError::Error(source)) => Err(OpenError::Io { path, source }),
    }
}

fn open_private(path: &Path) -> Result<File, OpenError> {
    let opened: io::Result<File> =
        OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path);
    opened.map_err(|source| OpenError::Io { path: path.to_owned(), source })
}
