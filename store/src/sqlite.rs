//! The store in one file (SQLite): no set-up, durable when it answers, for one server.
//!
//! Writes go through one thread ([`writer`]), reads through connections of their own ([`readers`]). Every commit is
//! fsync'd (`synchronous=FULL` on a write-ahead log) before anybody hears of it.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::{Connection, ErrorCode, OpenFlags, ToSql};
use tokio::sync::watch;

use crate::folder::{self, FolderError, FolderLock};
use crate::{Dump, Store};

mod dump;
mod fault;
mod heads;
mod log;
mod readers;
mod records;
mod row;
mod series;
mod writer;

use readers::Readers;
use writer::Writer;

/// What makes each schema of the one before, the first of nothing. Steps are added, never changed.
const SCHEMA_STEPS: [&str; 3] = [
    include_str!("sqlite/schema.sql"),
    include_str!("sqlite/schema_2.sql"),
    include_str!("sqlite/schema_3.sql"),
];
/// The newest schema that this program knows; stored as `user_version`.
const SCHEMA: i64 = SCHEMA_STEPS.len() as i64;
/// In the data folder.
const DATABASE_FILE: &str = "switchboard.db";
/// After so many pages of write-ahead log they are moved into the database: rarely enough to move a page that changed
/// often only once, often enough that a start after a crash reads little.
const CHECKPOINT_PAGES: u32 = 6000;
/// A write-ahead log that grew beyond this while something read for long is cut back after its checkpoint, before the
/// store is idle and cuts it to nothing.
const WAL_BYTES_KEPT: u32 = 64 * 1024 * 1024;
/// What the writer keeps of the database in memory, in KiB (negative: SQLite's way to say that it is not pages).
const WRITER_CACHE_KIB: i32 = -32 * 1024;
/// How many different statements the writer keeps prepared; there are fewer.
const WRITER_STATEMENTS: usize = 64;

/// Who opens the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// A server: the only one in this folder.
    Server,
    /// An admin command, beside a server that may be running; it sees what the command writes.
    Beside,
}

/// Bounds of an open store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SqliteOptions {
    /// Reads that run at once, each on a thread and a connection of its own; at least one.
    pub readers: usize,
    /// Reads that wait for one of those; one more is refused.
    pub reads_waiting_max: usize,
    /// Writes that wait for the writer, at least one; one more is refused.
    pub writes_waiting_max: usize,
    /// What the waiting writes may hold together, in bytes.
    pub write_bytes_waiting_max: usize,
    /// How large the database may grow, in pages of 4 KiB; beyond it the disk counts as full. None: as the disk has.
    pub pages_max: Option<u32>,
    /// How long to wait for another process that has the file, in milliseconds.
    pub busy_ms: u32,
    /// After so many milliseconds without a write the write-ahead log is emptied and its file cut to nothing; at
    /// least 1.
    pub wal_idle_ms: u32,
}

impl Default for SqliteOptions {
    fn default() -> Self {
        Self {
            readers: 4,
            reads_waiting_max: 4096,
            writes_waiting_max: 4096,
            write_bytes_waiting_max: 64 * 1024 * 1024,
            pages_max: None,
            busy_ms: 5000,
            wal_idle_ms: 5000,
        }
    }
}

/// What the writer did since it was opened, and what waits for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SqliteStats {
    /// Transactions; each that wrote something is one fsync.
    pub commits: u64,
    /// Events that were made durable.
    pub events: u64,
    /// Writes that wait now.
    pub queue_depth: usize,
}

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
    /// The file system cannot carry a write-ahead log (a network share, mostly).
    #[error("the file system of {} does not support a write-ahead log", path.display())]
    NoWriteAheadLog {
        /// The database.
        path: PathBuf,
    },
    /// What the last run left in the write-ahead log could not be moved into the database, because another process
    /// reads it. Without that nobody knows whether it reached the disk.
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
            Self::Folder(_) | Self::Newer { .. } | Self::NoWriteAheadLog { .. } | Self::Io { .. } => false,
        }
    }
}

/// The database in the data folder `dir`.
pub fn database_path(dir: &Path) -> PathBuf {
    dir.join(DATABASE_FILE)
}

/// What was committed and is not in the database yet. It is there as long as the store is open.
pub fn write_ahead_log_path(dir: &Path) -> PathBuf {
    dir.join(format!("{DATABASE_FILE}-wal"))
}

/// What processes that use the database share, its locks among them. It is there as long as the store is open.
pub fn shared_memory_path(dir: &Path) -> PathBuf {
    dir.join(format!("{DATABASE_FILE}-shm"))
}

/// An open store. A clone is the same one.
#[derive(Clone)]
pub struct SqliteStore {
    shared: Arc<Shared>,
}

/// What the contracts are implemented on. Fields are dropped in this order: the writer ends with a checkpoint, and the
/// lock goes last.
struct Shared {
    writer: Writer,
    readers: Readers,
    _lock: Option<FolderLock>,
}

/// Whether a store was made in `dir`. Makes nothing.
pub fn is_there(dir: &Path) -> bool {
    dir.join(DATABASE_FILE).exists()
}

impl SqliteStore {
    /// Opens the store in `dir`, which is made if it is not there. Blocks: it reads the write-ahead log that the last
    /// run left, and moves it into the database.
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
        Ok(Self { shared: Arc::new(Shared { writer, readers, _lock: lock }) })
    }

    /// The contracts, all on this store.
    pub fn store(&self) -> Store {
        let shared = &self.shared;
        Store { log: shared.clone(), heads: shared.clone(), records: shared.clone(), series: shared.clone() }
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

/// Settings of the connection, then the schema.
fn prepare(connection: &Connection, path: &Path, options: &SqliteOptions) -> Result<(), OpenError> {
    let sqlite = |source| OpenError::Sqlite { path: path.to_owned(), source };
    pragma(connection, "busy_timeout", options.busy_ms).map_err(sqlite)?;
    let set_wal = |row: &rusqlite::Row<'_>| row.get::<_, String>(0);
    let mode = connection.pragma_update_and_check(None, "journal_mode", "WAL", set_wal).map_err(sqlite)?;
    if mode != "wal" {
        return Err(OpenError::NoWriteAheadLog { path: path.to_owned() });
    }
    let settings: [(&str, &dyn ToSql); 5] = [
        ("synchronous", &"FULL"),
        ("wal_autocheckpoint", &CHECKPOINT_PAGES),
        ("journal_size_limit", &WAL_BYTES_KEPT),
        ("cache_size", &WRITER_CACHE_KIB),
        ("temp_store", &"MEMORY"),
    ];
    for (name, value) in settings {
        pragma(connection, name, value).map_err(sqlite)?;
    }
    if let Some(pages) = options.pages_max {
        pragma(connection, "max_page_count", pages).map_err(sqlite)?;
    }
    connection.set_prepared_statement_cache_capacity(WRITER_STATEMENTS);

    let found = make_schema(connection).map_err(sqlite)?;
    if found > SCHEMA {
        return Err(OpenError::Newer { path: path.to_owned(), found, known: SCHEMA });
    }
    Ok(())
}

/// Makes the tables of a new database, and what an old one lacks; says which schema it had.
fn make_schema(connection: &Connection) -> rusqlite::Result<i64> {
    // Immediate: a command beside us may be making them just now.
    connection.execute_batch("BEGIN IMMEDIATE")?;
    let found: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if found < SCHEMA {
        for step in SCHEMA_STEPS.iter().skip(found.unsigned_abs() as usize) {
            connection.execute_batch(step)?;
        }
        pragma(connection, "user_version", SCHEMA)?;
    }
    connection.execute_batch("COMMIT")?;
    Ok(found)
}

/// Sets a pragma, whether or not it answers with its new value.
fn pragma(connection: &Connection, name: &str, value: impl ToSql) -> rusqlite::Result<()> {
    let ignore = |_: &rusqlite::Row<'_>| Ok(());
    match connection.pragma_update_and_check(None, name, value, ignore) {
        Ok(()) | Err(rusqlite::Error::QueryReturnedNoRows) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Moves the whole write-ahead log into the database and both to the disk; false when another process is in the way.
fn checkpoint(connection: &Connection) -> rusqlite::Result<bool> {
    let busy: i64 = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
    Ok(busy == 0)
}
