//! Why servers cannot be used, in words for the operator.

use std::fmt;

/// Whose servers they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Product {
    /// Apache Cassandra.
    Cassandra,
    /// ScyllaDB.
    Scylla,
}

/// Why the servers cannot keep the store's promises.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Complaint {
    /// A server is older than what was relied upon.
    Old {
        /// Whose it is.
        product: Product,
        /// Which server.
        address: String,
        /// Its version.
        version: String,
    },
    /// Servers answer before they sync.
    Periodic {
        /// Which.
        addresses: Vec<String>,
    },
    /// A quorum needs more servers than there are.
    TooFewNodes {
        /// Copies asked for, or that the keyspace keeps.
        replication: u8,
        /// Servers.
        nodes: usize,
    },
    /// There is no such datacenter.
    NoDatacenter {
        /// As it was given.
        given: String,
        /// Those that there are.
        found: Vec<String>,
    },
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Complaint::Old { product: Product::Cassandra, address, version } => {
                write!(f, "the server {address} is Apache Cassandra {version}: 5.0 or newer is needed")
            }
            Complaint::Old { product: Product::Scylla, address, version } => {
                write!(f, "the server {address} is ScyllaDB {version}: 2025.4 or newer is needed")
            }
            Complaint::Periodic { addresses } => write!(
                f,
                "commitlog_sync is periodic on {}: they answer before they sync, so when they all fail at once, \
                 answered messages are lost. Set it to group or batch in cassandra.yaml, or say that you know with \
                 store.cql.allow_periodic_commitlog = true",
                addresses.join(", ")
            ),
            Complaint::TooFewNodes { replication, nodes } => write!(
                f,
                "{replication} copies of everything need {replication} servers, and there are {nodes}: add servers, or \
                 give the keyspace fewer copies (store.cql.replication when it is made, ALTER KEYSPACE later)"
            ),
            Complaint::NoDatacenter { given, found } => {
                let found = found.join(", ");
                write!(f, "store.cql.datacenter = {given}: there is no such datacenter, only {found}")
            }
        }
    }
}
