//! The store in one file (SQLite): no set-up, durable when it answers, for one server.
//!
//! Writes go through one thread ([`writer`]), reads through connections of their own ([`readers`]). Every commit is
//! fsync'd (`synchronous=FULL` on a write-ahead log) before its writers are answered.

mod boots;
mod database;
mod dump;
mod error;
mod fault;
mod heads;
mod journal;
mod lanes;
mod log;
mod options;
mod readers;
mod records;
mod row;
mod rows;
mod series;
mod shared;
mod writer;

pub use database::{database_path, is_there, shared_memory_path, write_ahead_log_path};
pub use error::OpenError;
pub use options::{Access, SqliteOptions};
pub use shared::SqliteStore;
pub use writer::SqliteStats;
