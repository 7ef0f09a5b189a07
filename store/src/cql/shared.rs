//! An open store: what its clones share, and what the contracts are implemented on. The verbs stand in files of their own
//! (`lanes`, `heads`, `lists`, `live`, `rows`, `records`, `series`, `windows`, `dump`), which use this one.

use std::sync::Arc;

use uuid::Uuid;

use crate::lanes::LaneLog;
use crate::{Clock, Incarnation};

use super::known_heads::KnownHeads;
use super::migrate::migrate;
use super::seen::Seen;
use super::segments::CqlSegments;
use super::session::{Cql, StatementStats};
use super::statements::{
    MarkStatements, RecordStatements, RowStatements, SeriesStatements, WindowStatements,
};
use super::survey::{Survey, survey};
use super::timeline::Timeline;
use super::{CqlOptions, OpenError};

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
    pub(super) cql: Arc<Cql>,
    pub(super) segments: Arc<CqlSegments>,
    /// The rules over them.
    pub(super) lanes: LaneLog<CqlSegments>,
    /// The boots that this process was or sealed: their segments it moves home.
    pub(super) mine: Seen<Incarnation>,
    pub(super) marks: MarkStatements,
    pub(super) rows: RowStatements,
    pub(super) known_heads: KnownHeads,
    /// By workspace and team.
    pub(super) teams_seen: Seen<(Uuid, Uuid)>,
    /// By workspace, team or agent, and week.
    pub(super) weeks_seen: Seen<(Uuid, Uuid, i32)>,
    pub(super) records: RecordStatements,
    pub(super) series: SeriesStatements,
    pub(super) windows: WindowStatements,
    pub(super) listed_windows: Seen<(Timeline, i32)>,
    pub(super) clock: Clock,
}

impl CqlStore {
    /// Connects, makes the keyspace and the tables where they are missing, and refuses what cannot keep the contracts'
    /// promises. `clock` says when what is written is over.
    ///
    /// # Errors
    ///
    /// [`OpenError`] says what is in the way. After [`OpenError::Unreachable`] and [`OpenError::Locked`] the caller may try
    /// again; all others need the operator.
    pub async fn open(options: &CqlOptions, clock: Clock) -> Result<Self, OpenError> {
        let cql = Arc::new(Cql::connect(options).await?);
        let found = survey(&cql, options).await?;
        if let Some(complaint) = found.complaints(options).into_iter().next() {
            return Err(OpenError::Unfit(complaint));
        }
        migrate(&cql, options, &found).await?;
        let segments = Arc::new(CqlSegments::prepare(&cql, clock.clone()).await?);
        // Only pauses are drawn from it.
        let seed = Uuid::new_v4().as_u128() as u64;
        let shared = Shared {
            lanes: LaneLog::new(Arc::clone(&segments), options.of_lanes(), clock.clone(), seed),
            segments,
            mine: Seen::default(),
            marks: MarkStatements::prepare(&cql).await?,
            rows: RowStatements::prepare(&cql).await?,
            known_heads: KnownHeads::default(),
            teams_seen: Seen::default(),
            weeks_seen: Seen::default(),
            records: RecordStatements::prepare(&cql).await?,
            series: SeriesStatements::prepare(&cql).await?,
            windows: WindowStatements::prepare(&cql).await?,
            listed_windows: Seen::default(),
            clock,
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

    /// For metrics.
    pub fn stats(&self) -> CqlStats {
        CqlStats { statements: self.shared.cql.stats(), connections: self.shared.cql.connections() }
    }
}
