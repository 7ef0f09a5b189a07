//! The store from outside: the suite on every backend, what SQLite promises beyond it, and the bytes on the disk.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod conformance;
mod copy;
mod cql;
mod cql_copy;
mod cql_lanes;
mod cql_lists;
mod cql_secure;
mod cql_series;
mod cql_unknown;
mod expiry;
mod faulty;
mod golden;
mod play;
mod s3;
mod sandbox;
mod series;
mod sqlite;
mod sqlite_wal;
mod weight;
