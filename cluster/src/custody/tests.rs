//! Custody by example; whatever happens is the model's, `membership/model.rs`.

use uuid::Uuid;

use super::*;
use crate::membership::{EvictedFor, Member, MemberState, Spread};
use crate::name::NodeName;
use crate::protocol::ProtocolRange;

const SHARD: ShardId = ShardId(0);

fn boot(n: u8) -> Incarnation {
    Incarnation(Uuid::from_bytes([n; 16]))
}

fn enter(view: &mut View, n: u8) -> bool {
    let member = Member {
        name: NodeName::parse(&format!("node-{n}")).unwrap(),
        incarnation: boot(n),
        address: format!("10.0.0.{n}:4000"),
        state: MemberState::Joining,
        protocol: ProtocolRange::OURS,
        level: 1,
    };
    view.enter(member) | view.come_up(boot(n))
}

fn change(view: &mut View, change: impl FnOnce(&mut View) -> bool) {
    let handed_out = |view: &mut View| change(view) | view.hand_out(Spread::One);
    *view = view.after(handed_out).expect("it changes something");
}

/// A view of node 1, which has started everything, and nodes 2 and 3.
fn three() -> (View, [ShardCustody; 3]) {
    let mut view = View::default();
    (1..=3).for_each(|n| change(&mut view, |view| enter(view, n)));
    let mut boots = [1, 2, 3].map(|n| ShardCustody::new(boot(n)));
    assert_eq!(boots[0].follow(&view).len(), 256);
    assert!(boots[0].has_all() && boots[0].follow(&view).is_empty(), "each once");
    (view, boots)
}

fn at(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// All that the old owner was asked for is settled and released.
fn releases(view: &View, old: &mut ShardCustody) -> Vec<(ShardId, Released)> {
    let all: Vec<ShardId> = ShardId::all().collect();
    let moved = old.moved(view, &all);
    old.release(view, moved)
}

#[test]
fn a_new_owner_starts_when_the_old_one_has_released_and_the_view_says_so() {
    let (mut view, [mut old, mut new, _]) = three();
    change(&mut view, |view| view.drain(boot(1)));
    assert!(new.follow(&view).is_empty() && new.is_waiting());
    assert!(!new.clear(&mut view.clone()), "nobody has released");
    assert_eq!(new.asks(&view, at(0)).into_iter().collect::<Vec<_>>(), [(boot(1), ShardId::all().collect())]);
    assert!(new.asks(&view, at(499)).is_empty(), "an ask takes its time");
    assert_eq!(new.asks(&view, at(500)).len(), 1, "it may be lost");

    let released = releases(&view, &mut old);
    assert!(!old.has_all() && released.len() == 256);
    new.heard(released);
    assert!(new.asks(&view, at(2_000)).is_empty(), "it has answered");
    assert!(new.follow(&view).is_empty(), "the view does not say so yet");
    change(&mut view, |view| new.clear(view));
    assert_eq!(new.follow(&view).len(), 256);
    assert!(new.has_all() && !new.is_waiting());
}

#[test]
fn an_old_owner_that_is_out_is_not_asked_but_sealed() {
    let (mut view, [_, mut new, _]) = three();
    change(&mut view, |view| view.evict(boot(1), EvictedFor::Silence));
    assert!(new.follow(&view).is_empty());
    assert!(new.asks(&view, at(0)).is_empty() && !new.clear(&mut view.clone()));
    change(&mut view, |view| view.note_sealed(&[boot(1)]) | new.clear(view));
    assert_eq!(new.follow(&view).len(), 256);
}

#[test]
fn an_owner_in_the_middle_never_starts_and_the_last_one_waits_for_the_first_alone() {
    let (mut view, [mut old, mut middle, mut last]) = three();
    change(&mut view, |view| view.drain(boot(1)));
    middle.follow(&view);
    middle.heard(releases(&view, &mut old));
    // Before it had the view say so, the middle one drains too.
    change(&mut view, |view| view.drain(boot(2)));
    assert!(middle.follow(&view).is_empty() && !middle.clear(&mut view.clone()));
    assert!(last.follow(&view).is_empty());
    assert_eq!(last.asks(&view, at(0)).into_keys().collect::<Vec<_>>(), [boot(1)]);
    last.heard(releases(&view, &mut old));
    change(&mut view, |view| last.clear(view));
    assert_eq!(last.follow(&view).len(), 256);
}

#[test]
fn what_was_given_back_while_it_was_settled_stays_and_an_older_release_counts_for_nothing() {
    let (mut view, [mut old, mut new, _]) = three();
    let before = view.clone();
    change(&mut view, |view| view.drain(boot(1)));
    let moved = old.moved(&view, &[SHARD]);
    assert_eq!(moved, [(SHARD, Released { by: boot(1), since: view.shards()[SHARD].since })]);
    assert!(old.moved(&before, &[SHARD]).is_empty(), "it is its own there");
    // As if the shard were its own again: nothing is released, and it goes on.
    assert!(old.release(&before, moved.clone()).is_empty() && old.has_all());
    // It moves away once more, later: what was settled before is not released for that.
    let mut later = view.clone();
    change(&mut later, |view| view.drain(boot(2)));
    assert!(old.release(&later, moved).is_empty() && old.has_all());
    let since = view.shards()[SHARD].since;
    new.follow(&view);
    new.heard([
        (SHARD, Released { by: boot(1), since: since - 1 }),
        (ShardId(1), Released { by: boot(9), since }),
    ]);
    assert!(!new.clear(&mut view.clone()));
}
