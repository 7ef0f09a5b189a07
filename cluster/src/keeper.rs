//! Custody as long as one node has all of it: seals boots that are out of the view, and begins this node's custody once every
//! shard is its own and nobody else may append there.

use actors::Custody;
use store::{Generation, Store, StoreError};
use tokio::time::timeout;

use crate::membership::timing::READ_EVERY;
use crate::membership::{Membership, ShardId, View};

/// Keeps one boot's custody.
pub(crate) struct Keeper {
    store: Store,
    membership: Membership,
    custody: Custody,
}

impl Keeper {
    pub(crate) fn new(store: Store, membership: Membership, custody: Custody) -> Self {
        Self { store, membership, custody }
    }

    /// Runs until this boot has custody, and goes on to seal others; ends when the boot is out. `begun` is called once, when
    /// custody begins.
    pub(crate) async fn run(self, begun: impl FnOnce()) {
        let mut begun = Some(begun);
        let (mut views, mut out) = (self.membership.views(), self.membership.out());
        let turns = async {
            loop {
                match self.turn().await {
                    Ok(()) => {}
                    Err(error) => tracing::debug!(%error, "custody goes on later"),
                }
                if let Some(generation) = self.custody.generation()
                    && let Some(begun) = begun.take()
                {
                    tracing::debug!(generation = generation.0, "this node has custody of all conversations");
                    begun();
                }
                // At the latest when the view is read again: a pause may have passed, or the store be back.
                drop(timeout(READ_EVERY, views.changed()).await);
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
        let (me, view) = (self.membership.incarnation(), self.membership.view());
        let unsealed = view.unsealed();
        for &boot in unsealed {
            self.store.log.seal(boot).await?;
            tracing::info!(boot = %boot.0, "sealed the lanes of a boot that is out of the view");
        }
        let clears = |view: &mut View| view.note_sealed(unsealed) | view.clear_ended(me);
        let view = match view.after(clears) {
            None => view,
            Some(_) => self.membership.change(clears).await?,
        };
        let has_all = ShardId::all().all(|shard| view.may_start(shard, me));
        if has_all && self.custody.generation().is_none() && self.membership.pulse().is_current() {
            let since = view.shards().iter().map(|(_, shard)| shard.since).max();
            self.custody.begin(Generation(since.unwrap_or_default()));
        }
        Ok(())
    }
}
