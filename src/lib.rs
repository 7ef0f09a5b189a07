//! Switchboard's outside world: command line, config, HTTP, sockets, identity and files, over the crates below.

pub mod app;
pub mod blobs;
pub mod cli;
pub mod config;
pub mod conversations;
pub mod database;
pub mod demo;
pub mod descriptors;
pub mod errors;
pub mod files;
pub mod http;
pub mod identity;
pub mod json;
mod late;
mod linger;
pub mod metrics;
pub mod origins;
pub mod rates;
mod schema;
pub mod server;
pub mod simulate;
pub mod socket;
mod staffing;
pub mod storage;
pub mod strict_json;
pub mod telemetry;
mod words;
