//! Keeps one boot's custody: seals boots that are out of the view, asks old owners to release, and begins the custody of this node
//! once every shard is its own and nobody else may append there. The rules are those of [`ShardCustody`].
//!
//! As long as one member has all shards, custody of all of them begins and ends as one.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use actors::{Custody, Node};
use store::{Generation, Incarnation, Lanes, Store, StoreError};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

use crate::custody::ShardCustody;
use crate::membership::timing::READ_EVERY;
use crate::membership::{Membership, Released, ShardId, View};

/// How long conversations may take to finish what is in flight before the node's lanes are sealed over them; callers whose request
/// did not finish hear that its outcome is not known.
const FINISH_WITHIN: Duration = Duration::from_secs(5);
/// How often a boot that waits for an old owner goes on.
const WAITING_TURN: Duration = Duration::from_millis(100);

/// Keeps one boot's custody.
pub(crate) struct Keeper {
    store: Store,
    membership: Membership,
    custody: Custody,
    shards: Mutex<ShardCustody>,
    began: Instant,
    /// An old owner has answered.
    heard: Notify,
}

impl Keeper {
    pub(crate) fn new(store: Store, membership: Membership, custody: Custody) -> Self {
        let shards = Mutex::new(ShardCustody::new(membership.incarnation()));
        Self { store, membership, custody, shards, began: Instant::now(), heard: Notify::new() }
    }

    /// Runs until this boot is out. `ask` is called with the members that are to release shards, and does not wait; what they
    /// answer goes to [`Keeper::heard`].
    pub(crate) async fn run(&self, ask: impl Fn(&View, BTreeMap<Incarnation, Vec<ShardId>>)) {
        let (mut views, mut out) = (self.membership.views(), self.membership.out());
        let turns = async {
            loop {
                match self.turn().await {
                    Ok(()) => {}
                    Err(error) => tracing::debug!(%error, "custody goes on later"),
                }
                let view = self.membership.view();
                let asks = self.asks(&view);
                if !asks.is_empty() {
                    ask(&view, asks);
                }
                let pause = if self.shards().is_waiting() { WAITING_TURN } else { READ_EVERY };
                // At the latest when the view is read again: a pause may have passed, or the store be back.
                let woken = async {
                    tokio::select! {
                        _ = views.changed() => {}
                        () = self.heard.notified() => {}
                    }
                };
                drop(timeout(pause, woken).await);
            }
        };
        tokio::select! {
            _ = out.wait_for(Option::is_some) => {}
            () = turns => {}
        }
    }

    /// Does what the newest view asks for: anybody may seal, and sealing twice is harmless.
    ///
    /// # Errors
    /// [`StoreError`]: the next turn goes on.
    pub(crate) async fn turn(&self) -> Result<(), StoreError> {
        if !self.membership.pulse().is_current() {
            return Ok(());
        }
        self.follow();
        let view = self.membership.view();
        let unsealed = view.unsealed();
        for &boot in unsealed {
            self.store.log.seal(boot).await?;
            tracing::info!(boot = %boot.0, "sealed the lanes of a boot that is out of the view");
        }
        let clears = |view: &mut View| view.note_sealed(unsealed) | self.shards().clear(view);
        if view.after(clears).is_some() {
            self.membership.change(clears).await?;
            self.follow();
        }
        Ok(())
    }

    /// Starts what the newest view allows.
    fn follow(&self) {
        // Asked first: a pause after this is noticed by whatever comes next.
        if !self.membership.pulse().is_current() {
            return;
        }
        let view = self.membership.view();
        let mut shards = self.shards();
        let started = shards.follow(&view);
        let has_all = shards.has_all();
        drop(shards);
        if !started.is_empty() && has_all {
            let since = view.shards().iter().map(|(_, shard)| shard.since).max();
            self.custody.begin(Generation(since.unwrap_or_default()));
        }
    }

    fn asks(&self, view: &View) -> BTreeMap<Incarnation, Vec<ShardId>> {
        if !self.membership.pulse().is_current() {
            return BTreeMap::new();
        }
        self.shards().asks(view, self.began.elapsed())
    }

    /// An old owner has released these.
    pub(crate) fn heard(&self, released: Vec<(ShardId, Released)>) {
        self.shards().heard(released);
        self.heard.notify_one();
    }

    /// Releases those of these shards that the view has given to others, once nothing of this boot can come to them any more: a
    /// boot that loses one shard loses them all, so it seals its lanes itself. Empty: it still has some, or does not know better.
    ///
    /// # Errors
    /// [`StoreError`]: nothing is released yet; the new owner asks again.
    pub(crate) async fn release(
        &self,
        node: &Node,
        lanes: &dyn Lanes,
        shards: &[ShardId],
    ) -> Result<Vec<(ShardId, Released)>, StoreError> {
        let (me, view) = (self.membership.incarnation(), self.membership.view());
        let owns_some = view.shards().iter().any(|(_, shard)| shard.owner == Some(me));
        if owns_some || !self.membership.pulse().is_current() {
            return Ok(Vec::new());
        }
        let moved = self.shards().moved(&view, shards);
        self.custody.end();
        let left = node.drain(FINISH_WITHIN).await;
        if left > 0 {
            tracing::warn!(
                conversations = left,
                "some conversations did not finish before they were handed over"
            );
        }
        lanes.close().await?;
        let released = self.shards().release(&self.membership.view(), moved);
        tracing::info!(shards = released.len(), "released what another node has now");
        Ok(released)
    }

    fn shards(&self) -> MutexGuard<'_, ShardCustody> {
        self.shards.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
