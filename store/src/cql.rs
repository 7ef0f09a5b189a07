//! The store on many servers (CQL): ScyllaDB 2025.4 or newer, or Apache Cassandra 5. Durable when it answers, with any
//! server of the cluster gone, for many Switchboard nodes.
//!
//! [`log`] is written by conditional statements alone and is the truth; a conversation's head lies in its log's static
//! part and is written in the same statement. [`pointers`] leads to conversations, by plain writes that no order of
//! arrival can spoil; whoever follows a pointer asks the head. [`feed`] tells after each append that the log grew.
//! [`records`] are written by conditional statements alone, too: a unique key leads to a document, which is asked.
//! [`outcome`] says what is known of a statement that was not answered.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use domain::Timestamp;

use crate::Store;

mod derived;
mod dump;
mod feed;
mod heads;
mod live;
mod log;
mod migrate;
mod outcome;
mod pointers;
mod reconnect;
mod records;
mod series;
mod session;
mod survey;
mod tls;
mod value;
mod windows;

pub use session::StatementStats;
pub use survey::{Complaint, NodeReport, NodeSaid, Product, Survey};

use feed::FeedStatements;
use heads::HeadStatements;
use live::LiveCache;
use log::LogStatements;
use pointers::PointerStatements;
use records::RecordStatements;
use series::SeriesStatements;
use session::Cql;
use windows::WindowStatements;

/// Where the driver logs. It warns of each connection that breaks, and of what we do on purpose: only its errors are
/// worth telling, as requests and metrics tell of servers that are away.
pub const DRIVER_LOG: &str = "scylla";

/// The wall clock of whoever opens the store.
pub type Now = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Storage that syncs before it answers takes some milliseconds; this leaves room for a server that pauses.
const ATTEMPT: Duration = Duration::from_millis(1_200);

/// How far a quorum reaches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reach {
    /// Within the datacenter that is near: LOCAL_QUORUM and LOCAL_SERIAL. All Switchboard nodes must use the same one.
    #[default]
    Datacenter,
    /// Over all datacenters: QUORUM and SERIAL. Slower, and Switchboard nodes may be anywhere.
    AllDatacenters,
}

/// Who we are to the servers.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// A role with all rights on the keyspace.
    pub user: String,
    /// Its password.
    pub password: String,
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Login").field("user", &self.user).finish_non_exhaustive()
    }
}

/// Which cluster, and how it is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CqlOptions {
    /// Servers to begin with, as `host:port`; the others are found through them.
    pub nodes: Vec<String>,
    /// Letters, digits and underscores, beginning with a letter, at most 48.
    pub keyspace: String,
    /// Copies of everything, when the keyspace is made. None: 3, or one on each server when there are fewer.
    pub replication: Option<u8>,
    /// How far a quorum reaches.
    pub reach: Reach,
    /// The datacenter that is near; none: the driver asks whichever server it likes.
    pub datacenter: Option<String>,
    /// None: the servers let anybody in.
    pub login: Option<Login>,
    /// A PEM file with the authority that signed the servers' certificates; none: no TLS.
    pub tls_ca: Option<PathBuf>,
    /// The operator knows that servers which answer before they sync lose answered messages when they all fail at once.
    pub allow_periodic_commitlog: bool,
    /// How long one attempt of a statement may take until its outcome counts as unknown.
    pub attempt: Duration,
}

impl CqlOptions {
    /// Servers that let anybody in, and everything else as it mostly is.
    pub fn new(nodes: Vec<String>, keyspace: &str) -> Self {
        Self {
            nodes,
            keyspace: keyspace.to_owned(),
            replication: None,
            reach: Reach::Datacenter,
            datacenter: None,
            login: None,
            tls_ca: None,
            allow_periodic_commitlog: false,
            attempt: ATTEMPT,
        }
    }
}

/// The store was not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// No server answers.
    #[error("no CQL server answers at {nodes}: {cause}")]
    Unreachable {
        /// As they were given.
        nodes: String,
        /// What the last one said.
        cause: String,
    },
    /// A setting cannot be used.
    #[error("store.cql.{setting}: {cause}")]
    Setting {
        /// Its name in `[store.cql]`.
        setting: &'static str,
        /// Why.
        cause: String,
    },
    /// The servers are not as they must be.
    #[error("{0}")]
    Unfit(Complaint),
    /// A newer program made the tables.
    #[error("the keyspace {keyspace} has schema {found}, newer than this program's {known}")]
    Newer {
        /// Which keyspace.
        keyspace: String,
        /// Its schema.
        found: i32,
        /// The newest that this program knows.
        known: i32,
    },
    /// Another process has been changing the schema for longer than we wait.
    #[error("another process is changing the schema of the keyspace {0}")]
    Locked(String),
    /// The role may not do what must be done.
    #[error("the role may not {what}: {cause}")]
    Rights {
        /// What was tried.
        what: &'static str,
        /// What the server said.
        cause: String,
    },
    /// A step that makes or changes tables failed.
    #[error("making the tables: {0}")]
    Schema(String),
    /// A statement was not understood.
    #[error("the statement {statement}: {cause}")]
    Statement {
        /// Its name.
        statement: &'static str,
        /// What the server said.
        cause: String,
    },
}

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
    shared: Arc<Shared>,
}

/// What the contracts are implemented on.
struct Shared {
    cql: Cql,
    log: LogStatements,
    heads: HeadStatements,
    pointers: PointerStatements,
    live: LiveCache,
    records: RecordStatements,
    series: SeriesStatements,
    windows: WindowStatements,
    feed: FeedStatements,
    now: Now,
}

impl CqlStore {
    /// Connects, makes the keyspace and the tables where they are missing, and refuses what cannot keep the contracts'
    /// promises. `now` says when what is written is over, and orders the feed: clocks of nodes may be 4 s apart.
    pub async fn open(options: &CqlOptions, now: Now) -> Result<Self, OpenError> {
        let cql = Cql::connect(options).await?;
        let survey = survey::survey(&cql, options).await?;
        if let Some(complaint) = survey.complaints(options).into_iter().next() {
            return Err(OpenError::Unfit(complaint));
        }
        migrate::migrate(&cql, options, &survey).await?;
        let shared = Shared {
            log: LogStatements::prepare(&cql).await?,
            heads: HeadStatements::prepare(&cql).await?,
            pointers: PointerStatements::prepare(&cql).await?,
            live: LiveCache::default(),
            records: RecordStatements::prepare(&cql).await?,
            series: SeriesStatements::prepare(&cql).await?,
            windows: WindowStatements::prepare(&cql).await?,
            feed: FeedStatements::prepare(&cql).await?,
            now,
            cql,
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Looks at the servers and changes nothing.
    pub async fn survey(options: &CqlOptions) -> Result<Survey, OpenError> {
        let cql = Cql::connect(options).await?;
        survey::survey(&cql, options).await
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
