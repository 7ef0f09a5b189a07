//! Changes of the view: by example, and whatever happens.

use proptest::prelude::*;
use store::envelope;
use store::golden::Golden;
use uuid::Uuid;

use super::*;
use crate::membership::heartbeat::{Accusation, Heartbeat, Reason};
use crate::membership::shards::{SHARDS, shard_of};
use crate::name::NodeName;
use crate::protocol::ProtocolRange;

fn boot(n: u8) -> Incarnation {
    Incarnation(Uuid::from_bytes([n; 16]))
}

/// Boots 1, 11, 21 are those of node 1.
fn member(n: u8) -> Member {
    Member {
        name: NodeName::parse(&format!("node-{}", n % 10)).unwrap(),
        incarnation: boot(n),
        address: format!("10.0.0.{}:4000", n % 10),
        state: MemberState::Joining,
        protocol: ProtocolRange { min: 1, max: 2 },
        level: 1 + u32::from(n % 3),
    }
}

/// One change, as nodes make it.
fn apply(view: &mut View, change: impl FnOnce(&mut View) -> bool) -> bool {
    let next = view.after(|view| {
        change(view)
            && ({
                view.hand_out(Spread::Even);
                true
            })
    });
    let is_changed = next.is_some();
    if let Some(next) = next {
        *view = next;
    }
    is_changed
}

fn up(boots: &[u8]) -> View {
    let mut view = View::default();
    for &n in boots {
        apply(&mut view, |view| view.enter(member(n)));
        apply(&mut view, |view| view.come_up(boot(n)));
    }
    view
}

/// Clears all that may be cleared without a release.
fn clear_ended(view: &mut View, by: Incarnation) -> bool {
    ShardId::all().fold(false, |changed, shard| view.clear_from(shard, by, None) | changed)
}

fn owned(view: &View, n: u8) -> usize {
    view.shards().iter().filter(|(_, shard)| shard.owner == Some(boot(n))).count()
}

fn of(view: &View, n: u8) -> ShardId {
    view.shards().iter().find(|(_, shard)| shard.owner == Some(boot(n))).unwrap().0
}

#[test]
fn a_node_that_is_alone_is_up_at_once_and_owns_everything() {
    let mut view = View::default();
    assert!(apply(&mut view, |view| view.enter(member(1))));
    assert_eq!((view.version(), view.level()), (1, 2));
    assert!(ShardId::all().all(|shard| view.may_start(shard, boot(1))));
    assert!(!apply(&mut view, |view| view.enter(member(1))));
    assert!(!apply(&mut view, |view| view.come_up(boot(1))));
    assert_eq!(view.version(), 1);
}

#[test]
fn one_that_comes_up_takes_its_part_and_waits_for_each_shard() {
    let mut view = up(&[1]);
    apply(&mut view, |view| view.enter(member(2)));
    assert_eq!((owned(&view, 1), owned(&view, 2)), (SHARDS, 0));
    apply(&mut view, |view| view.come_up(boot(2)));
    assert_eq!((owned(&view, 1), owned(&view, 2)), (SHARDS / 2, SHARDS / 2));
    let shard = of(&view, 2);
    let since = view.shards()[shard].since;
    assert!(!view.may_start(shard, boot(2)) && !view.may_start(shard, boot(1)));

    let released = Some(Released { by: boot(1), since });
    let stale = Some(Released { by: boot(1), since: since - 1 });
    assert!(!view.clear_from(shard, boot(2), None), "nobody released it");
    assert!(!view.clear_from(shard, boot(2), stale), "it released an earlier ownership");
    assert!(!view.clear_from(shard, boot(1), released), "it does not own it");
    assert!(view.clear_from(shard, boot(2), released));
    assert!(!view.clear_from(shard, boot(2), released), "it is cleared");
    assert!(view.may_start(shard, boot(2)));
}

#[test]
fn a_shard_given_on_before_it_was_cleared_waits_for_the_first_owner_alone() {
    let mut view = up(&[1, 2]);
    let shard = of(&view, 2);
    apply(&mut view, |view| view.evict(boot(2), EvictedFor::Silence));
    // Given back to the boot that alone may append there, it is free.
    assert_eq!(owned(&view, 1), SHARDS);
    assert!(view.may_start(shard, boot(1)));

    let mut view = up(&[1, 2]);
    apply(&mut view, |view| view.enter(member(3)));
    apply(&mut view, |view| view.drain(boot(1)));
    apply(&mut view, |view| view.drain(boot(2)));
    apply(&mut view, |view| view.come_up(boot(3)));
    assert_eq!(owned(&view, 3), SHARDS);
    assert!(view.shards().iter().all(|(_, shard)| shard.from == Some(boot(1))), "2 never started any");
}

#[test]
fn the_shards_of_one_that_is_evicted_wait_until_it_is_sealed() {
    let mut view = up(&[1, 2]);
    let since = view.shards()[of(&view, 2)].since;
    for shard in ShardId::all() {
        view.clear_from(shard, boot(2), Some(Released { by: boot(1), since }));
    }
    let shard = of(&view, 2);
    assert!(apply(&mut view, |view| view.evict(boot(2), EvictedFor::Counter)));
    assert_eq!((view.unsealed(), view.counter_evictions()), (&[boot(2)][..], 1));
    assert!(!view.clear_from(shard, boot(1), None));
    assert!(view.note_sealed(&[boot(2)]) && !view.note_sealed(&[boot(2)]));
    assert!(clear_ended(&mut view, boot(1)) && !clear_ended(&mut view, boot(1)));
    assert!(view.may_start(shard, boot(1)));
}

#[test]
fn a_newer_boot_of_a_name_replaces_the_older_one_which_never_comes_back() {
    let mut view = up(&[1]);
    assert!(apply(&mut view, |view| view.enter(member(11))));
    assert_eq!(view.unsealed(), [boot(1)]);
    assert!(
        view.shards().iter().all(|(_, shard)| shard.owner == Some(boot(11)) && shard.from == Some(boot(1)))
    );
    assert!(!apply(&mut view, |view| view.enter(member(1))));
    assert!(!apply(&mut view, |view| view.evict(boot(1), EvictedFor::Silence)));
}

#[test]
fn an_id_has_one_shard_for_ever() {
    let shards = [0, 1, 0xffff_ffff].map(|n| shard_of(Uuid::from_u128(n)).0);
    assert_eq!(shards, [85, 195, 182]);
}

#[test]
fn what_is_stored_of_the_membership_is_read_for_ever() {
    let mut view = up(&[1, 2]);
    apply(&mut view, |view| view.evict(boot(1), EvictedFor::Counter));
    apply(&mut view, |view| view.enter(member(13)));
    let heartbeat = Heartbeat {
        name: NodeName::parse("node-1").unwrap(),
        incarnation: boot(1),
        counter: 7,
        accuses: vec![
            Accusation { of: boot(2), reason: Reason::Silent },
            Accusation { of: boot(3), reason: Reason::Standing },
        ],
        linked: vec![boot(3)],
    };
    let mut golden = Golden::new(include_str!("golden.txt"));
    golden.check("view", &view);
    golden.check("view_empty", &View::default());
    golden.check("heartbeat_linked", &heartbeat);
    golden.check("heartbeat", &Heartbeat { linked: Vec::new(), ..heartbeat });
    golden.finish();
}

#[test]
fn a_view_that_is_read_each_second_is_small() {
    let bytes = envelope::seal(&up(&[1, 2, 3])).len();
    assert!(bytes < 2_048, "{bytes}");
}

/// A change that some node makes, right or wrong.
#[derive(Clone, Copy, Debug)]
enum Change {
    Enter(u8),
    ComeUp(u8),
    Drain(u8),
    Leave(u8),
    Evict(u8),
    NoteSealed(u8),
    /// All that may be cleared without a release.
    ClearEnded(u8),
    /// Those of the first shards that this boot owns, released as they should be.
    ClearReleased(u8, u8),
}

fn change() -> impl Strategy<Value = Change> {
    let n = prop::sample::select(vec![1_u8, 2, 3, 4, 5, 11, 12, 13, 21]);
    let of = |change: fn(u8) -> Change| n.clone().prop_map(change);
    prop_oneof![
        3 => of(Change::Enter),
        4 => of(Change::ComeUp),
        1 => of(Change::Drain),
        1 => of(Change::Leave),
        2 => of(Change::Evict),
        3 => of(Change::NoteSealed),
        2 => of(Change::ClearEnded),
        2 => (n.clone(), any::<u8>()).prop_map(|(n, last)| Change::ClearReleased(n, last)),
    ]
}

fn make(view: &mut View, change: Change) -> bool {
    match change {
        Change::Enter(n) => view.enter(member(n)),
        Change::ComeUp(n) => view.come_up(boot(n)),
        Change::Drain(n) => view.drain(boot(n)),
        Change::Leave(n) => view.leave(boot(n)),
        Change::Evict(n) => view.evict(boot(n), EvictedFor::Silence),
        Change::NoteSealed(n) => view.note_sealed(&[boot(n)]),
        Change::ClearEnded(n) => clear_ended(view, boot(n)),
        Change::ClearReleased(n, last) => (0..=last).map(ShardId).fold(false, |changed, id| {
            let shard = view.shards()[id];
            let released = shard.from.map(|by| Released { by, since: shard.since });
            view.clear_from(id, boot(n), released) | changed
        }),
    }
}

/// The fewest shards that can move for an even spread: each taker keeps what it has, up to its part.
fn fewest_moves(view: &View, takers: &[Incarnation]) -> usize {
    let count = |taker: &Incarnation| view.shards().iter().filter(|(_, of)| of.owner == Some(*taker)).count();
    let mut owned: Vec<usize> = takers.iter().map(count).collect();
    owned.sort_by_key(|count| std::cmp::Reverse(*count));
    let (each, rest) = (SHARDS / takers.len(), SHARDS % takers.len());
    let kept = owned.iter().enumerate().map(|(rank, count)| (*count).min(each + usize::from(rank < rest)));
    SHARDS - kept.sum::<usize>()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn whatever_changes_no_shard_is_freed_from_under_its_writer(changes in prop::collection::vec(change(), 1..30)) {
        let mut view = View::default();
        for change in changes {
            let before = view.clone();
            let mut next = view.clone();
            let is_changed = make(&mut next, change);
            prop_assert_eq!(is_changed, next != before);
            let made = next.clone();
            prop_assert!(!make(&mut next, change), "{:?} is done", change);
            prop_assert_eq!(&next, &made);

            let up = next.members().iter().filter(|member| member.state == MemberState::Up);
            let takers: Vec<Incarnation> = up.map(|member| member.incarnation).collect();
            let fewest = if takers.is_empty() { 0 } else { fewest_moves(&next, &takers) };
            next.hand_out(Spread::Even);
            prop_assert!(!next.hand_out(Spread::Even));
            let moved = next.shards().iter().filter(|(id, shard)| shard.owner != made.shards()[*id].owner).count();
            prop_assert_eq!(moved, fewest);
            let counts = takers.iter().map(|taker| {
                next.shards().iter().filter(|(_, shard)| shard.owner == Some(*taker)).count()
            });
            let counts: Vec<usize> = counts.collect();
            prop_assert!(counts.iter().max() <= counts.iter().min().map(|least| least + 1).as_ref());

            // The boot that may append before may do so still, or is over, or said that it released.
            for (id, shard) in next.shards().iter() {
                let old = before.shards()[id];
                let writer = old.from.or(old.owner).filter(|writer| !next.is_ended(*writer));
                let is_released = matches!(change, Change::ClearReleased(..)) && old.from.is_some();
                let still = shard.from.or(shard.owner);
                prop_assert!(writer.is_none() || is_released || still == writer, "{:?}: {:?}, {:?}", id, old, shard);
                prop_assert!(shard.from.is_none() || shard.from != shard.owner);
            }
            prop_assert!(next.members().is_sorted_by(|one, other| one.name < other.name));
            let least = next.members().iter().map(|member| member.level).min();
            prop_assert!(least.is_none_or(|least| next.level() == least));
            view = before.after(|view| { *view = next; is_changed }).unwrap_or(before);
            prop_assert_eq!(&envelope::open::<View>(&envelope::seal(&view)).unwrap(), &view);
        }
    }
}
