//! Why the store was not opened.

use super::complaint::Complaint;

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
    /// A program from before the first release made the tables.
    #[error(
        "the keyspace {0} has the form of a development version, in which each conversation was a partition with a claim: \
         nothing leads from there to this form, and nothing was changed. Give store.cql.keyspace another name, or drop the \
         keyspace if nobody needs what it holds"
    )]
    OldForm(String),
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
