//! Which members a node accuses, and whether it proposes an eviction: from what this one node observed, and nothing else. Pure: time is
//! handed in, counted from the node's start.
//!
//! An error here costs a pause, never an acknowledged message: an evicted member is sealed before anybody takes its place.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use store::Incarnation;

use super::document::{EvictedFor, View};
use super::heartbeat::{Accusation, Heartbeat, Reason};
use super::member::MemberState;
#[cfg(test)]
use super::mutant::{self, Mutant};
use super::timing::{
    ACCUSATION_VALID, COUNTER_EVICTION_EVERY, FIRST_PONG_WITHIN, HOLD_AFTER_LATE_TICK, LATE_TICK, MUTUAL_FOR,
    SILENT_AFTER, STANDING_AFTER, WATCH_GAP_MAX, WEDGED_AFTER,
};
use crate::name::NodeName;

#[cfg(test)]
mod tests;

/// That a member should be out of the view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// The member.
    pub of: Incarnation,
    /// Why.
    pub why: EvictedFor,
    /// [`View::counter_evictions`] as it was when this was proposed: by its counter nobody is evicted once it is another.
    pub counter_evictions: u64,
}

/// What a pong said when it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heard {
    /// When it came.
    pub at: Duration,
    /// How long before its main runtime had ticked.
    pub tick_age: Duration,
    /// How long before a heartbeat of its had passed; none: none did yet.
    pub heartbeat_age: Option<Duration>,
}

/// What one node observes of the others.
#[derive(Debug)]
pub struct Suspicion {
    me: Incarnation,
    peers: BTreeMap<Incarnation, Peer>,
    /// Nothing is accused before.
    held_until: Duration,
    heartbeats: Unbroken,
    readings: Unbroken,
    counter_evictions: u64,
    /// When their number changed last, or the node began to watch it.
    counter_eviction_at: Duration,
    /// Pairs that accuse each other, the lesser name first, and since when.
    mutual: BTreeMap<(Incarnation, Incarnation), Duration>,
}

#[derive(Debug)]
struct Peer {
    name: NodeName,
    is_joining: bool,
    first_seen: Duration,
    heard: Option<Heard>,
    counter: Option<u64>,
    /// When the counter was seen to change.
    counter_at: Duration,
    accuses: Vec<Accusation>,
}

/// Something that happens again and again: since when without a gap.
#[derive(Debug, Default)]
struct Unbroken {
    since: Option<Duration>,
    last: Duration,
}

impl Unbroken {
    fn happened(&mut self, now: Duration) {
        if self.since(now).is_none() {
            self.since = Some(now);
        }
        self.last = now;
    }

    /// None: it does not happen now.
    fn since(&self, now: Duration) -> Option<Duration> {
        let is_broken = now.saturating_sub(self.last) > WATCH_GAP_MAX;
        #[cfg(test)]
        let is_broken = is_broken && !mutant::is(Mutant::CountersNotAfresh);
        self.since.filter(|_| !is_broken)
    }
}

/// What is observed.
impl Suspicion {
    /// Of a node that has observed nothing yet.
    pub fn new(me: Incarnation, now: Duration) -> Self {
        Self {
            me,
            peers: BTreeMap::new(),
            held_until: now,
            heartbeats: Unbroken::default(),
            readings: Unbroken::default(),
            counter_evictions: 0,
            counter_eviction_at: now,
            mutual: BTreeMap::new(),
        }
    }

    /// A newer view was read: its members are watched, and nobody else.
    pub fn follow(&mut self, view: &View, now: Duration) {
        self.peers.retain(|incarnation, _| view.member(*incarnation).is_some());
        for member in view.members() {
            let peer = self.peers.entry(member.incarnation).or_insert_with(|| Peer {
                name: member.name.clone(),
                is_joining: true,
                first_seen: now,
                heard: None,
                counter: None,
                counter_at: now,
                accuses: Vec::new(),
            });
            peer.is_joining = member.state == MemberState::Joining;
        }
        if view.counter_evictions() != self.counter_evictions {
            self.counter_evictions = view.counter_evictions();
            self.counter_eviction_at = now;
        }
    }

    /// The node itself ticked, so much later than it should have.
    pub fn ticked(&mut self, late: Duration, now: Duration) {
        if late > LATE_TICK {
            self.held_until = now + HOLD_AFTER_LATE_TICK;
        }
    }

    /// The last pong of a peer.
    pub fn heard(&mut self, of: Incarnation, pong: Heard) {
        // A peer that cannot serve does not live, whatever answers for it.
        if pong.tick_age < WEDGED_AFTER
            && let Some(peer) = self.peers.get_mut(&of)
        {
            peer.heard = Some(pong);
        }
    }

    /// A heartbeat of the node itself passed.
    pub fn heartbeat_passed(&mut self, now: Duration) {
        self.heartbeats.happened(now);
    }

    /// The heartbeats were read. What the first reading after a gap finds may have been written long before: it counts as soon as
    /// it is seen to be renewed.
    pub fn read(&mut self, heartbeats: &[Heartbeat], now: Duration) {
        let is_watched = self.readings.since(now).is_some();
        self.readings.happened(now);
        for heartbeat in heartbeats {
            let Some(peer) = self.peers.get_mut(&heartbeat.incarnation) else { continue };
            if peer.counter == Some(heartbeat.counter) {
                continue;
            }
            let is_renewed = is_watched && peer.counter.is_some();
            peer.accuses = if is_renewed { heartbeat.accuses.clone() } else { Vec::new() };
            peer.counter = Some(heartbeat.counter);
            peer.counter_at = now;
        }
    }
}

/// What follows from it.
impl Suspicion {
    /// Whether pongs come from every other member.
    pub fn reaches_all(&self, now: Duration) -> bool {
        let heard_lately =
            |peer: &Peer| peer.heard.is_some_and(|heard| now.saturating_sub(heard.at) <= SILENT_AFTER);
        self.others().all(|(_, peer)| heard_lately(peer))
    }

    /// The members that the node accuses now.
    pub fn accuses(&self, now: Duration) -> Vec<Accusation> {
        if self.is_held(now) {
            return Vec::new();
        }
        let reason = |peer: &Peer| {
            let silent = self.accuses_silence(peer, now).then_some(Reason::Silent);
            silent.or_else(|| self.stands(peer, now).then_some(Reason::Standing))
        };
        let accused = self.others().filter_map(|(of, peer)| Some((*of, reason(peer)?)));
        accused.map(|(of, reason)| Accusation { of, reason }).collect()
    }

    /// The member that the node would evict now: the one with the most accusers, then the greater name, so that all nodes that
    /// observe the same evict the same one.
    pub fn proposes(&mut self, now: Duration) -> Option<Proposal> {
        let own = self.accuses(now);
        if own.is_empty() && self.peers.values().all(|peer| peer.accuses.is_empty()) {
            self.mutual.clear();
            return None;
        }
        let counted = self.counted(own, now);
        self.note_mutual(&counted, now);
        if self.is_held(now) {
            return None;
        }
        let mut accused: Vec<(&Incarnation, &Peer)> =
            self.others().filter(|(of, _)| !accusers(&counted, **of).is_empty()).collect();
        accused.sort_by_key(|(of, peer)| (accusers(&counted, **of).len(), &peer.name));
        let proposal = |(of, peer): (&Incarnation, &Peer)| {
            let why = self.verdict(*of, peer, &counted, now)?;
            Some(Proposal { of: *of, why, counter_evictions: self.counter_evictions })
        };
        accused.into_iter().rev().find_map(proposal)
    }

    fn verdict(&self, of: Incarnation, peer: &Peer, counted: &Counted, now: Duration) -> Option<EvictedFor> {
        let silent_for = counted.values().flatten();
        let silent_for = silent_for.filter(|accusation| accusation.of == of);
        let silent_for = silent_for.filter(|accusation| accusation.reason == Reason::Silent).count();
        let is_one_of_two = self.peers.len() == 2;
        if silent_for >= 2 || (silent_for == 1 && is_one_of_two) || self.is_parted(of, counted, now) {
            return Some(EvictedFor::Silence);
        }
        // The node that sees the counter stand is one accuser by that.
        let is_limited = now.saturating_sub(self.counter_eviction_at) < COUNTER_EVICTION_EVERY;
        #[cfg(test)]
        let is_limited = is_limited && !mutant::is(Mutant::CounterEvictionsUnlimited);
        (self.stands(peer, now) && !is_limited).then_some(EvictedFor::Counter)
    }

    /// Whether the silence of a peer is held against it. A node that joins and never heard a settled member may have the wrong
    /// secret or no way to it: that member leaves by its counter, or by the accusations of others.
    fn accuses_silence(&self, peer: &Peer, now: Duration) -> bool {
        let is_joining = self.peers.get(&self.me).is_some_and(|me| me.is_joining);
        let knows_nothing = peer.heard.is_none() && is_joining && !peer.is_joining;
        is_silent(peer, now) && !knows_nothing
    }

    fn others(&self) -> impl Iterator<Item = (&Incarnation, &Peer)> {
        self.peers.iter().filter(|(of, _)| **of != self.me)
    }

    fn is_held(&self, now: Duration) -> bool {
        #[cfg(test)]
        if mutant::is(Mutant::LateTickAccuses) {
            return false;
        }
        now < self.held_until
    }

    /// Whether the counter stood still for long, while the node's own heartbeats passed and it read the others'.
    fn stands(&self, peer: &Peer, now: Duration) -> bool {
        let (Some(passing), Some(reading)) = (self.heartbeats.since(now), self.readings.since(now)) else {
            return false;
        };
        let since = peer.counter_at.max(passing).max(reading);
        // A peer that says that its heartbeats pass is believed: then it is the reading that fails.
        let says_it_passes = peer.heard.filter(|_| !is_silent(peer, now)).is_some_and(|heard| {
            let age = heard.heartbeat_age.map(|age| age + now.saturating_sub(heard.at));
            age.is_some_and(|age| age < STANDING_AFTER)
        });
        now.saturating_sub(since) >= STANDING_AFTER && !says_it_passes
    }

    /// The accusations that count, by accuser. A joining member does not know yet who can be reached: its accusations count only
    /// when it accuses every member that is not joining, since otherwise nobody could evict those.
    fn counted(&self, own: Vec<Accusation>, now: Duration) -> Counted {
        let mut counted: Counted = BTreeMap::new();
        for (accuser, peer) in &self.peers {
            let is_valid = now.saturating_sub(peer.counter_at) <= ACCUSATION_VALID;
            #[cfg(test)]
            let is_valid = is_valid || mutant::is(Mutant::AccusationForEver);
            let accuses = if *accuser == self.me {
                own.clone()
            } else if is_valid {
                peer.accuses.clone()
            } else {
                Vec::new()
            };
            let is_accused = |of: &Incarnation| accuses.iter().any(|accusation| accusation.of == *of);
            let mut settled = self.peers.iter().filter(|(_, peer)| !peer.is_joining);
            if !peer.is_joining || settled.all(|(of, _)| is_accused(of)) {
                counted.insert(*accuser, accuses);
            }
        }
        counted
    }

    fn note_mutual(&mut self, counted: &Counted, now: Duration) {
        let mut pairs = BTreeSet::new();
        for (one, accuses) in counted {
            for Accusation { of: other, .. } in accuses {
                if accusers(counted, *one).contains(other) {
                    pairs.insert(self.by_name(*one, *other));
                }
            }
        }
        self.mutual.retain(|pair, _| pairs.contains(pair));
        for pair in pairs {
            self.mutual.entry(pair).or_insert(now);
        }
    }

    /// Whether the member and one of a lesser name have accused each other for long, and nobody else accuses either of them.
    fn is_parted(&self, of: Incarnation, counted: &Counted, now: Duration) -> bool {
        let pairs = self.mutual.iter().filter(|((_, greater), _)| *greater == of);
        let mut long = pairs.filter(|(_, since)| now.saturating_sub(**since) >= MUTUAL_FOR);
        long.any(|((lesser, greater), _)| {
            accusers(counted, *greater).len() == 1 && accusers(counted, *lesser).len() == 1
        })
    }

    fn by_name(&self, one: Incarnation, other: Incarnation) -> (Incarnation, Incarnation) {
        let name = |of: &Incarnation| self.peers.get(of).map(|peer| &peer.name);
        if name(&one) <= name(&other) { (one, other) } else { (other, one) }
    }
}

/// The accusations that count, by accuser.
type Counted = BTreeMap<Incarnation, Vec<Accusation>>;

fn accusers(counted: &Counted, of: Incarnation) -> BTreeSet<Incarnation> {
    let accuse = counted.iter().filter(|(_, accuses)| accuses.iter().any(|accusation| accusation.of == of));
    accuse.map(|(accuser, _)| *accuser).collect()
}

fn is_silent(peer: &Peer, now: Duration) -> bool {
    match peer.heard {
        Some(heard) => now.saturating_sub(heard.at) > SILENT_AFTER,
        None => now.saturating_sub(peer.first_seen) > FIRST_PONG_WITHIN,
    }
}
