//! What the tasks of all connections of a node share.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use uuid::Uuid;

use super::super::control_link::AnsweredPing;
use super::super::counters::LinkCounters;
use super::super::data_link::DataLink;
use super::super::frame::Decoder;
use super::super::handshake::Greeted;
use super::super::inbox::LinkInbox;
use super::super::roster::{self, NotAdmitted, PeerRoster};
use super::super::secret::ClusterSecret;
use super::super::shapes::{ConnectionKind, Introduction, Vitals};
use super::super::tls::LinkTls;
use super::settings::LinkSettings;
use crate::name::NodeName;

/// A connection that stands, as the roster keeps it.
#[derive(Clone)]
pub(super) struct Connection {
    id: u64,
    closed: Arc<Notify>,
    /// Of a data connection.
    pub(super) link: Option<Arc<DataLink>>,
}

impl Connection {
    /// Ends its task, and what is in flight at once.
    fn close(&self, shared: &Shared, extra: &mut Extra) {
        self.closed.notify_one();
        if let Some(counters) = self.link.as_ref().and_then(|link| link.close()) {
            extra.counters.add(&counters);
        }
        shared.changed();
    }
}

/// What is kept of a peer beside its connections.
#[derive(Default)]
pub(super) struct Extra {
    /// Of links that were lost.
    pub(super) counters: LinkCounters,
    /// The last, and the boot that it came from.
    pub(super) pong: Option<(Uuid, AnsweredPing)>,
    /// Agreed in the last handshake.
    pub(super) protocol: Option<u32>,
    /// The newest view version in a frame of the peer's.
    pub(super) version: u64,
    /// The tasks that dial the peer end when it is dropped.
    pub(super) _dialing: Option<watch::Sender<()>>,
}

/// What the roster keeps of a peer.
pub(super) type Entry = roster::Entry<Connection, Extra>;

/// A connection whose peer was admitted; dropped, it is out of the roster, and its link is lost.
pub(super) struct Admitted {
    pub(super) peer: Introduction,
    shared: Arc<Shared>,
    kind: ConnectionKind,
    connection: Connection,
}

impl Admitted {
    /// Of a data connection.
    pub(super) fn link(&self) -> Option<Arc<DataLink>> {
        self.connection.link.clone()
    }

    /// Completes when another connection replaces this one, or the peer goes.
    pub(super) async fn closed(&self) {
        self.connection.closed.notified().await;
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let counters = self.connection.link.as_ref().and_then(|link| link.close());
        let name = &self.peer.name;
        let mut roster = self.shared.roster();
        if let Some(entry) = roster.get_mut(name) {
            if let Some(counters) = counters {
                entry.extra.counters.add(&counters);
            }
            let slot = entry.slot(self.kind);
            if slot.as_ref().is_some_and(|standing| standing.id == self.connection.id) {
                *slot = None;
            }
        }
        drop(roster);
        if let Some(link) = &self.connection.link {
            self.shared.inbox.link_lost(name, link);
        }
        self.shared.changed();
    }
}

pub(super) struct Shared {
    pub(super) me: Introduction,
    pub(super) secret: ClusterSecret,
    pub(super) tls: Option<LinkTls>,
    pub(super) settings: LinkSettings,
    pub(super) vitals: Box<dyn Fn() -> Vitals + Send + Sync>,
    pub(super) inbox: LinkInbox,
    /// This node's view version.
    pub(super) version: Arc<AtomicU64>,
    /// Connections that were refused, by either side of a handshake.
    pub(super) refused: AtomicU64,
    pub(super) began: Instant,
    roster: Mutex<PeerRoster<Connection, Extra>>,
    changes: watch::Sender<u64>,
    last_connection: AtomicU64,
}

impl Shared {
    pub(super) fn new(
        me: Introduction,
        secret: ClusterSecret,
        tls: Option<LinkTls>,
        settings: LinkSettings,
        vitals: Box<dyn Fn() -> Vitals + Send + Sync>,
        inbox: LinkInbox,
    ) -> Self {
        Self {
            me,
            secret,
            tls,
            settings,
            vitals,
            inbox,
            version: Arc::default(),
            refused: AtomicU64::new(0),
            began: Instant::now(),
            roster: Mutex::new(PeerRoster::new()),
            changes: watch::Sender::new(0),
            last_connection: AtomicU64::new(0),
        }
    }

    pub(super) fn roster(&self) -> MutexGuard<'_, PeerRoster<Connection, Extra>> {
        self.roster.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives a connection whose handshake is done its place, and closes those that it replaces.
    pub(super) fn admit(self: &Arc<Self>, greeted: Greeted, decoder: Decoder) -> Result<Ready, NotAdmitted> {
        let Greeted { peer, connection: kind, protocol } = greeted;
        let id = self.last_connection.fetch_add(1, Ordering::Relaxed);
        let (link, pings) = match kind {
            ConnectionKind::Data => (Some(Arc::new(DataLink::new(decoder, Arc::clone(&self.version)))), None),
            ConnectionKind::Control => (None, Some(decoder)),
        };
        let connection = Connection { id, closed: Arc::default(), link };
        let mut roster = self.roster();
        let replaced = roster.admit(&peer, kind, connection.clone())?;
        if let Some(entry) = roster.get_mut(&peer.name) {
            entry.extra.protocol = Some(protocol);
            replaced.iter().for_each(|connection| connection.close(self, &mut entry.extra));
        }
        if let Some(link) = &connection.link {
            self.inbox.link_up(&peer.name, link);
        }
        drop(roster);
        self.changed();
        tracing::debug!(peer = %peer.name, incarnation = %peer.incarnation, ?kind, protocol, "connected");
        Ok(Ready { admitted: Admitted { peer, shared: Arc::clone(self), kind, connection }, pings })
    }

    /// Closes what stands of peers that are none any more.
    pub(super) fn set_peers(&self, peers: &BTreeMap<NodeName, String>, dial: impl FnMut(&NodeName) -> Extra) {
        let mut roster = self.roster();
        let gone = roster.set(peers, dial);
        drop(roster);
        for (_, mut entry) in gone {
            for connection in [entry.control.take(), entry.data.take()].into_iter().flatten() {
                connection.close(self, &mut entry.extra);
            }
        }
        self.changed();
    }

    /// What a peer's frame says of its view.
    pub(super) fn saw_version(&self, peer: &NodeName, version: u64) {
        let mut roster = self.roster();
        let Some(entry) = roster.get_mut(peer) else { return };
        if entry.extra.version < version {
            entry.extra.version = version;
            drop(roster);
            self.changed();
        }
    }

    /// A pong came from this boot of a peer.
    pub(super) fn saw_pong(&self, peer: &Introduction, pong: AnsweredPing) {
        if let Some(entry) = self.roster().get_mut(&peer.name)
            && entry.peer.as_ref() == Some(peer)
        {
            entry.extra.pong = Some((peer.incarnation, pong));
        }
    }

    pub(super) fn now_ms(&self) -> u64 {
        self.began.elapsed().as_millis() as u64
    }

    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    fn changed(&self) {
        self.changes.send_modify(|count| *count += 1);
    }
}

/// A connection that can run.
pub(super) struct Ready {
    pub(super) admitted: Admitted,
    /// What came behind the handshake of a control connection.
    pub(super) pings: Option<Decoder>,
}
