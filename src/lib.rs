//! Switchboard's outside world: command line, config, HTTP and sockets, over the crates below.

pub mod app;
pub mod blobs;
pub mod cli;
pub mod config;
pub mod conversations;
pub mod database;
pub mod demo;
pub mod descriptors;
pub mod errors;
pub mod file_links;
pub mod http;
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
pub mod strict_json;
pub mod telemetry;
mod words;
