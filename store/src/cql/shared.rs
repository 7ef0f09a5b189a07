//! An open store: what its clones share, and what the contracts are implemented on. The verbs stand in files of their own
//! (`log`, `heads`, `pointers`, `records`, `series`, `feed`, `windows`, `dump`), which use this one.

use std::sync::Arc;

use domain::Timestamp;

use crate::Store;

use super::live::LiveCache;
use super::migrate::migrate;
use super::session::{Cql, StatementStats};
use super::statements::{
    FeedStatements, HeadStatements, LogStatements, PointerStatements, RecordStatements, SeriesStatements,
    WindowStatements,
};
use super::survey::{Survey, survey};
use super::timeline::ListedWindows;
use super::{CqlOptions, OpenError};

/// The wall clock of the process that opens the store.
pub type Now = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// What was done since the store was opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CqlStats {
    /// By statement.
    pub statements: Vec<StatementStats>,
    /// Connections to all servers now.
    pub connections: u64,
}

/// An open store. A clone is the same one.
#[derive(Clone)]
pub struct CqlStore {
    pub(super) shared: Arc<Shared>,
}

/// What the contracts are implemented on.
pub(super) struct Shared {
    pub(super) cql: Cql,
    pub(super) log: LogStatements,
    pub(super) heads: HeadStatements,
    pub(super) pointers: PointerStatements,
    pub(super) live: LiveCache,
    pub(super) records: RecordStatements,
    pub(super) series: SeriesStatements,
    pub(super) windows: WindowStatements,
    pub(super) listed_windows: ListedWindows,
    pub(super) feed: FeedStatements,
    pub(super) now: Now,
}

impl CqlStore {
    /// Connects, makes the keyspace and the tables where they are missing, and refuses what cannot keep the contracts'
    /// promises. `now` says when what is written is over, and orders the feed: clocks of nodes may be 4 s apart.
    ///
    /// # Errors
    ///
    /// [`OpenError`] says what is in the way. After [`OpenError::Unreachable`] and [`OpenError::Locked`] the caller may try
    /// again; all others need the operator.
    pub async fn open(options: &CqlOptions, now: Now) -> Result<Self, OpenError> {
        let cql = Cql::connect(options).await?;
        let found = survey(&cql, options).await?;
        if let Some(complaint) = found.complaints(options).into_iter().next() {
            return Err(OpenError::Unfit(complaint));
        }
        migrate(&cql, options, &found).await?;
        let shared = Shared {
            log: LogStatements::prepare(&cql).await?,
            heads: HeadStatements::prepare(&cql).await?,
            pointers: PointerStatements::prepare(&cql).await?,
            live: LiveCache::default(),
            records: RecordStatements::prepare(&cql).await?,
            series: SeriesStatements::prepare(&cql).await?,
            windows: WindowStatements::prepare(&cql).await?,
            listed_windows: ListedWindows::default(),
            feed: FeedStatements::prepare(&cql).await?,
            now,
            cql,
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Looks at the servers and changes nothing.
    ///
    /// # Errors
    ///
    /// [`OpenError`]: no server answers, a setting cannot be used, or the role may not read the schema.
    pub async fn survey(options: &CqlOptions) -> Result<Survey, OpenError> {
        let cql = Cql::connect(options).await?;
        survey(&cql, options).await
    }

    /// The contracts, all on this store.
    pub fn store(&self) -> Store {
        Store {
            log: self.shared.clone(),
            heads: self.shared.clone(),
            records: self.shared.clone(),
            series: self.shared.clone(),
        }
    }

    /// For metrics.
    pub fn stats(&self) -> CqlStats {
        CqlStats { statements: self.shared.cql.stats(), connections: self.shared.cql.connections() }
    }
}
