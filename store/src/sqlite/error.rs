//! Why the store was not opened.

use std::io::ErrorKind;
use std::path::PathBuf;

use rusqlite::ErrorCode;

use crate::folder::FolderError;

/// The store was not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The folder cannot be used.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// A newer program wrote it.
    #[error("the store in {} has schema {found}, newer than this program's {known}", path.display())]
    Newer {
        /// The database.
        path: PathBuf,
        /// Its schema.
        found: i64,
        /// The newest that this program knows.
        known: i64,
    },
    /// The database is not in this program's form, and there is no way over.
    #[error(
        "the database {} is not in the form of this program: it is of a version before the first release, or another \
         program's; there is no way over: move it away, and a new one is made",
        path.display()
    )]
    Foreign {
        /// The database.
        path: PathBuf,
    },
    /// The file system cannot carry a write-ahead log (a network share, mostly).
    #[error("the file system of {} does not support a write-ahead log", path.display())]
    NoWriteAheadLog {
        /// The database.
        path: PathBuf,
    },
    /// What the last run left in the write-ahead log could not be moved into the database, because another process
    /// reads it. Without that it is not known whether it reached the disk.
    #[error("another process keeps {} busy", path.display())]
    Busy {
        /// The database.
        path: PathBuf,
    },
    /// A file or folder could not be made or opened.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// SQLite could not open or prepare it.
    #[error("{}: {source}", path.display())]
    Sqlite {
        /// The database.
        path: PathBuf,
        /// Why.
        source: rusqlite::Error,
    },
}

impl OpenError {
    /// The disk has no room.
    pub fn is_disk_full(&self) -> bool {
        match self {
            Self::Sqlite { source, .. } => source.sqlite_error_code() == Some(ErrorCode::DiskFull),
            Self::Io { source, .. } | Self::Folder(FolderError::Io { source, .. }) => {
                matches!(source.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
            }
            Self::Folder(FolderError::Taken { .. })
            | Self::Newer { .. }
            | Self::Foreign { .. }
            | Self::NoWriteAheadLog { .. }
            | Self::Busy { .. } => false,
        }
    }

    /// Another process had the database for longer than we wait: trying again later helps.
    pub fn is_busy(&self) -> bool {
        match self {
            Self::Busy { .. } => true,
            Self::Sqlite { source, .. } => {
                matches!(
                    source.sqlite_error_code(),
                    Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)
                )
            }
            Self::Folder(_)
            | Self::Newer { .. }
            | Self::Foreign { .. }
            | Self::NoWriteAheadLog { .. }
            | Self::Io { .. } => false,
        }
    }
}
