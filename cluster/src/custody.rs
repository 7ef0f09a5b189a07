//! Custody of shards, as one boot has it: which shards it has started, which boots it waits for, and what it has released. Pure: views and
//! what peers say come in, what is to be done goes out; the [keeper](crate::keeper) does it.
//!
//! The order is what keeps two boots from writing in one shard: the old owner stops, lets what is in flight be settled, and says
//! that it has released; the new owner has the view say so, and only then it starts. An old owner that is out of the view is sealed
//! instead. Nothing here is done by a view that the node has not read since its last pause.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use store::Incarnation;

use crate::membership::{Released, Shard, ShardId, View};

#[cfg(test)]
mod tests;

/// How often an old owner is asked again: what it answered may be lost, and it may not know the view yet.
const ASK_EVERY: Duration = Duration::from_millis(500);

/// The custody of one boot.
#[derive(Debug)]
pub(crate) struct ShardCustody {
    me: Incarnation,
    /// Started, and not released.
    started: BTreeSet<ShardId>,
    /// What old owners said.
    released: BTreeMap<ShardId, Released>,
    /// The version of the view that was followed last.
    followed: u64,
    /// The shards that it gives to this boot while another one may append there.
    waiting: Vec<ShardId>,
    asked_at: Option<Duration>,
}

/// As the new owner.
impl ShardCustody {
    pub(crate) fn new(me: Incarnation) -> Self {
        Self {
            me,
            started: BTreeSet::new(),
            released: BTreeMap::new(),
            followed: 0,
            waiting: Vec::new(),
            asked_at: None,
        }
    }

    /// Follows a view: the shards that this boot starts now, each once until it is released.
    pub(crate) fn follow(&mut self, view: &View) -> Vec<ShardId> {
        if self.followed == view.version() {
            return Vec::new();
        }
        self.followed = view.version();
        self.waiting.clear();
        let mut starts = Vec::new();
        for (id, shard) in view.shards().iter().filter(|(_, shard)| shard.owner == Some(self.me)) {
            if view.may_start(id, self.me) && self.started.insert(id) {
                starts.push(id);
            }
            self.waiting.extend(shard.from.map(|_| id));
        }
        self.released.retain(|id, _| self.waiting.contains(id));
        starts
    }

    /// Whether another boot may still append in a shard of this one.
    pub(crate) fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Whether it has started every shard.
    pub(crate) fn has_all(&self) -> bool {
        ShardId::all().all(|shard| self.started.contains(&shard))
    }

    /// The members to ask now that they release shards, by the view that was followed; those who are out are sealed instead.
    pub(crate) fn asks(&mut self, view: &View, now: Duration) -> BTreeMap<Incarnation, Vec<ShardId>> {
        let mut asks: BTreeMap<Incarnation, Vec<ShardId>> = BTreeMap::new();
        if self.asked_at.is_some_and(|at| now.saturating_sub(at) < ASK_EVERY) {
            return asks;
        }
        for &id in &self.waiting {
            let Shard { from, since, .. } = view.shards()[id];
            // What it has released for this ownership it need not be asked for.
            let is_asked = |by: &Incarnation| {
                view.member(*by).is_some() && self.released.get(&id) != Some(&Released { by: *by, since })
            };
            if let Some(from) = from.filter(is_asked) {
                asks.entry(from).or_default().push(id);
            }
        }
        self.asked_at = (!asks.is_empty()).then_some(now);
        asks
    }

    /// An old owner has released these.
    pub(crate) fn heard(&mut self, shards: impl IntoIterator<Item = (ShardId, Released)>) {
        self.released.extend(shards);
    }

    /// Has the view say that nobody else may append in shards of this boot. Says whether it changed anything: one that was
    /// released for an older ownership stays as it is.
    pub(crate) fn clear(&self, view: &mut View) -> bool {
        let cleared =
            |changed, id: &ShardId| view.clear_from(*id, self.me, self.released.get(id).copied()) | changed;
        self.waiting.iter().fold(false, cleared)
    }
}

/// As the old owner.
impl ShardCustody {
    /// Which of these the view has given to others. The caller stops taking requests for them, and lets what is in flight be settled.
    pub(crate) fn moved(&self, view: &View, shards: &[ShardId]) -> Vec<(ShardId, Released)> {
        let is_moved = |id: &&ShardId| view.shards()[**id].owner != Some(self.me);
        let released = |id: &ShardId| (*id, Released { by: self.me, since: view.shards()[*id].since });
        shards.iter().filter(is_moved).map(released).collect()
    }

    /// What was settled is released from now on: this boot appends nothing there any more, and the new owner may be told. What the
    /// newest view has given back, or on, is left out.
    pub(crate) fn release(
        &mut self,
        view: &View,
        settled: Vec<(ShardId, Released)>,
    ) -> Vec<(ShardId, Released)> {
        let still = |(id, released): &(ShardId, Released)| {
            let now = view.shards()[*id];
            now.owner != Some(self.me) && now.since == released.since
        };
        let released: Vec<_> = settled.into_iter().filter(still).collect();
        for (id, _) in &released {
            self.started.remove(id);
        }
        released
    }
}
