//! One boot's membership, as the rest of the node sees it: the newest view, whether the boot is out, and the one way to change
//! the view. Custody and the links hold it; the driver keeps it up to date.

use std::sync::Arc;

use store::{Clock, Incarnation, Records, StoreError};
use tokio::sync::watch;
use tokio::time::timeout;

use super::agreed;
use super::document::View;
use super::heartbeat;
use super::placement::Spread;
use super::pulse::Pulse;
use super::timing::CALL_WITHIN;
use crate::name::NodeName;

/// This boot is out of the view: it was evicted, replaced by a newer boot of its name, or it left. It ends all that it does, and
/// joins again as a new incarnation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Out {
    /// The version of the first view without it that it saw.
    pub version: u64,
}

/// One boot's membership. Clones are the same one.
#[derive(Clone)]
pub struct Membership(Arc<Inner>);

struct Inner {
    me: Incarnation,
    records: Arc<dyn Records>,
    clock: Clock,
    pulse: Pulse,
    spread: Spread,
    views: watch::Sender<Arc<View>>,
    out: watch::Sender<Option<Out>>,
}

impl Membership {
    /// The boot is a member by this view.
    pub(super) fn new(
        me: Incarnation,
        records: Arc<dyn Records>,
        clock: Clock,
        pulse: Pulse,
        spread: Spread,
        view: View,
    ) -> Self {
        let views = watch::Sender::new(Arc::new(view));
        Self(Arc::new(Inner { me, records, clock, pulse, spread, views, out: watch::Sender::new(None) }))
    }

    /// This boot.
    pub fn incarnation(&self) -> Incarnation {
        self.0.me
    }

    /// The store.
    pub(super) fn records(&self) -> &dyn Records {
        &*self.0.records
    }

    pub(super) fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// Which members this node gives shards to.
    pub(super) fn spread(&self) -> Spread {
        self.0.spread
    }

    /// The newest view that this node knows.
    pub fn view(&self) -> Arc<View> {
        self.0.views.borrow().clone()
    }

    /// The newest view that this node knows, from now on; versions only grow.
    pub fn views(&self) -> watch::Receiver<Arc<View>> {
        self.0.views.subscribe()
    }

    /// Says once that this boot is out.
    pub fn out(&self) -> watch::Receiver<Option<Out>> {
        self.0.out.subscribe()
    }

    /// Whether this node runs; nothing may be done by a view while it is not [current](Pulse::is_current).
    pub fn pulse(&self) -> &Pulse {
        &self.0.pulse
    }

    /// A view that came over a link: it is known from now on, if it is newer.
    pub fn learn(&self, view: View) {
        let mut is_newer = false;
        self.0.views.send_if_modified(|known| {
            is_newer = view.version() > known.version();
            if is_newer {
                *known = Arc::new(view);
            }
            is_newer
        });
        let view = self.view();
        if is_newer && view.member(self.0.me).is_none() {
            self.0.out.send_if_modified(|out| {
                let is_new = out.is_none();
                out.get_or_insert(Out { version: view.version() });
                is_new
            });
        }
    }

    /// Changes the agreed view, unless this node is paused or out: then nothing is changed. `change` says whether it changed
    /// anything, and may be called several times. Returns the view as it is then.
    ///
    /// # Errors
    /// [`StoreError`]: the change may have been made, and the caller may ask for it again.
    pub async fn change(&self, change: impl Fn(&mut View) -> bool) -> Result<Arc<View>, StoreError> {
        let me = self.0.me;
        let may = |view: &View| view.member(me).is_some() && self.0.pulse.is_current();
        let changed = agreed::change(&*self.0.records, self.0.clock.now(), |view| may(view) && change(view));
        self.learn(within(changed).await?);
        Ok(self.view())
    }

    /// This node gives its shards away.
    ///
    /// # Errors
    /// As of [`Membership::change`].
    pub async fn drain(&self) -> Result<Arc<View>, StoreError> {
        let me = self.0.me;
        self.change(|view| view.drain(me) && handed_out(view, self.0.spread)).await
    }

    /// This boot has sealed its lanes: it is out.
    ///
    /// # Errors
    /// As of [`Membership::change`].
    pub async fn leave(&self) -> Result<Arc<View>, StoreError> {
        let me = self.0.me;
        let name = self.0.views.borrow().member(me).map(|member| member.name.clone());
        let view = self.change(|view| view.leave(me) && handed_out(view, self.0.spread)).await?;
        if let Some(name) = name {
            self.forget(&view, &name).await;
        }
        Ok(view)
    }

    /// Removes the heartbeat of a node that is out. Nothing rests on it: left there, it makes the list one longer.
    pub(super) async fn forget(&self, view: &View, name: &NodeName) {
        if view.members().iter().any(|member| member.name == *name) || !self.0.pulse.is_current() {
            return;
        }
        match heartbeat::forget(&*self.0.records, name).await {
            Ok(()) => {}
            Err(error) => {
                tracing::debug!(%error, %name, "the heartbeat of a node that is out may be there still")
            }
        }
    }
}

/// After a change of the members, which is one whether or not a shard moves.
pub(crate) fn handed_out(view: &mut View, spread: Spread) -> bool {
    view.hand_out(spread);
    true
}

/// A call that takes too long has an unknown outcome.
pub(super) async fn within<T>(call: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    let late = || StoreError::Unavailable("the store did not answer in time".into());
    timeout(CALL_WITHIN, call).await.map_err(|_| late())?
}
