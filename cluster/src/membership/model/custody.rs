//! Custody of shards, as a node will have it: asks the old owner for release, seals who is out, and starts what is cleared.

use std::collections::{BTreeMap, BTreeSet};
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
    started: BTreeSet<ShardId>,
    stopping: Vec<Stopping>,
    released: BTreeMap<ShardId, Released>,
    asked_at: Option<Instant>,
    /// The version for which all that may be started was, and the shards that it gave to this boot while another may append.
    followed: (u64, Vec<ShardId>),
}

impl Custody {
    pub(super) fn new(world: Arc<World>, slot: usize, membership: Membership) -> Self {
        let me = membership.incarnation();
        Self {
            world,
            slot,
            me,
            membership,
            started: BTreeSet::new(),
            stopping: Vec::new(),
            released: BTreeMap::new(),
            asked_at: None,
            followed: (0, Vec::new()),
        }
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
        let is_waiting = !self.followed.1.is_empty() || !self.stopping.is_empty();
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
                let moved = |shard: &ShardId| view.shards()[*shard].owner != Some(self.me);
                let released =
                    |shard: ShardId| (shard, Released { by: self.me, since: view.shards()[shard].since });
                let shards: Vec<_> = shards.into_iter().filter(moved).map(released).collect();
                // Mostly at once; now and then an append is on its way for long.
                let chance = &self.world.chance;
                let ms = if chance.chance(0.1) { chance.up_to(3_000) } else { chance.up_to(60) };
                let until = Instant::now() + Duration::from_millis(ms);
                self.stopping.push(Stopping { asked_by: to, until, shards });
            }
            Mail::Released { shards } => self.released.extend(shards),
        }
    }

    /// Releases what has come to its end.
    fn settle(&mut self) {
        let now = Instant::now();
        let settled = self.stopping.extract_if(.., |stopping| stopping.until <= now);
        for Stopping { asked_by, shards, .. } in settled {
            // It may have got a shard back meanwhile.
            let view = self.membership.view();
            let still = |(shard, released): &(ShardId, Released)| {
                let now = view.shards()[*shard];
                now.owner != Some(self.me) && now.since == released.since
            };
            let shards: Vec<_> = shards.into_iter().filter(still).collect();
            for (shard, _) in &shards {
                self.started.remove(shard);
                self.world.truth().release(*shard, self.me);
            }
            self.world.send(self.slot, asked_by, Mail::Released { shards });
        }
    }

    fn start(&mut self, view: &View) {
        if self.followed.0 == view.version() {
            return;
        }
        let mut waiting = Vec::new();
        for (id, shard) in view.shards().iter().filter(|(_, shard)| shard.owner == Some(self.me)) {
            if view.may_start(id, self.me) && self.started.insert(id) {
                self.world.truth().start(id, self.me);
            }
            waiting.extend(shard.from.map(|_| id));
        }
        self.followed = (view.version(), waiting);
    }

    /// Asks who may still append to release, again and again.
    fn ask(&mut self, view: &Arc<View>) {
        if self.asked_at.is_some_and(|at| at.elapsed() < Duration::from_millis(500)) {
            return;
        }
        let mut asked: BTreeMap<Incarnation, Vec<ShardId>> = BTreeMap::new();
        for &id in &self.followed.1 {
            let from = view.shards()[id].from.filter(|from| view.member(*from).is_some());
            if let Some(from) = from {
                asked.entry(from).or_default().push(id);
            }
        }
        self.asked_at = (!asked.is_empty()).then(Instant::now);
        for (from, shards) in asked {
            let release = Mail::Release { to: self.me, view: Arc::clone(view), shards };
            self.world.send(self.slot, from, release);
        }
    }

    /// Clears what may be cleared, and seals who is out. Says whether it had something to do.
    async fn change(&mut self, view: &View) -> bool {
        let (me, waiting) = (self.me, &self.followed.1);
        let clears = |view: &mut View| {
            waiting.iter().fold(false, |changed, shard| {
                view.clear_from(*shard, me, self.released.get(shard).copied()) | changed
            })
        };
        let is_over = |shard: &ShardId| {
            let from = view.shards()[*shard].from;
            from.is_some_and(|from| view.member(from).is_none()) || self.released.contains_key(shard)
        };
        let mut is_changed = waiting.iter().any(is_over) && view.after(clears).is_some();
        if is_changed {
            drop(self.membership.change(clears).await);
        }
        let unsealed = view.unsealed();
        if !unsealed.is_empty() {
            is_changed = true;
            if self.seal(unsealed).await {
                drop(self.membership.change(|view| view.note_sealed(unsealed) | view.clear_ended(me)).await);
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
