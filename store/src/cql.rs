//! The store on many servers (CQL): ScyllaDB 2025.4 or newer, or Apache Cassandra 5. Durable when it answers, with any
//! server of the cluster gone, for many Switchboard nodes.
//!
//! [`segments`] are written by conditional statements alone and are the truth, with the rules of [`crate::lanes`]; a
//! conversation's head is written in the same statement as its events. [`rows`] lead lists to conversations, by plain writes
//! that no order of arrival can spoil, and a reader that follows one asks the head. [`records`] are written by conditional
//! statements alone, too: a unique key leads to a document, which is asked. [`outcome`] says what is known of a statement
//! that was not answered.

mod check;
mod complaint;
mod derived;
mod dump;
mod error;
mod heads;
mod known_heads;
mod lanes;
mod lists;
mod live;
mod migrate;
mod options;
mod outcome;
mod reconnect;
mod records;
mod repair;
mod rows;
mod schema;
mod seen;
mod segments;
mod series;
mod session;
mod shared;
mod statements;
mod survey;
mod timeline;
mod tls;
mod value;
mod windows;

pub use check::LanesReport;
pub use complaint::{Complaint, Product};
pub use error::OpenError;
pub use options::{CqlOptions, Login, Reach};
pub use repair::Repaired;
pub use session::{DRIVER_LOG, StatementStats};
pub use shared::{CqlStats, CqlStore};
pub use survey::{NodeReport, NodeSaid, Survey};
