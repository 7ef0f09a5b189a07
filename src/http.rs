//! HTTP: what handlers share, and how a listener is served.
//!
//! A request's way: [`accept`] (the connection and its limits), `service` (one request), `judge` (may it be), warp and
//! the row's handler, and back through `service`, which puts on the headers that every answer carries.

use std::net::SocketAddr;
use std::sync::Arc;

use cluster::Cluster;
use domain::Origin;
use store::Clock;
use store::{Store, StoreError};
use tokio::sync::{Mutex, watch};

use crate::config::Config;
use crate::files::{FileLinks, Files};
use crate::http::body::BodyMemory;
use crate::http::cors::Origins;
use crate::http::cursor::Cursors;
use crate::http::documents::Documents;
use crate::http::peer::Peers;
use crate::http::rate::Rates;
use crate::http::reads::Reads;
use crate::http::seats::Seats;
use crate::http::turns::Turns;
use crate::identity::{Caller, Identity, Keys};
use crate::metrics::Metrics;
use crate::socket::Sockets;

pub mod accept;
pub mod api;
pub mod assets;
pub mod body;
pub mod call;
pub mod cors;
pub mod cursor;
pub mod docs;
pub mod documents;
pub mod error;
pub mod etag;
pub mod json_in;
mod judge;
mod multipart;
pub mod openapi;
pub mod paths;
pub mod peer;
pub mod query;
pub mod range;
pub mod rate;
pub mod reads;
pub mod reply;
pub mod request_id;
pub mod routes;
pub mod seats;
mod service;
mod stream;
mod trace_context;
pub mod turns;

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

/// What handlers share.
pub struct App {
    /// As it was at the start.
    pub config: Arc<Config>,
    /// The wall clock.
    pub clock: Clock,
    /// What survives.
    pub store: Store,
    /// Who is it.
    pub identity: Arc<Identity>,
    /// The installation's keys.
    pub keys: Keys,
    /// How often.
    pub rates: Rates,
    /// Turns at the store, for those who read.
    pub reads: Reads,
    /// Who is at the other end of a connection.
    pub peers: Peers,
    /// What operators see.
    pub metrics: Metrics,
    /// Where lists go on.
    pub cursors: Cursors,
    /// Pages of which origin may ask.
    pub origins: Origins,
    /// The memory that bodies share.
    pub bodies: BodyMemory,
    /// Counts sockets by address.
    pub socket_seats: Seats,
    /// The way to every conversation and agent.
    pub cluster: Cluster,
    /// Uploaded files.
    pub files: Arc<Files>,
    /// Signs links to them.
    pub file_links: FileLinks,
    /// Sockets that have said hello.
    pub sockets: Arc<Sockets>,
    /// Held while an agent's role may change, so that the last two admins cannot remove each other.
    pub admins: Mutex<()>,
    /// Starts of conversations, one at a time for each visitor.
    pub starts: Turns,
    /// Whether traffic is wanted.
    pub readiness: Readiness,
    /// The API document and the pages of this server.
    pub documents: Documents,
}

impl App {
    /// Puts together what needs nothing but these. `bound`: where the server listens.
    pub fn new(parts: Parts, bound: SocketAddr) -> Self {
        let Parts { config, clock, store, identity, keys, cluster, files } = parts;
        let origins = Origins::new(&config, bound);
        Self {
            rates: Rates::new(&config.limits),
            reads: Reads::default(),
            peers: Peers::new(&config),
            metrics: Metrics::new(),
            cursors: Cursors::new(keys.cursor.clone()),
            file_links: FileLinks::new(keys.file_link.clone()),
            bodies: BodyMemory::default(),
            socket_seats: Seats::default(),
            sockets: Arc::default(),
            admins: Mutex::default(),
            starts: Turns::default(),
            readiness: Readiness::default(),
            documents: Documents::new(&config),
            origins,
            config,
            clock,
            store,
            identity,
            keys,
            cluster,
            files,
        }
    }
}

impl App {
    /// Whether a page of `origin` may speak for `caller`; no browser, no origin: he may.
    pub async fn origin_allowed(&self, caller: &Caller, origin: Option<&Origin>) -> Result<bool, StoreError> {
        match origin {
            Some(origin) => judge::is_allowed(self, caller, origin.as_str()).await,
            None => Ok(true),
        }
    }
}

/// What [`App`] is made of.
pub struct Parts {
    /// As it was at the start.
    pub config: Arc<Config>,
    /// The wall clock.
    pub clock: Clock,
    /// What survives.
    pub store: Store,
    /// Who is it.
    pub identity: Arc<Identity>,
    /// The installation's keys.
    pub keys: Keys,
    /// The way to every conversation and agent.
    pub cluster: Cluster,
    /// Uploaded files.
    pub files: Arc<Files>,
}

/// Whether the server wants traffic: not before it has started, and not once it drains.
#[derive(Debug, Default)]
pub struct Readiness(watch::Sender<bool>);

impl Readiness {
    /// Says so from now on.
    pub fn set(&self, ready: bool) {
        self.0.send_replace(ready);
    }

    /// As it was last set; not at first.
    pub fn get(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until traffic was wanted and is wanted no more: who waits for something else gives up then.
    pub async fn lost(&self) {
        let mut ready = self.0.subscribe();
        for awaited in [true, false] {
            // The sender is here for as long as this is.
            let _changed = ready.wait_for(|ready| *ready == awaited).await.is_ok();
        }
    }
}
