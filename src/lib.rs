//! Switchboard's outside world: command line, config, HTTP, sockets, identity and files, over the crates below.

pub mod config;
pub mod files;
pub mod http;
pub mod identity;
pub mod json;
pub mod metrics;
pub mod telemetry;
pub mod server;
pub mod socket;
pub mod talk;
