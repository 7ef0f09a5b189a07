//! What every [`EventLog`] promises; its journals are checked in [`super::journal`].

use std::sync::Arc;

use domain::{Author, Event, MessageText, Seq, WorkspaceId};
use futures_util::FutureExt;
use futures_util::future::join_all;
use uuid::Uuid;

use crate::{
    Append, ConversationKey, EventLog, GROUP_MAX, Group, Incarnation, LanesEnd, OpenLanesError, PAGE_MAX,
};

use super::{Boot, Play, message, some_key};

/// Checks the whole contract; `fresh` gives a store.
pub async fn check(fresh: impl AsyncFn() -> Arc<dyn EventLog>) {
    what_was_appended_is_read(&*fresh().await).await;
    what_is_not_there_has_no_events(&*fresh().await).await;
    workspaces_are_apart(&*fresh().await).await;
    a_whole_group_is_kept_as_given(&*fresh().await).await;
    pages_are_dense_and_bounded(&*fresh().await).await;
    lanes_may_be_opened_again_and_are_of_their_boot(&*fresh().await).await;
    sealed_lanes_take_nothing_and_stay_so(&*fresh().await).await;
    lanes_that_were_never_opened_can_be_sealed(&*fresh().await).await;
    the_next_boot_goes_on_where_the_sealed_one_stopped(&*fresh().await).await;
    a_seal_leaves_other_boots_alone(&*fresh().await).await;
    a_seal_fences_what_is_on_its_way(&*fresh().await).await;
    a_dropped_append_is_settled(&*fresh().await).await;
    closed_lanes_are_finished_and_sealed(&*fresh().await).await;
    a_wrong_group_is_refused_before_anything_is_written(&*fresh().await).await;
    super::journal::check(&fresh).await;
}

async fn read_all(log: &dyn EventLog, key: ConversationKey) -> Vec<Event> {
    log.read(key, Seq::ZERO, PAGE_MAX).await.expect("the store is there")
}

async fn seal(log: &dyn EventLog, boot: &Boot) {
    log.seal(boot.incarnation()).await.expect("the store is there");
}

async fn confirm(boot: &Boot) -> bool {
    boot.lanes.confirm().await.expect("the store is there")
}

async fn what_was_appended_is_read(log: &dyn EventLog) {
    let (boot, mut play) = (Boot::start(log, 1).await, Play::some());
    assert_eq!(boot.append(&mut play).await, Append::Applied, "a log begins");
    assert_eq!(read_all(log, play.key).await, play.events, "as given");
    for times in [1, 3] {
        play.says(2000, times);
        assert_eq!(boot.append(&mut play).await, Append::Applied, "it goes on");
        assert_eq!(read_all(log, play.key).await, play.events, "right after its tail");
    }
}

async fn what_is_not_there_has_no_events(log: &dyn EventLog) {
    let key = some_key();
    assert_eq!(read_all(log, key).await, [], "a log that is not there has no events");
    let before = log.read_before(key, Seq(9), 9).await.expect("the store is there");
    assert_eq!(before, [], "backwards neither");
}

async fn workspaces_are_apart(log: &dyn EventLog) {
    let (boot, mut play) = (Boot::start(log, 1).await, Play::some());
    boot.begin(&mut play).await;
    let elsewhere = ConversationKey { workspace: WorkspaceId::from_uuid(Uuid::new_v4()), ..play.key };
    assert_eq!(read_all(log, elsewhere).await, [], "another workspace does not read it");

    let mut namesake = Play::start(elsewhere, play.team, play.visitor, 5000);
    boot.begin(&mut namesake).await;
    assert_eq!(read_all(log, play.key).await, play.events, "two workspaces may use one id");
    assert_eq!(read_all(log, elsewhere).await, namesake.events, "two workspaces may use one id");
}

async fn a_whole_group_is_kept_as_given(log: &dyn EventLog) {
    let (boot, mut play) = (Boot::start(log, 1).await, Play::some());
    boot.begin(&mut play).await;
    play.says(2000, GROUP_MAX);
    assert_eq!(boot.append(&mut play).await, Append::Applied, "the largest group");
    let words = "\"\\\n\u{1f469}\u{200d}\u{1f467} ".repeat(MessageText::BYTES_MAX / 16);
    play.then(3000, Author::System, message(&words));
    assert_eq!(boot.append(&mut play).await, Append::Applied, "the longest message");
    assert_eq!(read_all(log, play.key).await, play.events, "as given");
}

async fn pages_are_dense_and_bounded(log: &dyn EventLog) {
    let (boot, mut play) = (Boot::start(log, 1).await, Play::some());
    boot.begin(&mut play).await;
    while play.events.len() <= PAGE_MAX + 10 {
        play.says(2000, GROUP_MAX);
        assert_eq!(boot.append(&mut play).await, Append::Applied, "it goes on");
    }
    let (all, last) = (&play.events, play.tail());
    let count = all.len();
    for (after, limit, expected) in [
        (Seq(0), 1, &all[..1]),
        (Seq(0), 7, &all[..7]),
        (Seq(5), 2, &all[5..7]),
        (Seq(0), usize::MAX, &all[..PAGE_MAX]),
        (Seq(20), PAGE_MAX + 1, &all[20..count.min(20 + PAGE_MAX)]),
        (Seq(last.0 - 1), 5, &all[count - 1..]),
        (last, 5, &[]),
        (Seq(u64::MAX - 1), 5, &[]),
        (Seq(0), 0, &[]),
    ] {
        let page = log.read(play.key, after, limit).await.expect("the store is there");
        assert!(page == expected, "read after {after:?}, at most {limit}: {} events", page.len());
    }
    for (before, limit, expected) in [
        (Seq(u64::MAX), 1, &all[count - 1..]),
        (last.next(), 3, &all[count - 3..]),
        (Seq(4), 2, &all[1..3]),
        (Seq(4), 9, &all[..3]),
        (Seq(1), 9, &[]),
        (Seq(0), 9, &[]),
        (last.next(), usize::MAX, &all[count - PAGE_MAX..]),
        (last.next(), 0, &[]),
    ] {
        let page = log.read_before(play.key, before, limit).await.expect("the store is there");
        assert!(page == expected, "read before {before:?}, at most {limit}: {} events", page.len());
    }
}

async fn lanes_may_be_opened_again_and_are_of_their_boot(log: &dyn EventLog) {
    let incarnation = Incarnation(Uuid::new_v4());
    // As a caller does whose first call was not answered.
    drop(log.open(incarnation).await.expect("it is new"));
    let lanes = log.open(incarnation).await.expect("nobody sealed it");
    assert_eq!(lanes.incarnation(), incarnation, "they say whose they are");
    let (boot, mut play) = (Boot { lanes, generation: crate::Generation(1) }, Play::some());
    boot.begin(&mut play).await;
    assert!(confirm(&boot).await, "they are open");
    assert_eq!(boot.lanes.ended().now_or_never(), None, "and have not ended");
}

async fn sealed_lanes_take_nothing_and_stay_so(log: &dyn EventLog) {
    let (boot, mut play) = (Boot::start(log, 1).await, Play::some());
    boot.begin(&mut play).await;
    for time in ["once", "twice, which is harmless"] {
        seal(log, &boot).await;
        assert!(!confirm(&boot).await, "sealed {time}, they are not open");
        let mut late = play.clone();
        late.says(2000, 2);
        assert_eq!(boot.append(&mut late).await, Append::Fenced, "and take nothing that goes on a log");
        assert_eq!(boot.append(&mut Play::some()).await, Append::Fenced, "nor a new one");
        assert_eq!(read_all(log, play.key).await, play.events, "nothing of it is written");
        let again = log.open(boot.incarnation()).await.map(drop);
        assert!(matches!(again, Err(OpenLanesError::Sealed)), "nor are they opened again: {again:?}");
    }
    assert_eq!(boot.lanes.ended().await, LanesEnd::Sealed, "their node is told");
}

async fn lanes_that_were_never_opened_can_be_sealed(log: &dyn EventLog) {
    let incarnation = Incarnation(Uuid::new_v4());
    for _ in 0..2 {
        log.seal(incarnation).await.expect("the store is there");
        let opened = log.open(incarnation).await.map(drop);
        assert!(matches!(opened, Err(OpenLanesError::Sealed)), "that boot never begins: {opened:?}");
    }
}

async fn the_next_boot_goes_on_where_the_sealed_one_stopped(log: &dyn EventLog) {
    let mut boot = Boot::start(log, 1).await;
    let mut plays = [Play::some(), Play::some(), Play::some()];
    for play in &mut plays {
        boot.begin(play).await;
    }
    for number in 2..5 {
        seal(log, &boot).await;
        boot = Boot::start(log, number).await;
        for (place, play) in plays.iter_mut().enumerate() {
            // One of them is not continued by each boot.
            if place as u64 != number - 2 {
                assert_eq!(read_all(log, play.key).await, play.events, "what passed before the seal is read");
                play.says(2000, 3);
                assert_eq!(boot.append(play).await, Append::Applied, "and gone on with");
            }
        }
    }
    for play in &plays {
        assert_eq!(read_all(log, play.key).await, play.events, "of all boots, in order");
        for seq in 0..=play.tail().0 {
            let expected = &play.events[seq as usize..play.events.len().min(seq as usize + 4)];
            let page = log.read(play.key, Seq(seq), 4).await.expect("the store is there");
            assert_eq!(page, expected, "wherever a page begins: after {seq}");
            let expected = &play.events[(seq as usize).saturating_sub(4)..seq as usize];
            let page = log.read_before(play.key, Seq(seq + 1), 4).await.expect("the store is there");
            assert_eq!(page, expected, "or ends: before {seq} + 1");
        }
    }
}

async fn a_seal_leaves_other_boots_alone(log: &dyn EventLog) {
    let (one, other) = (Boot::start(log, 1).await, Boot::start(log, 1).await);
    let (mut of_one, mut of_other) = (Play::some(), Play::some());
    one.begin(&mut of_one).await;
    other.begin(&mut of_other).await;
    seal(log, &one).await;
    of_other.says(2000, 1);
    assert_eq!(other.append(&mut of_other).await, Append::Applied, "another boot writes on");
    assert!(confirm(&other).await, "and is open");
    assert_eq!(other.lanes.ended().now_or_never(), None, "and was not ended");
    // It may go on with what the sealed one had.
    of_one.says(2000, 1);
    assert_eq!(other.append(&mut of_one).await, Append::Applied, "also with the sealed one's");
    assert_eq!(read_all(log, of_one.key).await, of_one.events, "after all that it wrote");
}

async fn a_seal_fences_what_is_on_its_way(log: &dyn EventLog) {
    const PLAYS: usize = 16;
    for round in 0..8 {
        let boot = Boot::start(log, 1).await;
        let mut plays: Vec<Play> = (0..PLAYS).map(|_| Play::some()).collect();
        join_all(plays.iter_mut().map(|play| boot.begin(play))).await;
        let before: Vec<Vec<Event>> = plays.iter().map(|play| play.events.clone()).collect();
        let keys: Vec<ConversationKey> = plays.iter().map(|play| play.key).collect();
        let appends = plays.iter_mut().map(|play| {
            play.says(2000, 2);
            boot.append(play)
        });
        let sealed = async {
            for _ in 0..round {
                tokio::task::yield_now().await;
            }
            seal(log, &boot).await;
            join_all(keys.iter().map(|key| read_all(log, *key))).await
        };
        let (appended, at_the_seal) = tokio::join!(join_all(appends), sealed);
        for (place, appended) in appended.into_iter().enumerate() {
            let expected = match appended {
                Append::Applied => &plays[place].events,
                Append::Fenced => &before[place],
                Append::Unknown => panic!("a seal leaves nothing unknown"),
            };
            assert_eq!(at_the_seal[place], *expected, "{appended:?}, and so it was once they were sealed");
            assert_eq!(read_all(log, keys[place]).await, *expected, "{appended:?}, and so it stays");
        }
    }
}

async fn a_dropped_append_is_settled(log: &dyn EventLog) {
    let (boot, mut play) = (Boot::start(log, 1).await, Play::some());
    boot.begin(&mut play).await;
    boot.lanes.settled(play.key).await;
    boot.lanes.settled(some_key()).await;
    for polls in 0..12 {
        let mut dropped = play.clone();
        dropped.says(2000, 2);
        // The caller gives it up at some point, and never learns what came of it.
        tokio::select! {
            biased;
            appended = boot.append(&mut dropped) => assert_eq!(appended, Append::Applied, "it came in time"),
            () = turns(polls) => {}
        }
        boot.lanes.settled(play.key).await;
        let there = read_all(log, play.key).await;
        assert!(there == play.events || there == dropped.events, "all of a group or none");
        if there == dropped.events {
            let stored = Some(dropped.head().clone());
            play = Play { stored, ..dropped };
        }
        play.says(3000, 1);
        assert_eq!(boot.append(&mut play).await, Append::Applied, "the next one goes on after what is there");
        assert_eq!(read_all(log, play.key).await, play.events, "and nothing comes later");
    }
}

/// So many turns of the others.
async fn turns(count: usize) {
    for _ in 0..count {
        tokio::task::yield_now().await;
    }
}

async fn closed_lanes_are_finished_and_sealed(log: &dyn EventLog) {
    const PLAYS: usize = 8;
    let boot = Boot::start(log, 1).await;
    let mut plays: Vec<Play> = (0..PLAYS).map(|_| Play::some()).collect();
    join_all(plays.iter_mut().map(|play| boot.begin(play))).await;
    let written: Vec<Vec<Event>> = plays.iter().map(|play| play.events.clone()).collect();
    let appends = plays.iter_mut().map(|play| {
        play.says(2000, 1);
        boot.try_append(play)
    });
    let closed = async {
        tokio::task::yield_now().await;
        boot.lanes.close().await.expect("the store is there");
    };
    let (appended, ()) = tokio::join!(join_all(appends), closed);
    for (place, appended) in appended.into_iter().enumerate() {
        let expected = match appended {
            Ok(Append::Applied) => &plays[place].events,
            Ok(Append::Fenced) | Err(_) => &written[place],
            Ok(Append::Unknown) => panic!("an end in order leaves nothing unknown"),
        };
        assert_eq!(read_all(log, plays[place].key).await, *expected, "finished, or refused");
    }
    let refused = boot.try_append(&mut Play::some()).await;
    assert!(matches!(refused, Ok(Append::Fenced) | Err(_)), "no more groups are taken: {refused:?}");
    assert_eq!(boot.lanes.ended().now_or_never(), None, "an end that was wanted is not told");
    let again = log.open(boot.incarnation()).await.map(drop);
    assert!(matches!(again, Err(OpenLanesError::Sealed)), "they are sealed: {again:?}");
}

async fn a_wrong_group_is_refused_before_anything_is_written(log: &dyn EventLog) {
    let (boot, mut play) = (Boot::start(log, 1).await, Play::some());
    boot.begin(&mut play).await;
    let before = play.head().clone();
    let more = play.says(2000, GROUP_MAX + 1);
    let head = |last: u64| domain::Head { last_seq: Seq(last), ..before.clone() };
    for (wrong, events, head) in [
        ("nothing", &more[..0], head(2)),
        ("too much", &more[..], head(2 + GROUP_MAX as u64 + 1)),
        ("a hole", &more[1..2], head(3)),
        ("another head", &more[..1], head(4)),
    ] {
        let key = play.key;
        let group = Group { key, generation: boot.generation, before: Some(&before), events, head: &head };
        let refused = std::panic::AssertUnwindSafe(boot.lanes.append(group)).catch_unwind().await;
        assert!(refused.is_err(), "{wrong} is a fault of the caller: {refused:?}");
        assert_eq!(read_all(log, play.key).await, play.events[..2], "{wrong} is not written");
    }
}
