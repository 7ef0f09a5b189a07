//! The store on many servers (CQL): ScyllaDB 2025.4 or newer, or Apache Cassandra 5. Durable when it answers, with any
//! server of the cluster gone, for many Switchboard nodes.
//!
//! [`log`] is written by conditional statements alone and is the truth; a conversation's head lies in its log's static
//! part and is written in the same statement. [`pointers`] leads to conversations, by plain writes that no order of
//! arrival can spoil; a reader that follows a pointer asks the head. [`feed`] tells after each append that the log grew.
//! [`records`] are written by conditional statements alone, too: a unique key leads to a document, which is asked.
//! [`outcome`] says what is known of a statement that was not answered.

mod complaint;
mod derived;
mod dump;
mod error;
mod feed;
mod heads;
mod live;
mod log;
mod migrate;
mod options;
mod outcome;
mod pointers;
mod reconnect;
mod records;
mod schema;
mod series;
mod session;
mod shared;
mod statements;
mod survey;
mod timeline;
mod tls;
mod value;
mod windows;

pub use complaint::{Complaint, Product};
pub use error::OpenError;
pub use options::{CqlOptions, Login, Reach};
pub use session::{DRIVER_LOG, StatementStats};
pub use shared::{CqlStats, CqlStore, Now};
pub use survey::{NodeReport, NodeSaid, Survey};
