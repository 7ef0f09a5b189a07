//! Links and membership of one boot, joined: pongs go to the membership, the peers follow the view, and a newer view goes over
//! links at once, beside the reading of it in the store each second.

use std::collections::BTreeMap;
use std::io;
use std::net::TcpListener;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use domain::Timestamp;
use store::{Clock, Incarnation};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::watch;

use crate::link::{
    AskError, ClusterSecret, IncomingAsk, Introduction, LinkInbox, LinkSettings, LinkStatus, LinkTls, Links,
    Vitals,
};
use crate::membership::{Member, Membership, Pings, Pong, Pulse, View};
use crate::name::NodeName;
use crate::told::{tell_view, told_view};

#[cfg(test)]
mod tests;

/// What a node joins a cluster with.
pub struct Joining {
    /// What the node is called: no other node of the cluster is called so.
    pub name: NodeName,
    /// Where its peers reach it, as `host:port`.
    pub address: String,
    /// Where it listens for them.
    pub listener: TcpListener,
    /// What all nodes of the cluster know.
    pub secret: ClusterSecret,
    /// With it all nodes speak TLS, without it none does.
    pub tls: Option<LinkTls>,
}

/// The links of one boot.
pub(crate) struct Peering {
    links: Arc<Links>,
    inbox: LinkInbox,
    handle: Handle,
    /// Its one thread is not the main runtime's: a server that is wedged and one that is gone look different to peers.
    runtime: Mutex<Option<Runtime>>,
}

impl Peering {
    /// Starts to listen, without peers.
    ///
    /// # Errors
    /// [`io::Error`]: the system gives no thread, or does not take the listener.
    pub(crate) fn start(joining: Joining, me: Introduction, pulse: Pulse, clock: Clock) -> io::Result<Self> {
        let Joining { listener, secret, tls, .. } = joining;
        let runtime =
            Builder::new_multi_thread().worker_threads(1).thread_name("links").enable_all().build()?;
        listener.set_nonblocking(true)?;
        let vitals = move || Vitals {
            clock_ms: clock.now().as_ms(),
            tick_age_ms: as_ms(pulse.tick_age()),
            heartbeat_age_ms: pulse.heartbeat_age().map(as_ms),
        };
        let within = runtime.enter();
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let (links, inbox) = Links::start(listener, secret, me, vitals, LinkSettings::default(), tls);
        drop(within);
        let handle = runtime.handle().clone();
        Ok(Self { links: Arc::new(links), inbox, handle, runtime: Mutex::new(Some(runtime)) })
    }

    /// The pongs of its peers.
    pub(crate) fn pings(&self) -> Arc<dyn Pings> {
        Arc::new(LinkPings(Arc::clone(&self.links)))
    }

    /// Follows the views of the boot, and lets it learn those of its peers, until the boot is out.
    pub(crate) async fn run(self: Arc<Self>, membership: Membership) {
        let mut out = membership.out();
        tokio::select! {
            _ = out.wait_for(Option::is_some) => {}
            () = self.follow(membership.views()) => {}
            () = self.learn(&membership) => {}
        }
        // The peers learn of a view without this boot too, as far as it is linked still.
        self.tell(&membership.view(), &mut BTreeMap::new());
    }

    async fn follow(&self, mut views: watch::Receiver<Arc<View>>) {
        let mut changes = self.links.changes();
        let (mut told, mut followed) = (BTreeMap::new(), None);
        loop {
            let view = views.borrow_and_update().clone();
            if followed != Some(view.version()) {
                followed = Some(view.version());
                self.set(&view);
            }
            // To set peers is a change too, which leads to nothing more.
            changes.mark_unchanged();
            self.tell(&view, &mut told);
            tokio::select! {
                _ = views.changed() => {}
                _ = changes.changed() => {}
            }
        }
    }

    /// The members of the view are the peers.
    fn set(&self, view: &View) {
        let address = |member: &Member| (member.name.clone(), member.address.clone());
        let peers = view.members().iter().filter(|member| !member.is_alone()).map(address).collect();
        // What dials them runs where the links run.
        let within = self.handle.enter();
        self.links.set_version(view.version());
        self.links.set_peers(&peers);
        drop(within);
    }

    /// Tells peers that have an older view of this one, once over each link.
    fn tell(&self, view: &View, told: &mut BTreeMap<NodeName, (u64, u64)>) {
        let is_behind = |status: &LinkStatus| status.is_linked && status.version < view.version();
        let behind = self.links.peers().into_iter().filter(|(_, status)| is_behind(status));
        let mut payload = None;
        for (name, status) in behind {
            let this = (view.version(), status.counters.links);
            if told.get(&name) == Some(&this) {
                continue;
            }
            let payload = payload.get_or_insert_with(|| tell_view(view));
            if self.links.tell(&name, payload.clone()) {
                told.insert(name, this);
            }
        }
    }

    async fn learn(&self, membership: &Membership) {
        loop {
            let tell = self.inbox.tell().await;
            match told_view(&tell.payload) {
                Ok(view) => membership.learn(view),
                Err(error) => tracing::warn!(peer = %tell.peer, %error, "what a peer told is not known here"),
            }
        }
    }

    /// Asks a peer, at most for the budget.
    ///
    /// # Errors
    /// As of [`Links::ask`].
    pub(crate) async fn ask(
        &self,
        peer: &NodeName,
        payload: Bytes,
        budget: Duration,
    ) -> Result<Bytes, AskError> {
        self.links.ask(peer, payload, budget).await
    }

    /// What a peer asks next.
    pub(crate) async fn asked(&self) -> IncomingAsk {
        self.inbox.ask().await
    }

    /// Completes when every linked peer has shown that it has this version of the view, or a later one.
    pub(crate) async fn until_known(&self, version: u64) {
        let mut changes = self.links.changes();
        loop {
            changes.mark_unchanged();
            let knows = |status: &LinkStatus| !status.is_linked || status.version >= version;
            if self.links.peers().values().all(knows) {
                return;
            }
            // Without a sender there are no links any more.
            if changes.changed().await.is_err() {
                return;
            }
        }
    }

    /// What is known of the links to each peer.
    pub(crate) fn status(&self) -> BTreeMap<NodeName, LinkStatus> {
        self.links.peers()
    }

    /// Connections that were refused.
    pub(crate) fn refused(&self) -> u64 {
        self.links.refused()
    }

    /// Ends the links, and gives their address free.
    pub(crate) fn stop(&self) {
        let runtime = self.runtime.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(runtime) = runtime {
            // Waits for nothing, so that it may be called anywhere.
            runtime.shutdown_background();
        }
    }
}

impl Drop for Peering {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The links as the membership hears them.
struct LinkPings(Arc<Links>);

impl Pings for LinkPings {
    fn last_pong(&self, peer: Incarnation) -> Option<Pong> {
        let last = self.0.last_pong(peer)?;
        Some(Pong {
            at: last.at,
            clock: Timestamp::from_ms(last.vitals.clock_ms),
            tick_age: Duration::from_millis(last.vitals.tick_age_ms),
            heartbeat_age: last.vitals.heartbeat_age_ms.map(Duration::from_millis),
        })
    }

    fn is_linked(&self, peer: Incarnation) -> bool {
        let is_it = |status: &LinkStatus| {
            status.is_linked && status.peer.as_ref().is_some_and(|known| known.incarnation == peer.0)
        };
        self.0.peers().values().any(is_it)
    }
}

fn as_ms(age: Duration) -> u64 {
    u64::try_from(age.as_millis()).unwrap_or(u64::MAX)
}
