//! The agreed view: which boots are members, and which of them owns each shard. One document, changed by compare-and-set; its
//! changes are pure, each says whether it changed anything, and none does again what is done.
//!
//! Who may append in a shard follows from it: while `from` is set, that boot alone; then the owner alone. A boot that is out of
//! the view may append until it is sealed, so it stays in `unsealed` until that is known. So no clock and no message decides
//! who may write, and the log of a shard never has two writers.

use serde::{Deserialize, Serialize};
use store::{Document, Incarnation, RecordKind};

use super::member::{Member, MemberState};
use super::placement::{self, Spread};
use super::shards::{Shard, ShardId, Shards};

#[cfg(test)]
use super::mutant::{self, Mutant};
#[cfg(test)]
mod tests;

/// The one record's id.
pub(super) const ID: &str = "view";

/// Why a member is evicted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EvictedFor {
    /// Its peers get no pongs.
    Silence,
    /// Its counter stands.
    Counter,
}

/// A shard's old owner has released it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Released {
    /// The old owner.
    pub by: Incarnation,
    /// [`Shard::since`] of the ownership for which it released: after an earlier one it may have started again.
    pub since: u64,
}

/// The agreed view of the cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct View {
    version: u64,
    level: u32,
    members: Vec<Member>,
    shards: Shards,
    unsealed: Vec<Incarnation>,
    counter_evictions: u64,
}

impl Document for View {
    const KIND: RecordKind = RecordKind::View;

    fn id(&self) -> String {
        ID.to_owned()
    }
}

/// What it says.
impl View {
    /// One more with each change: two views of one version are the same.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// The newest formats that every member reads.
    pub fn level(&self) -> u32 {
        self.level
    }

    /// The members, by name.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// The member that is this boot.
    pub fn member(&self, incarnation: Incarnation) -> Option<&Member> {
        self.members.iter().find(|member| member.incarnation == incarnation)
    }

    /// Who owns which shard.
    pub fn shards(&self) -> &Shards {
        &self.shards
    }

    /// Boots that are out of the view and whose lanes are not known to be sealed.
    pub fn unsealed(&self) -> &[Incarnation] {
        &self.unsealed
    }

    /// How many members were ever evicted by their counter: how it changes is what each node watches.
    pub fn counter_evictions(&self) -> u64 {
        self.counter_evictions
    }

    /// Whether the boot may start what lives in the shard.
    pub fn may_start(&self, shard: ShardId, incarnation: Incarnation) -> bool {
        let Shard { owner, from, .. } = self.shards[shard];
        #[cfg(test)]
        let from = from.filter(|_| !mutant::is(Mutant::StartBeforeCleared));
        owner == Some(incarnation) && from.is_none()
    }

    /// Whether nothing can be appended by the boot any more: it left, or was evicted and sealed.
    pub fn is_ended(&self, incarnation: Incarnation) -> bool {
        self.member(incarnation).is_none() && !self.unsealed.contains(&incarnation)
    }

    fn member_mut(&mut self, incarnation: Incarnation) -> Option<&mut Member> {
        self.members.iter_mut().find(|member| member.incarnation == incarnation)
    }
}

/// How it changes. Each says whether it changed anything.
impl View {
    /// The view after `change`, one version later; none when it changed nothing.
    pub fn after(&self, change: impl FnOnce(&mut Self) -> bool) -> Option<Self> {
        let mut next = self.clone();
        change(&mut next).then(|| {
            next.version += 1;
            next
        })
    }

    /// The boot becomes a member without shards. An older boot of its name is out, and to be sealed; shards name it still. A boot
    /// that is out of the view and not sealed stays out.
    pub fn join(&mut self, member: Member) -> bool {
        if self.member(member.incarnation).is_some() || self.unsealed.contains(&member.incarnation) {
            return false;
        }
        let member = Member { state: MemberState::Joining, ..member };
        match self.members.binary_search_by(|other| other.name.cmp(&member.name)) {
            Ok(at) => {
                let older = std::mem::replace(&mut self.members[at], member);
                self.unsealed.push(older.incarnation);
            }
            Err(at) => self.members.insert(at, member),
        }
        self.set_level();
        true
    }

    /// A member that was joining takes shards from now on.
    pub fn come_up(&mut self, incarnation: Incarnation) -> bool {
        let joining = self.member_mut(incarnation).filter(|member| member.state == MemberState::Joining);
        joining.map(|member| member.state = MemberState::Up).is_some()
    }

    /// As [`View::join`]; the one member is up at once. A member that nobody reaches is out: a cluster does not stand beside it.
    pub fn enter(&mut self, member: Member) -> bool {
        let incarnation = member.incarnation;
        if !self.join(member) {
            return false;
        }
        let unreached =
            self.members.iter().filter(|other| other.is_alone() && other.incarnation != incarnation);
        let unreached: Vec<Incarnation> = unreached.map(|other| other.incarnation).collect();
        for other in unreached {
            self.evict(other, EvictedFor::Silence);
        }
        if self.members.len() == 1 {
            self.come_up(incarnation);
        }
        true
    }

    /// As [`View::enter`], as the one member, with all shards: all others are out, and to be sealed.
    pub fn enter_alone(&mut self, member: Member) -> bool {
        let others = self.members.iter().filter(|other| other.name != member.name);
        let others: Vec<Incarnation> = others.map(|other| other.incarnation).collect();
        let mut alone = self.clone();
        for other in others {
            alone.evict(other, EvictedFor::Silence);
        }
        let is_changed = alone.enter(member);
        if is_changed {
            alone.hand_out(Spread::One);
            *self = alone;
        }
        is_changed
    }

    /// The member gives its shards away.
    pub fn drain(&mut self, incarnation: Incarnation) -> bool {
        let staying = self.member_mut(incarnation).filter(|member| member.state != MemberState::Draining);
        staying.map(|member| member.state = MemberState::Draining).is_some()
    }

    /// The boot is out, and has sealed its lanes itself, or never opened them.
    pub fn leave(&mut self, incarnation: Incarnation) -> bool {
        let before = self.members.len();
        self.members.retain(|member| member.incarnation != incarnation);
        self.set_level();
        self.members.len() != before
    }

    /// The boot is out, and is to be sealed.
    pub fn evict(&mut self, incarnation: Incarnation, why: EvictedFor) -> bool {
        if !self.leave(incarnation) {
            return false;
        }
        self.unsealed.push(incarnation);
        self.counter_evictions += u64::from(why == EvictedFor::Counter);
        true
    }

    /// These boots are sealed.
    pub fn note_sealed(&mut self, sealed: &[Incarnation]) -> bool {
        let before = self.unsealed.len();
        self.unsealed.retain(|boot| !sealed.contains(boot));
        self.unsealed.len() != before
    }

    /// The owner `by` may start in the shard: the boot that could append there `released` it, or is out of the view and sealed.
    pub fn clear_from(&mut self, shard: ShardId, by: Incarnation, released: Option<Released>) -> bool {
        let Shard { owner, from: Some(from), since } = self.shards[shard] else { return false };
        let is_over = released == Some(Released { by: from, since }) || self.is_ended(from);
        #[cfg(test)]
        let is_over = is_over || (mutant::is(Mutant::ClearedUnsealed) && self.member(from).is_none());
        if owner != Some(by) || !is_over {
            return false;
        }
        self.shards.get_mut(shard).from = None;
        true
    }

    /// Spreads the shards over members that are up, within one of each other, moving as few as possible.
    pub fn hand_out(&mut self, spread: Spread) -> bool {
        let up = self.members.iter().filter(|member| member.state == MemberState::Up);
        let up = up.map(|member| member.incarnation).collect();
        let takers = placement::takers(&self.shards, up, spread);
        let moves = placement::moves(&self.shards, &takers);
        for &(shard, to) in &moves {
            self.give(shard, to);
        }
        !moves.is_empty()
    }

    /// A shard that was not cleared yet waits for the boot that it waited for alone: the owner in the middle never started.
    fn give(&mut self, id: ShardId, to: Incarnation) {
        let shard = self.shards[id];
        let from = shard.from.or(shard.owner);
        #[cfg(test)]
        let from = if mutant::is(Mutant::WaitsForMiddle) { shard.owner } else { from };
        // Given back to the boot that alone may append there, it waits for nobody.
        let from = from.filter(|from| *from != to && !self.is_ended(*from));
        *self.shards.get_mut(id) = Shard { owner: Some(to), from, since: self.version + 1 };
    }

    /// Without members it stays what it was.
    fn set_level(&mut self) {
        if let Some(least) = self.members.iter().map(|member| member.level).min() {
            self.level = least;
        }
    }
}
