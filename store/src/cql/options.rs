//! Which servers, and how they are used.

use std::path::PathBuf;
use std::time::Duration;

use crate::JOURNAL_KEEP_HOURS;
use crate::lanes::options::LaneOptions;

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

/// The role that this program logs in as.
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
    /// None when the servers ask for no log-in.
    pub login: Option<Login>,
    /// A PEM file with the authority that signed the servers' certificates; none: no TLS.
    pub tls_ca: Option<PathBuf>,
    /// The operator knows that servers which answer before they sync lose answered messages when they all fail at once.
    pub allow_periodic_commitlog: bool,
    /// How long one attempt of a statement may take until its outcome counts as unknown.
    pub attempt: Duration,
    /// Lanes through which this node appends, 1 to 16. Each has one batch on its way, so few carry more.
    pub lanes: u8,
    /// How long the events of a sealed segment stay readable in the journal of their lane, in hours.
    pub segment_keep_hours: u32,
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
            lanes: 4,
            segment_keep_hours: JOURNAL_KEEP_HOURS,
        }
    }

    /// What the rules of lanes go by.
    pub(super) fn of_lanes(&self) -> LaneOptions {
        let usual = LaneOptions::default();
        LaneOptions {
            lanes: self.lanes,
            segment_keep: Duration::from_secs(u64::from(self.segment_keep_hours) * 60 * 60),
            write_attempt: self.attempt.min(usual.write_attempt),
            ..usual
        }
    }
}
