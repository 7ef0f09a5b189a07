//! An SQLite store in a folder of its own.

use store::Store;
use store::sqlite::{Access, OpenError, SqliteOptions, SqliteStore};
use tempfile::TempDir;

/// A store, and the folder that goes with it.
pub(crate) struct Sandbox {
    // Dropped first: it writes to the folder until then.
    pub(crate) sqlite: SqliteStore,
    pub(crate) dir: TempDir,
}

impl Sandbox {
    pub(crate) fn open() -> Self {
        Self::with(SqliteOptions::default())
    }

    pub(crate) fn with(options: SqliteOptions) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let sqlite = SqliteStore::open(dir.path(), Access::Server, options).unwrap();
        Self { sqlite, dir }
    }

    pub(crate) fn store(&self) -> Store {
        self.sqlite.store()
    }

    /// Closes it and opens it again, as a new process would.
    pub(crate) fn reopen(self) -> Self {
        let Self { sqlite, dir } = self;
        drop(sqlite);
        let sqlite = SqliteStore::open(dir.path(), Access::Server, SqliteOptions::default()).unwrap();
        Self { sqlite, dir }
    }

    pub(crate) fn open_another(&self, access: Access) -> Result<SqliteStore, OpenError> {
        SqliteStore::open(self.dir.path(), access, SqliteOptions::default())
    }

    /// A connection past the store, to look at the file and to be in the way.
    pub(crate) fn raw(&self) -> rusqlite::Connection {
        let path = self.dir.path().join("switchboard.db");
        rusqlite::Connection::open(path).unwrap()
    }
}
