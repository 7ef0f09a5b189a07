//! The real rules of custody on one node of the model: asks the old owner for release, seals who is out, and starts what is cleared.

use std::sync::Arc;
use std::time::Duration;

use store::Incarnation;
use tokio::time::{Instant, sleep, timeout};

use super::super::document::{Released, View};
use super::super::handle::Membership;
use super::super::member::MemberState;
use super::super::shards::ShardId;
use super::control::UNAVAILABLE_AFTER;
use super::world::{Mail, World};
use crate::custody::ShardCustody;

const TURN_EVERY: Duration = Duration::from_millis(100);

/// Shards that are released when what is in flight is settled.
struct Stopping {
    asked_by: Incarnation,
    until: Instant,
    shards: Vec<(ShardId, Released)>,
}

pub(super) struct Custody {
    world: Arc<World>,
    slot: usize,
    me: Incarnation,
    membership: Membership,
    custody: ShardCustody,
    stopping: Vec<Stopping>,
}

impl Custody {
    pub(super) fn new(world: Arc<World>, slot: usize, membership: Membership) -> Self {
        let me = membership.incarnation();
        Self { world, slot, me, membership, custody: ShardCustody::new(me), stopping: Vec::new() }
    }

    /// Runs until its node is out.
    pub(super) async fn run(mut self) {
        let mut views = self.membership.views();
        loop {
            let is_idle = self.turn().await;
            let pause = if is_idle { TURN_EVERY * 10 } else { TURN_EVERY };
            drop(timeout(pause, views.changed()).await);
        }
    }

    /// Says whether nothing is left to do until the view changes, or mail comes.
    async fn turn(&mut self) -> bool {
        if !self.membership.pulse().is_current() {
            return false;
        }
        let inbox = {
            let mut state = self.world.state();
            let boot = state.boots.get_mut(&self.me);
            boot.map(|boot| std::mem::take(&mut boot.inbox)).unwrap_or_default()
        };
        for mail in inbox {
            self.receive(mail);
        }
        self.settle();
        let view = self.membership.view();
        self.start(&view);
        self.ask(&view);
        let is_changed = self.change(&view).await;
        self.leave(&view).await;
        let is_leaving = self.world.state().slots[self.slot].wants_out;
        let is_waiting = self.custody.is_waiting() || !self.stopping.is_empty();
        !is_waiting && !is_changed && view.unsealed().is_empty() && !is_leaving
    }

    fn receive(&mut self, mail: Mail) {
        match mail {
            Mail::Release { to, view, shards } => {
                let known = self.membership.view();
                if view.version() > known.version() {
                    self.membership.learn((*view).clone());
                }
                let view = self.membership.view();
                let shards = self.custody.moved(&view, &shards);
                // Mostly at once; now and then an append is on its way for long.
                let chance = &self.world.chance;
                let ms = if chance.chance(0.1) { chance.up_to(3_000) } else { chance.up_to(60) };
                let until = Instant::now() + Duration::from_millis(ms);
                self.stopping.push(Stopping { asked_by: to, until, shards });
            }
            Mail::Released { shards } => self.custody.heard(shards),
        }
    }

    /// Releases what has come to its end.
    fn settle(&mut self) {
        let now = Instant::now();
        let settled = self.stopping.extract_if(.., |stopping| stopping.until <= now);
        for Stopping { asked_by, shards, .. } in settled {
            let shards = self.custody.release(&self.membership.view(), shards);
            for (shard, _) in &shards {
                self.world.truth().release(*shard, self.me);
            }
            self.world.send(self.slot, asked_by, Mail::Released { shards });
        }
    }

    fn start(&mut self, view: &View) {
        for shard in self.custody.follow(view) {
            self.world.truth().start(shard, self.me);
        }
    }

    fn ask(&mut self, view: &Arc<View>) {
        for (from, shards) in self.custody.asks(view, self.world.began.elapsed()) {
            let release = Mail::Release { to: self.me, view: Arc::clone(view), shards };
            self.world.send(self.slot, from, release);
        }
    }

    /// Clears what may be cleared, and seals who is out. Says whether it had something to do.
    async fn change(&mut self, view: &View) -> bool {
        let clears = |view: &mut View| self.custody.clear(view);
        let mut is_changed = view.after(clears).is_some();
        if is_changed {
            drop(self.membership.change(clears).await);
        }
        let unsealed = view.unsealed();
        if !unsealed.is_empty() {
            is_changed = true;
            if self.seal(unsealed).await {
                drop(
                    self.membership
                        .change(|view| view.note_sealed(unsealed) | self.custody.clear(view))
                        .await,
                );
            }
        }
        is_changed
    }

    /// Says whether all are sealed.
    async fn seal(&self, boots: &[Incarnation]) -> bool {
        for &boot in boots {
            sleep(Duration::from_millis(1 + self.world.chance.up_to(300))).await;
            if self.world.control(self.slot).store().is_cut {
                sleep(UNAVAILABLE_AFTER).await;
                return false;
            }
            self.world.truth().seal(boot);
        }
        true
    }

    /// A node that has given everything away seals its own lanes and leaves.
    async fn leave(&self, view: &View) {
        let wants_out = self.world.state().slots[self.slot].wants_out;
        let Some(state) = view.member(self.me).map(|me| me.state).filter(|_| wants_out) else { return };
        let is_named = |(_, shard): (ShardId, &super::super::shards::Shard)| {
            shard.owner == Some(self.me) || shard.from == Some(self.me)
        };
        if state != MemberState::Draining {
            drop(self.membership.drain().await);
        } else if !view.shards().iter().any(is_named) && self.seal(&[self.me]).await {
            drop(self.membership.leave().await);
        }
    }
}
