//! Links over TCP: the façade of this room, and the tasks behind it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use store::Incarnation;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::Instant;

use super::asks::AskError;
use super::counters::LinkCounters;
use super::data_link::DataLink;
use super::inbox::LinkInbox;
use super::publisher::KEY_BYTES_MAX;
use super::secret::ClusterSecret;
use super::shapes::{ConnectionKind, Introduction, Vitals};
use super::tls::LinkTls;
use crate::name::NodeName;

mod dial;
mod greet;
mod listen;
mod run;
mod settings;
mod shared;
#[cfg(test)]
mod tests;
mod wire;

pub use settings::LinkSettings;

use shared::{Extra, Shared};

/// A peer's last pong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastPong {
    /// The boot of the peer that it came from.
    pub incarnation: Incarnation,
    /// How the peer was when it answered.
    pub vitals: Vitals,
    /// When it came.
    pub at: Instant,
    /// From its ping to it: the peer has lived at some time in between, and at `at` its clock stood at about
    /// `vitals.clock_ms` plus half of this.
    pub round_trip: Duration,
}

/// What is known of the links to a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkStatus {
    /// Where it is dialed, if its name is the lesser.
    pub address: String,
    /// As it introduced itself, when it did so last.
    pub peer: Option<Introduction>,
    /// The protocol that both agreed on, when they did so last.
    pub protocol: Option<u32>,
    /// Its data connection stands: it can be asked.
    pub is_linked: bool,
    /// Its control connection stands.
    pub is_pinged: bool,
    /// The newest view version that it has shown.
    pub version: u64,
    /// Its last pong, of whatever connection.
    pub last_pong: Option<LastPong>,
    /// Asks to it that have not ended.
    pub asks_open: usize,
    /// What this node keeps for it: asks in flight, and all that waits for the wire.
    pub queued_bytes: usize,
    /// Sums over all links to it.
    pub counters: LinkCounters,
}

/// The links of this node to its peers. Dropped, they end.
///
/// Every pair has two connections, dialed by the node whose name is the greater. Nothing is repeated here: what is lost
/// with a link is said to be lost, and the caller decides.
pub struct Links {
    shared: Arc<Shared>,
    /// All tasks end when it is dropped.
    running: watch::Sender<()>,
}

impl Links {
    /// Starts to listen, with no peers yet. `vitals` is asked for each pong, and must not wait. With `tls` all nodes
    /// speak it, without it none does.
    ///
    /// Wants a tokio runtime of its own, if others are to tell a main runtime that is wedged from a node that is gone.
    pub fn start(
        listener: TcpListener,
        secret: ClusterSecret,
        me: Introduction,
        vitals: impl Fn() -> Vitals + Send + Sync + 'static,
        settings: LinkSettings,
        tls: Option<LinkTls>,
    ) -> (Self, LinkInbox) {
        let inbox = LinkInbox::default();
        let shared = Arc::new(Shared::new(me, secret, tls, settings, Box::new(vitals), inbox.clone()));
        let (running, stopped) = watch::channel(());
        tokio::spawn(until(stopped, listen::listen(Arc::clone(&shared), listener)));
        (Self { shared, running }, inbox)
    }

    /// The peers from now on, with the addresses where they listen; this node itself is passed over. Links to those
    /// that are none any more end, new ones are dialed.
    pub fn set_peers(&self, peers: &BTreeMap<NodeName, String>) {
        let mut peers = peers.clone();
        peers.remove(&self.shared.me.name);
        self.shared.set_peers(&peers, |name| {
            let dialing = (self.shared.me.name > *name).then(|| {
                let (dialing, stopped) = watch::channel(());
                for kind in [ConnectionKind::Control, ConnectionKind::Data] {
                    let dial = dial::dial(Arc::clone(&self.shared), name.clone(), kind);
                    tokio::spawn(until(self.running.subscribe(), until(stopped.clone(), dial)));
                }
                dialing
            });
            Extra { _dialing: dialing, ..Extra::default() }
        });
    }

    /// This node's view version from now on: every frame carries it.
    pub fn set_version(&self, version: u64) {
        self.shared.version.store(version, Ordering::Relaxed);
    }

    /// Asks a peer and waits for the answer, at most for the budget. Dropped, it is taken out of the queue; if it is on
    /// the wire already, it may be done.
    ///
    /// # Errors
    /// As each [`AskError`] says: after [`AskError::Lost`] it may have been done, after the others nothing was.
    pub async fn ask(&self, peer: &NodeName, payload: Bytes, budget: Duration) -> Result<Bytes, AskError> {
        match self.link(peer) {
            Some(link) => link.ask(payload, budget).await,
            None => Err(AskError::NotSent),
        }
    }

    /// Tells a peer something that may be lost: true says that it is queued. In their order, within a link.
    pub fn tell(&self, peer: &NodeName, payload: Bytes) -> bool {
        self.link(peer).is_some_and(|link| link.tell(payload))
    }

    /// Publishes to a peer: true says that the peer gets it, or a `Gone` in its place, as long as the link lasts;
    /// false, that there is no link. In their order, within a link; a link's loss is a `GoneAll` in the peer's inbox.
    /// What a `Gone` stands for must be in the store before it is published.
    ///
    /// # Panics
    /// The key is longer than 256 bytes.
    pub fn publish(&self, peer: &NodeName, key: Bytes, body: Bytes) -> bool {
        assert!(key.len() <= KEY_BYTES_MAX, "a publication's key is short");
        self.link(peer).is_some_and(|link| link.publish(key, body))
    }

    /// What is known of the links to each peer.
    pub fn peers(&self) -> BTreeMap<NodeName, LinkStatus> {
        let roster = self.shared.roster();
        let status = |entry: &shared::Entry| {
            let link = entry.data.as_ref().and_then(|connection| connection.link.as_ref());
            let stats = link.and_then(|link| link.stats());
            let (mut counters, asks_open, queued_bytes) = stats.unwrap_or_default();
            counters.add(&entry.extra.counters);
            LinkStatus {
                address: entry.address.clone(),
                peer: entry.peer.clone(),
                protocol: entry.extra.protocol,
                is_linked: stats.is_some(),
                is_pinged: entry.control.is_some(),
                version: entry.extra.version,
                last_pong: self.last_pong_of(entry),
                asks_open,
                queued_bytes,
                counters,
            }
        };
        roster.iter().map(|(name, entry)| (name.clone(), status(entry))).collect()
    }

    /// The last pong of this boot of a peer; none: none came yet, or another boot has taken its place. Never waits.
    pub fn last_pong(&self, incarnation: Incarnation) -> Option<LastPong> {
        let roster = self.shared.roster();
        let mut pongs = roster.iter().filter_map(|(_, entry)| self.last_pong_of(entry));
        pongs.find(|pong| pong.incarnation == incarnation)
    }

    /// Changes whenever a connection comes or ends, peers are set, or a peer shows a newer view version.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.shared.changes()
    }

    /// Connections that came to nothing since they were not those of a peer: junk, silence, a wrong secret, too many at
    /// once.
    pub fn refused(&self) -> u64 {
        self.shared.refused.load(Ordering::Relaxed)
    }

    fn last_pong_of(&self, entry: &shared::Entry) -> Option<LastPong> {
        let (incarnation, pong) = entry.extra.pong?;
        Some(LastPong {
            incarnation: Incarnation(incarnation),
            vitals: pong.vitals,
            at: self.shared.began + Duration::from_millis(pong.received_ms),
            round_trip: Duration::from_millis(pong.received_ms.saturating_sub(pong.pinged_ms)),
        })
    }

    fn link(&self, peer: &NodeName) -> Option<Arc<DataLink>> {
        self.shared.roster().get(peer)?.data.as_ref()?.link.clone()
    }
}

/// Runs a task until the sender of `stopped` is dropped.
async fn until(mut stopped: watch::Receiver<()>, task: impl Future<Output = ()>) {
    tokio::select! {
        _ = stopped.changed() => {}
        () = task => {}
    }
}
