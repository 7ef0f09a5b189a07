//! What everybody who answers shares: HTTP's handlers, sockets, and what runs beside them. Put together once, by the
//! server; nothing in here knows a route.

use std::net::SocketAddr;
use std::sync::Arc;

use cluster::Cluster;
use domain::{Id, Kind};
use files::Files;
use identity::{Caller, Identity, Keys};
use rand::RngExt;
use store::Clock;
use store::{Store, StoreError};
use tokio::sync::{Mutex, watch};

use self::cursors::Cursors;
use self::peers::Peers;
use crate::config::Config;
use crate::file_links::FileLinks;
use crate::http::documents::Documents;
use crate::metrics::Metrics;
use crate::origins::Origins;
use crate::rates::Rates;
use crate::rates::memory::BodyMemory;
use crate::rates::reads::Reads;
use crate::rates::seats::Seats;
use crate::rates::turns::Turns;
use crate::socket::Sockets;

pub mod cursors;
pub mod peers;

/// All that is shared.
pub struct App {
    /// As it was at the start.
    pub config: Arc<Config>,
    /// The wall clock.
    pub clock: Clock,
    /// What survives.
    pub store: Store,
    /// Proves who a caller is.
    pub identity: Arc<Identity>,
    /// The installation's keys.
    pub keys: Keys,
    /// How often each person and address may ask.
    pub rates: Rates,
    /// Turns at the store, for those who read.
    pub reads: Reads,
    /// Finds the client's address behind proxies.
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
        let Parts { config, clock, store, identity, keys, cluster, files, documents } = parts;
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
            documents,
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
    /// Makes an id of now.
    pub fn fresh_id<K: Kind>(&self) -> Id<K> {
        Id::new(self.clock.now(), rand::rng().random())
    }

    /// Whether a page of `origin` may speak for `caller`: a page of this server, or one that the caller's site lists.
    ///
    /// # Errors
    /// The site could not be read.
    pub async fn allows_origin(&self, caller: &Caller, origin: &str) -> Result<bool, StoreError> {
        if self.origins.is_own(origin) {
            return Ok(true);
        }
        let listed = |site: &domain::Site| site.origins.iter().any(|listed| listed.covers(origin));
        match caller {
            Caller::Anonymous | Caller::Agent { .. } => Ok(false),
            Caller::Site { site, .. } => Ok(listed(site)),
            Caller::Visitor { workspace, site, .. } => {
                let site = self.identity.find_site(*workspace, *site).await?;
                Ok(site.is_some_and(|site| listed(&site)))
            }
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
    /// Proves who a caller is.
    pub identity: Arc<Identity>,
    /// The installation's keys.
    pub keys: Keys,
    /// The way to every conversation and agent.
    pub cluster: Cluster,
    /// Uploaded files.
    pub files: Arc<Files>,
    /// The API document and the pages of this server.
    pub documents: Documents,
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

    /// Waits until traffic was wanted and is wanted no more: a request that waits for something else gives up then.
    pub async fn lost(&self) {
        let mut ready = self.0.subscribe();
        for awaited in [true, false] {
            // The sender is here for as long as this is.
            let _changed = ready.wait_for(|ready| *ready == awaited).await.is_ok();
        }
    }
}
