//! The driver's session, and another in its place when it has lost all servers.
//!
//! To a server that is gone the driver goes back after pauses that double up to 10 s, which cannot be set. While it has
//! another server that hardly matters, as any of them leads to all data. With none left we look ourselves: a session
//! that is made anew asks all servers at once.

use std::net::SocketAddr;
use std::sync::{Arc, RwLock, Weak};
use std::time::Duration;

use scylla::client::session::Session;
use scylla::client::session_builder::SessionBuilder;
use tokio::time::{Instant, sleep};

/// How often it is looked whether the session has a server.
const LOOK: Duration = Duration::from_millis(250);
/// For so long the driver's own pauses are short.
const LEFT_ALONE: Duration = Duration::from_millis(500);

/// The one that is in use. While it is kept, a task replaces it when it is lost.
pub(super) struct Sessions {
    current: Arc<RwLock<Arc<Session>>>,
}

impl Sessions {
    /// Keeps `first`, and those that `builder` makes in its place, going to servers of `datacenter`; none: to all.
    pub(super) fn keep(
        first: Session,
        builder: SessionBuilder,
        keyspace: String,
        datacenter: Option<String>,
    ) -> Self {
        let current = Arc::new(RwLock::new(Arc::new(first)));
        let watched = Arc::downgrade(&current);
        tokio::spawn(Watch { builder, keyspace, datacenter }.replace_lost(watched));
        Self { current }
    }

    pub(super) fn current(&self) -> Arc<Session> {
        current(&self.current)
    }
}

fn current(kept: &RwLock<Arc<Session>>) -> Arc<Session> {
    Arc::clone(&kept.read().expect("nobody panics while holding it"))
}

struct Watch {
    builder: SessionBuilder,
    /// That of the statements, which name their tables alone.
    keyspace: String,
    datacenter: Option<String>,
}

impl Watch {
    async fn replace_lost(self, kept: Weak<RwLock<Arc<Session>>>) {
        let mut lost_since: Option<Instant> = None;
        let mut told = false;
        loop {
            sleep(LOOK).await;
            let Some(kept) = kept.upgrade() else { return };
            let session = current(&kept);
            if self.has_a_server(&session) {
                if std::mem::take(&mut told) {
                    tracing::info!("the CQL servers are back");
                }
                lost_since = None;
                continue;
            }
            if lost_since.get_or_insert_with(Instant::now).elapsed() < LEFT_ALONE {
                continue;
            }
            if !std::mem::replace(&mut told, true) {
                tracing::warn!("the CQL servers are away: nothing is written or read until one answers");
            }
            if let Some(new) = self.another(&session).await
                && !self.has_a_server(&session)
            {
                *kept.write().expect("nobody panics while holding it") = Arc::new(new);
            }
        }
    }

    /// One that statements may be sent to.
    fn has_a_server(&self, session: &Session) -> bool {
        session.get_cluster_state().get_nodes_info().iter().any(|node| {
            let is_near = self.datacenter.is_none() || node.datacenter == self.datacenter;
            is_near && node.is_connected()
        })
    }

    /// Made with all servers that the lost one knew: those of the config may be gone for good.
    async fn another(&self, lost: &Session) -> Option<Session> {
        let state = lost.get_cluster_state();
        let known = state.get_nodes_info().iter().map(|node| node.address);
        let known: Vec<SocketAddr> = known.map(|node| SocketAddr::new(node.ip(), node.port())).collect();
        let builder = self.builder.clone().known_nodes_addr(known).use_keyspace(&self.keyspace, true);
        match builder.build().await {
            Ok(session) => Some(session).filter(|session| self.has_a_server(session)),
            Err(error) => {
                tracing::debug!(%error, "the CQL servers are still away");
                None
            }
        }
    }
}
