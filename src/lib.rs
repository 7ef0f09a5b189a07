//! Switchboard's outside world: command line, config, HTTP, sockets, identity and files, over the crates below.

pub mod blobs;
pub mod cli;
pub mod config;
pub mod database;
pub mod demo;
pub mod descriptors;
pub mod files;
pub mod http;
pub mod identity;
pub mod json;
mod late;
pub mod metrics;
mod origin;
mod people;
mod schema;
pub mod server;
pub mod simulate;
pub mod socket;
mod staffing;
pub mod storage;
pub mod talk;
pub mod telemetry;
pub mod view;
mod words;
