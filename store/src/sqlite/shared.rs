//! An open store: what its clones share, and what the contracts are implemented on. The verbs stand in files of their own
//! (`log`, `lanes`, `heads`, `records`, `series`, `dump`), which use this one.

use std::path::Path;
use std::sync::Arc;

use rusqlite::{Connection, OpenFlags};
use tokio::sync::watch;

use crate::folder::{self, FolderLock};
use crate::log::InFlight;
use crate::{Dump, Store};

use super::boots::Boots;
use super::database::{checkpoint, database_path, prepare};
use super::readers::Readers;
use super::rows::Rows;
use super::writer::{SqliteStats, Writer};
use super::{Access, OpenError, SqliteOptions};

/// An open store. A clone is the same one.
#[derive(Clone)]
pub struct SqliteStore {
    shared: Arc<Shared>,
}

/// What the contracts are implemented on. Fields are dropped in this order: the writer ends with a checkpoint, and the
/// lock goes last.
pub(super) struct Shared {
    pub(super) writer: Writer,
    pub(super) readers: Readers,
    pub(super) in_flight: InFlight,
    pub(super) boots: Boots,
    pub(super) rows: Rows,
    _lock: Option<FolderLock>,
}

/// Implements [`EventLog`](crate::EventLog).
pub(super) struct Log(pub(super) Arc<Shared>);

impl SqliteStore {
    /// Opens the store in `dir`, which is made if it is not there. Blocks: it reads the write-ahead log that the last
    /// run left, and moves it into the database.
    ///
    /// # Errors
    ///
    /// [`OpenError`] says what is in the way. After [`OpenError::is_busy`] the caller may try again; all others need the
    /// operator.
    pub fn open(dir: &Path, access: Access, options: SqliteOptions) -> Result<Self, OpenError> {
        folder::prepare(dir)?;
        let lock = match access {
            Access::Server => Some(folder::take(dir)?),
            Access::Beside => None,
        };
        let path = database_path(dir);
        // SQLite gives its other files the same mode.
        folder::open_private(&path)?;
        let sqlite = |source| OpenError::Sqlite { path: path.clone(), source };
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&path, flags).map_err(sqlite)?;
        prepare(&connection, &path, &options)?;
        if access == Access::Server && !checkpoint(&connection).map_err(sqlite)? {
            return Err(OpenError::Busy { path });
        }
        let readers = Readers::start(&path, &options)?;
        let writer = Writer::start(connection, &options)
            .map_err(|source| OpenError::Io { path: path.clone(), source })?;
        let (in_flight, boots, rows) = (InFlight::default(), Boots::default(), Rows::default());
        Ok(Self { shared: Arc::new(Shared { writer, readers, in_flight, boots, rows, _lock: lock }) })
    }

    /// The contracts, all on this store.
    pub fn store(&self) -> Store {
        let shared = &self.shared;
        // Lanes keep what they are of, so a log is a handle of its own.
        let log = Arc::new(Log(shared.clone()));
        Store { log, heads: shared.clone(), records: shared.clone(), series: shared.clone() }
    }

    /// All that it holds.
    pub fn dump(&self) -> Arc<dyn Dump> {
        self.shared.clone()
    }

    /// Turns true, once, when a write failed so that the file is in doubt: no write is taken any more, and the
    /// server should stop and be started again. Reads go on.
    pub fn failed(&self) -> watch::Receiver<bool> {
        self.shared.writer.failed()
    }

    /// For metrics.
    pub fn stats(&self) -> SqliteStats {
        self.shared.writer.stats()
    }

    /// Takes no more writes, finishes those that were taken, and makes a checkpoint. Dropping the last handle of the
    /// store does the same and blocks meanwhile.
    pub async fn close(&self) {
        let shared = Arc::clone(&self.shared);
        if let Err(error) = tokio::task::spawn_blocking(move || shared.writer.close()).await {
            tracing::error!(%error, "closing the store");
        }
    }
}
