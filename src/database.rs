//! The store that the configuration names, opened: for the server, and for commands beside it.

use std::io;
use std::sync::Arc;

use store::Clock;
use store::cql::{self, CqlStats, CqlStore};
use store::folder::{self, FolderError, FolderLock, FolderWatch};
use store::sqlite::{self, Access, SqliteOptions, SqliteStats, SqliteStore};
use store::{Dump, Store};

use crate::blobs;
use crate::config::{Config, ConfigError, StoreKind};

mod advice;

pub use advice::advice;

/// The store was not opened.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// The embedded one.
    #[error("{0}{todo}", todo = if .0.is_disk_full() { ": make room on the disk" } else { "" })]
    Sqlite(#[from] sqlite::OpenError),
    /// The one on CQL servers.
    #[error("{}", in_words(.0))]
    Cql(#[from] cql::OpenError),
    /// The data folder, where files are also beside CQL servers.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// A setting that is only read now.
    #[error(transparent)]
    Config(#[from] ConfigError),
}

/// Servers that are away are told with what to do; what the driver says of them stands in the log at `debug`.
fn in_words(error: &cql::OpenError) -> String {
    match error {
        cql::OpenError::Unreachable { nodes, cause } => {
            let todo = advice(cause).unwrap_or("are the servers up, and are their addresses right?");
            format!("no CQL server answers at {nodes}: {todo} `switchboard doctor` says more")
        }
        cql::OpenError::Setting { .. }
        | cql::OpenError::Unfit(_)
        | cql::OpenError::Newer { .. }
        | cql::OpenError::OldForm(_)
        | cql::OpenError::Rights { .. }
        | cql::OpenError::Locked(_)
        | cql::OpenError::Schema(_)
        | cql::OpenError::Statement { .. } => error.to_string(),
    }
}

impl DatabaseError {
    /// 2 for what can be put right where the program was started; 1 for what may pass by itself, so that who watches the
    /// program starts it again: servers that are not there, a full disk, a database that another process keeps busy.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Sqlite(error) if error.is_disk_full() || error.is_busy() => 1,
            Self::Sqlite(_) | Self::Folder(_) | Self::Config(_) => 2,
            Self::Cql(error) => match error {
                cql::OpenError::Setting { .. }
                | cql::OpenError::Unfit(_)
                | cql::OpenError::Newer { .. }
                | cql::OpenError::OldForm(_)
                | cql::OpenError::Rights { .. } => 2,
                cql::OpenError::Unreachable { .. }
                | cql::OpenError::Locked(_)
                | cql::OpenError::Schema(_)
                | cql::OpenError::Statement { .. } => 1,
            },
        }
    }
}

/// An open store, whichever it is. A clone is the same one.
#[derive(Clone)]
pub enum Database {
    /// Embedded.
    Sqlite(SqliteStore),
    /// On CQL servers; a server has taken the data folder, and nobody else can while a clone is left.
    Cql(CqlStore, Option<Arc<FolderLock>>),
}

/// What a store counted since it was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DatabaseStats {
    /// The embedded one.
    Sqlite(SqliteStats),
    /// The one on CQL servers.
    Cql(CqlStats),
}

impl Database {
    /// Opens what `config` names. A server also takes the data folder.
    pub async fn open(config: &Config, access: Access) -> Result<Self, DatabaseError> {
        match config.store.kind {
            StoreKind::Sqlite => {
                let sqlite = SqliteStore::open(&config.data_dir, access, SqliteOptions::default())?;
                Ok(Self::Sqlite(sqlite))
            }
            StoreKind::Cql => {
                let lock = match access {
                    Access::Server => Some(Arc::new(folder::take(&config.data_dir)?)),
                    Access::Beside => None,
                };
                let opened = CqlStore::open(&config.store.cql.options()?, Clock::system()).await;
                if let Err(cql::OpenError::Unreachable { cause, .. }) = &opened {
                    tracing::debug!(cause, "what the driver says");
                }
                Ok(Self::Cql(opened?, lock))
            }
        }
    }

    /// Whether what `config` names was made before. Makes nothing.
    ///
    /// # Errors
    /// CQL servers that are away, or not as they must be.
    pub async fn is_there(config: &Config) -> Result<bool, DatabaseError> {
        match config.store.kind {
            StoreKind::Sqlite => Ok(sqlite::is_there(&config.data_dir)),
            StoreKind::Cql => {
                let options = config.store.cql.options()?;
                let survey = CqlStore::survey(&options).await?;
                match survey.complaints(&options).into_iter().next() {
                    Some(complaint) => Err(cql::OpenError::Unfit(complaint).into()),
                    None => Ok(survey.schema.is_some()),
                }
            }
        }
    }

    /// The contracts.
    pub fn store(&self) -> Store {
        match self {
            Self::Sqlite(sqlite) => sqlite.store(),
            Self::Cql(cql, _) => cql.store(),
        }
    }

    /// All that it holds.
    pub async fn dump(&self) -> Result<Arc<dyn Dump>, DatabaseError> {
        match self {
            Self::Sqlite(sqlite) => Ok(sqlite.dump()),
            Self::Cql(cql, _) => Ok(cql.dump().await?),
        }
    }

    /// Watches what the server stands on, which is open: first the folder and the database in it, of which nothing may
    /// be touched any more once they are lost, then the rest. Blocks.
    ///
    /// # Errors
    ///
    /// When one of them cannot be found.
    pub fn watches(&self, config: &Config) -> io::Result<[FolderWatch; 2]> {
        let dir = &config.data_dir;
        let mut first = vec![dir.clone()];
        let mut rest = vec![folder::lock_path(dir), blobs::folder(config), blobs::incoming(config)];
        match self {
            Self::Sqlite(_) => {
                first.push(sqlite::database_path(dir));
                rest.extend([sqlite::write_ahead_log_path(dir), sqlite::shared_memory_path(dir)]);
            }
            Self::Cql(..) => {}
        }
        Ok([FolderWatch::of(first)?, FolderWatch::of(rest)?])
    }

    /// For metrics.
    pub fn stats(&self) -> DatabaseStats {
        match self {
            Self::Sqlite(sqlite) => DatabaseStats::Sqlite(sqlite.stats()),
            Self::Cql(cql, _) => DatabaseStats::Cql(cql.stats()),
        }
    }

    /// Finishes what was taken.
    pub async fn close(&self) {
        match self {
            Self::Sqlite(sqlite) => sqlite.close().await,
            // What is not answered yet is asked again by its caller.
            Self::Cql(..) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_pass_by_itself_is_tried_again_and_what_a_person_must_mend_is_not() {
        let path = || "data".into();
        let io = |kind: io::ErrorKind| sqlite::OpenError::Io { path: path(), source: kind.into() };
        let folder = |kind: io::ErrorKind| FolderError::Io { path: path(), source: kind.into() };
        for (error, exit_code) in [
            (DatabaseError::Sqlite(io(io::ErrorKind::StorageFull)), 1),
            (DatabaseError::Sqlite(folder(io::ErrorKind::QuotaExceeded).into()), 1),
            (DatabaseError::Sqlite(sqlite::OpenError::Busy { path: path() }), 1),
            (DatabaseError::Sqlite(io(io::ErrorKind::PermissionDenied)), 2),
            (DatabaseError::Sqlite(folder(io::ErrorKind::NotADirectory).into()), 2),
            (DatabaseError::Sqlite(sqlite::OpenError::NoWriteAheadLog { path: path() }), 2),
            (DatabaseError::Folder(FolderError::Taken { dir: path() }), 2),
        ] {
            assert_eq!(error.exit_code(), exit_code, "{error}");
        }
        let full = DatabaseError::Sqlite(io(io::ErrorKind::StorageFull)).to_string();
        assert!(full.ends_with(": make room on the disk"), "{full}");
    }
}
