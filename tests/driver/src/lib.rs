//! Drives the real program from outside, as its clients do. The black-box tests and the load programs use it, and
//! nothing else: it knows the public contract and not one of the server's crates.
//!
//! [`Sandbox`] runs the release binary on a folder of its own, [`Api`] speaks HTTP to it, [`Socket`] holds a
//! persistent socket, and [`killrun`] kills it while all of them are talking. [`cql`] is the store's server,
//! and [`outage`] takes it away.

/// The project's root folder.
pub const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

pub mod cql;
pub mod duel;
pub mod killrun;
pub mod outage;
pub mod process;
pub mod ringrun;

mod answer;
mod api;
mod binary;
mod bomb;
mod browser;
mod clients;
mod s3;
mod sandbox;
mod seed;
mod socket;
mod stage;

pub use answer::Answer;
pub use api::{Api, Call};
pub use binary::binary;
pub use bomb::zlib_of_zeros;
pub use browser::{Browser, Key, Page};
pub use clients::{Agent, Visitor};
pub use s3::S3Server;
pub use sandbox::{AgentLogin, Login, Options, Ready, Sandbox, Signal};
pub use seed::{seed, seeds};
pub use socket::{Frame, Socket};
pub use stage::{DeskSummary, Summary};
