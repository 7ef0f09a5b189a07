//! Which members a node accuses and evicts, rule by rule. Times are in milliseconds since the node's start.

use uuid::Uuid;

use super::*;
use crate::membership::member::Member;
use crate::protocol::ProtocolRange;

fn boot(n: u8) -> Incarnation {
    Incarnation(Uuid::from_bytes([n; 16]))
}

fn name(n: u8) -> NodeName {
    NodeName::parse(&format!("node-{n}")).unwrap()
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn silent(n: u8) -> Accusation {
    Accusation { of: boot(n), reason: Reason::Silent }
}

fn standing(n: u8) -> Accusation {
    Accusation { of: boot(n), reason: Reason::Standing }
}

fn evicts(n: u8, why: EvictedFor) -> Option<(Incarnation, EvictedFor)> {
    Some((boot(n), why))
}

/// Node 1 of some: what it observes, second by second or finer.
struct Node {
    suspicion: Suspicion,
    view: View,
    /// What each of the others writes: a heartbeat with these accusations; one that is missing writes none.
    writes: BTreeMap<u8, Vec<Accusation>>,
    counters: BTreeMap<u8, u64>,
    /// Who answers pings.
    answers: BTreeSet<u8>,
    /// Whether node 1's own heartbeats pass and it reads the others'.
    reaches_store: bool,
    now: u64,
}

impl Node {
    /// Of so many nodes, all of which live for two seconds.
    fn of(nodes: u8) -> Self {
        let mut view = View::default();
        for n in 1..=nodes {
            let protocol = ProtocolRange::OURS;
            let state = MemberState::Joining;
            view.enter(Member {
                name: name(n),
                incarnation: boot(n),
                address: format!("10.0.0.{n}:4000"),
                state,
                protocol,
                level: 1,
            });
            view.come_up(boot(n));
        }
        let mut node = Self {
            suspicion: Suspicion::new(boot(1), Duration::ZERO),
            view,
            writes: (2..=nodes).map(|n| (n, Vec::new())).collect(),
            counters: BTreeMap::new(),
            answers: (2..=nodes).collect(),
            reaches_store: true,
            now: 0,
        };
        // Long enough that the first eviction by a counter is allowed.
        assert_eq!(node.until(12_000), None);
        node
    }

    /// Lets time pass until node 1 proposes something, at most until then.
    fn until(&mut self, end: u64) -> Option<(Incarnation, EvictedFor)> {
        while self.now < end {
            if let Some(proposal) = self.step() {
                return Some(proposal);
            }
        }
        None
    }

    fn step(&mut self) -> Option<(Incarnation, EvictedFor)> {
        self.now += 200;
        let now = ms(self.now);
        self.suspicion.follow(&self.view, now);
        if self.now.is_multiple_of(400) {
            let pong = Heard { at: now, tick_age: ms(100), heartbeat_age: None };
            self.answers.iter().for_each(|n| self.suspicion.heard(boot(*n), pong));
        }
        if self.now.is_multiple_of(1_000) && self.reaches_store {
            self.suspicion.heartbeat_passed(now);
            for (n, accuses) in &self.writes {
                let counter = self.counters.entry(*n).or_default();
                *counter += 1;
                let heartbeat = Heartbeat {
                    name: name(*n),
                    incarnation: boot(*n),
                    counter: *counter,
                    accuses: accuses.clone(),
                    linked: Vec::new(),
                };
                self.suspicion.read(&[heartbeat], now);
            }
            self.suspicion.read(&[], now);
        }
        self.suspicion.ticked(Duration::ZERO, now);
        let proposal = self.suspicion.proposes(now)?;
        assert_eq!(proposal.counter_evictions, self.view.counter_evictions());
        Some((proposal.of, proposal.why))
    }

    fn accuses(&self) -> Vec<Accusation> {
        self.suspicion.accuses(ms(self.now))
    }

    fn dies(&mut self, n: u8) {
        self.answers.remove(&n);
        self.writes.remove(&n);
    }
}

#[test]
fn a_node_that_joins_and_never_heard_a_settled_member_accuses_it_by_its_counter_alone() {
    let mut node = Node::of(2);
    node.now += 200;
    // Node 1 as it has just joined, with the wrong secret.
    node.suspicion = Suspicion::new(boot(1), ms(node.now));
    node.view.leave(boot(1));
    let joining = Member { name: name(1), incarnation: boot(1), ..node.view.members()[0].clone() };
    node.view.enter(joining);
    node.answers.clear();
    assert_eq!(node.until(30_000), None);
    assert_eq!(node.accuses(), []);
    // Once node 2 writes no heartbeats any more, it is dead for a node that joins.
    node.dies(2);
    assert_eq!(node.until(38_000), evicts(2, EvictedFor::Counter));
    // Two that join, and never heard each other, are parted.
    let mut node = Node::of(2);
    node.now += 200;
    node.suspicion = Suspicion::new(boot(1), ms(node.now));
    let settled = std::mem::take(&mut node.view);
    for member in settled.members() {
        node.view.join(member.clone());
    }
    node.answers.clear();
    assert_eq!(node.until(node.now + 8_000), evicts(2, EvictedFor::Silence));
}

#[test]
fn a_silent_member_is_accused_after_1_6_s_and_evicted_by_two() {
    let mut node = Node::of(3);
    node.dies(3);
    assert_eq!(node.until(13_600), None);
    assert_eq!(node.accuses(), []);
    node.step();
    assert_eq!(node.accuses(), [silent(3)]);
    assert_eq!(node.until(13_900), None, "one accuser of three");
    node.writes.insert(2, vec![silent(3)]);
    assert_eq!(node.until(15_000), evicts(3, EvictedFor::Silence));
}

#[test]
fn one_accuser_suffices_when_two_are_left() {
    let mut node = Node::of(2);
    node.dies(2);
    assert_eq!(node.until(20_000), evicts(2, EvictedFor::Silence));
    assert_eq!(node.now, 13_800);
}

#[test]
fn one_accuser_evicts_a_member_whose_counter_stands() {
    let mut node = Node::of(4);
    node.dies(4);
    node.dies(3);
    assert_eq!(node.until(30_000), evicts(4, EvictedFor::Counter));
    assert_eq!(node.now, 18_000);
    // One by one.
    node.view.evict(boot(4), EvictedFor::Counter);
    assert_eq!(node.until(40_000), evicts(3, EvictedFor::Counter));
    assert_eq!(node.now, 18_200 + 10_000);
}

#[test]
fn a_counter_stands_only_while_own_heartbeats_pass() {
    let mut node = Node::of(3);
    node.reaches_store = false;
    assert_eq!(node.until(30_000), None);
    // The store is back; those whose counters move later are not evicted for what was before.
    node.reaches_store = true;
    node.writes.clear();
    assert_eq!(node.until(36_800), None);
    assert_eq!(node.accuses(), []);
    assert_eq!(node.until(40_000), evicts(3, EvictedFor::Counter));
    assert_eq!(node.now, 37_000);
}

#[test]
fn a_member_that_says_its_heartbeats_pass_is_believed() {
    let mut node = Node::of(2);
    node.writes.clear();
    while node.now < 30_000 {
        let pong = Heard { at: ms(node.now), tick_age: ms(100), heartbeat_age: Some(ms(900)) };
        node.answers.clear();
        node.suspicion.heard(boot(2), pong);
        assert_eq!(node.step(), None);
    }
    node.answers.insert(2);
    assert_eq!(node.until(30_800), evicts(2, EvictedFor::Counter));
}

#[test]
fn a_wedged_member_is_silent_whatever_answers_for_it() {
    let mut node = Node::of(2);
    node.answers.clear();
    for _ in 0..20 {
        let pong = Heard { at: ms(node.now), tick_age: ms(3_000), heartbeat_age: None };
        node.suspicion.heard(boot(2), pong);
        if node.step().is_some() {
            return;
        }
    }
    panic!("it is a member still");
}

#[test]
fn of_a_pair_that_accuses_each_other_the_greater_name_leaves_after_5_s() {
    for is_one_of_them in [true, false] {
        let mut node = Node::of(3);
        if is_one_of_them {
            // Node 1 and node 3 are parted.
            node.answers.remove(&3);
            node.writes.insert(3, vec![silent(1)]);
        } else {
            // Node 1 looks on.
            node.writes.insert(2, vec![silent(3)]);
            node.writes.insert(3, vec![silent(2)]);
        }
        assert_eq!(node.until(17_800), None, "{is_one_of_them}");
        assert_eq!(node.until(19_000), evicts(3, EvictedFor::Silence), "{is_one_of_them}");
    }
}

#[test]
fn a_mutual_accusation_that_somebody_shares_is_no_parting() {
    let mut node = Node::of(4);
    node.writes.insert(2, vec![silent(3)]);
    node.writes.insert(3, vec![silent(2)]);
    node.writes.insert(4, vec![silent(2)]);
    // The lesser name has two accusers.
    assert_eq!(node.until(13_000), evicts(2, EvictedFor::Silence));
}

#[test]
fn of_two_halves_the_one_with_fewer_accusers_stays() {
    let mut node = Node::of(5);
    for n in [3, 4, 5] {
        node.answers.remove(&n);
        node.writes.insert(n, vec![silent(1), silent(2)]);
    }
    node.writes.insert(2, vec![silent(3), silent(4), silent(5)]);
    // Node 1 does not evict itself; the other one that three accuse comes first.
    assert_eq!(node.until(14_000), evicts(2, EvictedFor::Silence));
}

#[test]
fn an_accusation_that_is_not_renewed_counts_for_3_s() {
    let mut node = Node::of(4);
    node.writes.insert(2, vec![silent(4)]);
    assert_eq!(node.until(13_000), None);
    // Node 2 falls silent itself; later another one accuses.
    node.writes.remove(&2);
    assert_eq!(node.until(16_200), None);
    node.writes.insert(3, vec![silent(4)]);
    assert_eq!(node.until(18_000), None, "the first one is too old");

    let mut node = Node::of(4);
    node.writes.insert(2, vec![silent(4)]);
    assert_eq!(node.until(13_000), None);
    node.writes.insert(3, vec![silent(4)]);
    assert_eq!(node.until(14_400), evicts(4, EvictedFor::Silence));
}

#[test]
fn what_the_first_reading_after_a_gap_finds_may_be_old() {
    let mut node = Node::of(4);
    node.reaches_store = false;
    assert_eq!(node.until(20_000), None);
    node.reaches_store = true;
    node.writes.insert(2, vec![silent(4)]);
    node.writes.insert(3, vec![silent(4)]);
    assert_eq!(node.until(21_800), None);
    assert_eq!(node.until(22_000), evicts(4, EvictedFor::Silence), "both renewed it");
}

#[test]
fn a_node_whose_tick_was_late_holds_its_tongue_for_2_s() {
    let mut node = Node::of(2);
    node.answers.clear();
    node.until(13_400);
    node.now += 3_000;
    node.suspicion.ticked(ms(3_000), ms(node.now));
    let end = node.now + 1_800;
    assert_eq!(node.until(end), None);
    assert_eq!(node.accuses(), []);
    assert_eq!(node.until(end + 400), evicts(2, EvictedFor::Silence));
    // As late as a busy machine is now and then.
    let mut node = Node::of(2);
    node.answers.clear();
    node.suspicion.ticked(ms(400), ms(node.now));
    assert_eq!(node.until(13_800), evicts(2, EvictedFor::Silence));
}

#[test]
fn an_accusation_by_counter_is_no_vote_by_silence() {
    let mut node = Node::of(4);
    node.writes.insert(2, vec![standing(4)]);
    node.writes.insert(3, vec![standing(4)]);
    assert_eq!(node.until(16_000), None, "node 1 sees it move");
}

#[test]
fn a_member_that_joins_has_6_s_until_its_first_pong() {
    let mut node = Node::of(2);
    let joining = Member { name: name(3), incarnation: boot(3), ..node.view.members()[0].clone() };
    node.view.enter(joining);
    node.writes.insert(3, Vec::new());
    node.until(18_200);
    assert_eq!(node.accuses(), []);
    node.step();
    assert_eq!(node.accuses(), [silent(3)]);
    assert!(!node.suspicion.reaches_all(ms(node.now)));
    node.answers.insert(3);
    node.until(19_000);
    assert!(node.suspicion.reaches_all(ms(node.now)));
}

#[test]
fn accusations_of_one_that_joins_count_only_when_nobody_else_could() {
    let mut node = Node::of(3);
    let joining = Member { name: name(4), incarnation: boot(4), ..node.view.members()[0].clone() };
    node.view.enter(joining);
    node.answers.insert(4);
    node.writes.insert(2, vec![silent(3)]);
    node.writes.insert(4, vec![silent(3)]);
    assert_eq!(node.until(17_000), None);
    node.writes.insert(4, vec![silent(1), silent(2), silent(3)]);
    assert_eq!(node.until(20_000), evicts(3, EvictedFor::Silence));
}
