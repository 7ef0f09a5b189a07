//! The origins of this server and of its sites. All sites' lists together are read from the store and kept for at most
//! [`KEPT_FOR`].

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use domain::{Origin, Site, Workspace};
use store::{INSTALLATION, Records, StoreError};
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::config::Config;

/// How long a change of a site's list may stay unseen.
const KEPT_FOR: Duration = Duration::from_secs(4);

/// What sites list.
#[derive(Default)]
struct Listed {
    exact: HashSet<Box<str>>,
    patterns: HashSet<Origin>,
}

impl Listed {
    fn covers(&self, origin: &str) -> bool {
        self.exact.contains(origin) || self.patterns.iter().any(|pattern| pattern.covers(origin))
    }
}

/// The origins that are known here.
pub struct Origins {
    own: Vec<Box<str>>,
    /// Of all sites together, and when they were read. The lock is held while they are read, so that is done once.
    all: Mutex<Option<(Instant, Listed)>>,
}

impl Origins {
    /// `bound`: where the server listens.
    pub fn new(config: &Config, bound: SocketAddr) -> Self {
        let mut own: Vec<Box<str>> = vec![config.own_origin(bound).as_str().into()];
        let mut add = |host: &str| {
            let port = if bound.port() == 80 { String::new() } else { format!(":{}", bound.port()) };
            let origin: Box<str> = format!("http://{host}{port}").into();
            if !own.contains(&origin) {
                own.push(origin);
            }
        };
        match bound.ip() {
            // Everywhere is no name that a browser could know the server by.
            ip if ip.is_unspecified() => {}
            IpAddr::V4(v4) => add(&v4.to_string()),
            IpAddr::V6(v6) => add(&format!("[{v6}]")),
        }
        if bound.ip().is_loopback() {
            add("localhost");
        }
        Self { own, all: Mutex::new(None) }
    }

    /// A page of this server.
    pub fn is_own(&self, origin: &str) -> bool {
        self.own.iter().any(|own| **own == *origin)
    }

    /// All own ones; the first is how browsers are meant to know the server.
    pub fn own(&self) -> &[Box<str>] {
        &self.own
    }

    /// To be called after a site was made, changed or removed.
    pub async fn changed(&self) {
        *self.all.lock().await = None;
    }

    /// On the list of any site of the installation.
    ///
    /// # Errors
    /// The sites could not be read.
    pub async fn is_on_any_site(&self, records: &dyn Records, origin: &str) -> Result<bool, StoreError> {
        let mut kept = self.all.lock().await;
        if let Some((read_at, all)) = &*kept
            && read_at.elapsed() < KEPT_FOR
        {
            return Ok(all.covers(origin));
        }
        let read_at = Instant::now();
        let all = read_all(records).await?;
        let found = all.covers(origin);
        *kept = Some((read_at, all));
        Ok(found)
    }
}

async fn read_all(records: &dyn Records) -> Result<Listed, StoreError> {
    let mut all = Listed::default();
    for workspace in store::all::<Workspace>(records, INSTALLATION).await? {
        let sites = store::all::<Site>(records, workspace.document.id).await?;
        for origin in sites.into_iter().flat_map(|site| site.document.origins) {
            if origin.is_pattern() {
                all.patterns.insert(origin);
            } else {
                all.exact.insert(origin.as_str().into());
            }
        }
    }
    Ok(all)
}
