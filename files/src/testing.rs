//! For tests: a store in a temporary folder and a clock that is set by hand.

use domain::{SiteId, Timestamp, WorkspaceId};
use store::sqlite::{Access, SqliteOptions, SqliteStore};
use store::{Clock, Store};
use tempfile::TempDir;

/// A workspace and one of its sites, of which only the ids are needed.
pub(crate) struct Fixture {
    pub(crate) store: Store,
    pub(crate) clock: Clock,
    pub(crate) workspace: WorkspaceId,
    pub(crate) site: SiteId,
    // Dropped in this order.
    _sqlite: SqliteStore,
    _dir: TempDir,
}

impl Fixture {
    pub(crate) fn start() -> Self {
        let dir = TempDir::new().unwrap();
        let sqlite = SqliteStore::open(dir.path(), Access::Server, SqliteOptions::default()).unwrap();
        Self {
            store: sqlite.store(),
            clock: Clock::by_hand(Timestamp::from_ms(1_700_000_000_000)),
            workspace: WorkspaceId::from_hash([1; 16]),
            site: SiteId::from_hash([3; 16]),
            _sqlite: sqlite,
            _dir: dir,
        }
    }
}
