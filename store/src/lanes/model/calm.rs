//! The same rules in calm weather: what callers see.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use domain::Seq;
use futures_util::FutureExt;

use crate::{Append, Clock, JournalPosition, JournalRest, LanesEnd, OpenLanesError, StoreError};

use super::super::log::LaneLog;
use super::super::options::LaneOptions;
use super::super::segments::{Registered, SegmentId, StoredEvent, StoredGroup};
use super::base::{Base, Change, Plain};
use super::link::Link;
use super::node::{incarnation, key};

fn group(shard: usize, first: u64, count: u64) -> StoredGroup {
    let event = |seq: u64| StoredEvent { seq: Seq(seq), body: vec![shard as u8, seq as u8] };
    let events: Vec<StoredEvent> = (first..first + count).map(event).collect();
    let head = events[events.len() - 1].body.clone();
    StoredGroup { key: key(shard), events, head }
}

fn log(base: &Arc<Base>, options: LaneOptions) -> LaneLog<Link> {
    base.is_calm.store(true, Ordering::Relaxed);
    LaneLog::new(Link::new(base), options, Clock::of_tokio(), 1)
}

fn seqs(events: &[StoredEvent]) -> Vec<u64> {
    events.iter().map(|event| event.seq.0).collect()
}

#[tokio::test(start_paused = true)]
async fn a_full_segment_is_followed_by_another_and_reads_see_no_seam() {
    let base = Base::new(1);
    let log = log(&base, LaneOptions { lanes: 1, segment_rows_max: 12, ..LaneOptions::default() });
    let lanes = log.open(incarnation(1)).await.unwrap();
    for first in 1..=18 {
        assert_eq!(lanes.append(group(0, first, 1)).await.unwrap(), Append::Applied);
    }
    let registered = base.state().registered([0, 1]);
    assert_eq!(registered.len(), 5, "4 batches of 3 rows each fill one: {registered:?}");
    assert!(registered[..4].iter().all(|registered| registered.sealed_at_ms.is_some()));
    assert_eq!(seqs(&log.read(key(0), Seq(2), 14).await.unwrap()), (3..=16).collect::<Vec<_>>());
    assert_eq!(seqs(&log.read_before(key(0), Seq(18), 9).await.unwrap()), (9..=17).collect::<Vec<_>>());
    assert_eq!(log.head(key(0)).await.unwrap().unwrap().last, Seq(18));
    // Sealed segments are moved, the open one stays, and nothing of that shows.
    assert_eq!(log.sweep(|_| true).await.unwrap().moved, 4);
    assert_eq!(base.state().pointers(key(0), [0, 1]).len(), 1);
    assert_eq!(seqs(&log.read(key(0), Seq::ZERO, 100).await.unwrap()), (1..=18).collect::<Vec<_>>());
    assert_eq!(log.head(key(0)).await.unwrap().unwrap().last, Seq(18));
}

#[tokio::test(start_paused = true)]
async fn pointers_to_the_next_segment_are_there_before_it_is() {
    let base = Base::new(1);
    let log = log(&base, LaneOptions { lanes: 1, segment_rows_max: 12, ..LaneOptions::default() });
    let lanes = log.open(incarnation(1)).await.unwrap();
    for first in 1..=3 {
        lanes.append(group(0, first, 1)).await.unwrap();
    }
    assert_eq!(base.state().pointers(key(0), [0, 1]).len(), 1);
    lanes.append(group(0, 4, 1)).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(base.state().pointers(key(0), [0, 1]).len(), 2, "the segment is three quarters full");
}

#[tokio::test(start_paused = true)]
async fn whoever_is_sealed_writes_nothing_more_and_knows_it() {
    let base = Base::new(1);
    let (log, other) = (log(&base, LaneOptions::default()), log(&base, LaneOptions::default()));
    let lanes = log.open(incarnation(1)).await.unwrap();
    lanes.append(group(0, 1, 2)).await.unwrap();
    assert!(lanes.confirm().await.unwrap());
    assert_eq!(lanes.ended().now_or_never(), None);
    other.seal(incarnation(1)).await.unwrap();
    other.seal(incarnation(1)).await.unwrap();
    assert!(!lanes.confirm().await.unwrap());
    assert_eq!(lanes.append(group(0, 3, 1)).await.unwrap(), Append::Fenced);
    assert_eq!(lanes.ended().await, LanesEnd::Sealed);
    assert!(matches!(log.open(incarnation(1)).await, Err(OpenLanesError::Sealed)));
    other.seal(incarnation(2)).await.unwrap();
    assert!(matches!(log.open(incarnation(2)).await, Err(OpenLanesError::Sealed)));
    assert_eq!(seqs(&other.read(key(0), Seq::ZERO, 9).await.unwrap()), [1, 2]);
}

#[tokio::test(start_paused = true)]
async fn closed_lanes_finish_what_they_have_and_their_journals_end() {
    let base = Base::new(1);
    let log = log(&base, LaneOptions::default());
    let lanes = log.open(incarnation(1)).await.unwrap();
    let appends = (0..8).map(|shard| lanes.append(group(shard, 1, 3)));
    let (appended, closed) = tokio::join!(futures_util::future::join_all(appends), lanes.close());
    closed.unwrap();
    assert!(appended.iter().all(|append| matches!(append, Ok(Append::Applied))), "{appended:?}");
    assert!(matches!(lanes.append(group(0, 4, 1)).await, Err(StoreError::Unavailable(_))));
    assert_eq!(lanes.ended().now_or_never(), None);
    let mut entries = 0;
    for lane in log.lanes().await.unwrap() {
        let page = log.journal(lane, JournalPosition::default(), 100).await.unwrap();
        assert_eq!(page.rest, JournalRest::Ended);
        entries += page.entries.len();
    }
    assert_eq!(entries, 8);
}

#[tokio::test(start_paused = true)]
async fn without_room_nothing_is_taken() {
    let base = Base::new(1);
    let log = log(&base, LaneOptions { lanes: 1, queue_groups_max: 2, ..LaneOptions::default() });
    let lanes = log.open(incarnation(1)).await.unwrap();
    let appended = futures_util::future::join_all((0..5).map(|shard| lanes.append(group(shard, 1, 1)))).await;
    let refused = appended.iter().filter(|append| matches!(append, Err(StoreError::Unavailable(_)))).count();
    assert_eq!(refused, 3, "{appended:?}");
}

#[tokio::test(start_paused = true)]
async fn a_hole_is_looked_at_again_and_then_told() {
    let base = Base::new(1);
    let log = log(&base, LaneOptions::default());
    let put = |group| base.change(Change::Plain(Plain::PutHome(group)));
    put(group(0, 1, 2)).await.unwrap();
    put(group(0, 4, 1)).await.unwrap();
    assert!(matches!(log.read(key(0), Seq::ZERO, 9).await, Err(StoreError::Corrupt(_))));
    let (read, _) = tokio::join!(log.read(key(0), Seq::ZERO, 9), async {
        tokio::time::sleep(Duration::from_millis(20)).await;
        put(group(0, 3, 1)).await
    });
    assert_eq!(seqs(&read.unwrap()), [1, 2, 3, 4]);
}

#[tokio::test(start_paused = true)]
async fn what_is_erased_is_gone_at_home_and_on_its_way_there() {
    let base = Base::new(1);
    let log = log(&base, LaneOptions { lanes: 1, segment_rows_max: 12, ..LaneOptions::default() });
    let lanes = log.open(incarnation(1)).await.unwrap();
    for first in 1..=10 {
        lanes.append(group(0, first, 1)).await.unwrap();
        lanes.append(group(1, first, 1)).await.unwrap();
    }
    log.sweep(|_| true).await.unwrap();
    log.erase(key(0)).await.unwrap();
    lanes.close().await.unwrap();
    log.sweep(|_| true).await.unwrap();
    assert_eq!(log.read(key(0), Seq::ZERO, 100).await.unwrap(), []);
    assert_eq!(log.head(key(0)).await.unwrap(), None);
    assert_eq!(seqs(&log.read(key(1), Seq::ZERO, 100).await.unwrap()), (1..=10).collect::<Vec<_>>());
    assert_eq!(base.state().pointers(key(1), [0, 1]), []);
}

#[tokio::test(start_paused = true)]
async fn a_lane_that_cannot_be_moved_holds_up_no_other() {
    let base = Base::new(1);
    let log = log(&base, LaneOptions { lanes: 1, ..LaneOptions::default() });
    let _open = log.open(incarnation(1)).await.unwrap();
    let lanes = log.open(incarnation(2)).await.unwrap();
    lanes.append(group(0, 1, 1)).await.unwrap();
    lanes.close().await.unwrap();
    let [bad, _] = log.lanes().await.unwrap()[..] else { panic!("each boot has a lane") };
    let segment = SegmentId { lane: bad, segment: 0 };
    let wrong = Registered { segment, sealed_at_ms: Some(1), is_home: false };
    base.change(Change::Plain(Plain::Register(segment, Some(wrong)))).await.unwrap();
    let swept = log.sweep(|_| true).await;
    assert!(matches!(swept, Err(StoreError::Corrupt(_))), "it is known as sealed and is open: {swept:?}");
    let home: Vec<bool> = base.state().registered([0, 1]).iter().map(|known| known.is_home).collect();
    assert_eq!(home, [false, true]);
}

#[tokio::test(start_paused = true)]
async fn a_segment_goes_when_it_was_kept_for_long_enough() {
    let base = Base::new(1);
    let log = log(&base, LaneOptions { lanes: 1, ..LaneOptions::default() });
    let lanes = log.open(incarnation(1)).await.unwrap();
    lanes.append(group(0, 1, 1)).await.unwrap();
    lanes.close().await.unwrap();
    let swept = log.sweep(|_| true).await.unwrap();
    assert_eq!((swept.moved, swept.dropped, swept.left), (1, 0, 1));
    let lane = log.lanes().await.unwrap()[0];
    assert_eq!(log.journal(lane, JournalPosition::default(), 9).await.unwrap().entries.len(), 1);
    tokio::time::advance(Duration::from_hours(72)).await;
    assert_eq!(log.sweep(|of| of == incarnation(9)).await.unwrap().left, 0, "of another boot");
    assert_eq!(log.sweep(|_| true).await.unwrap().dropped, 1);
    assert_eq!(log.lanes().await.unwrap(), []);
    assert_eq!(seqs(&log.read(key(0), Seq::ZERO, 9).await.unwrap()), [1]);
    // Late word of a segment that is gone makes no harm, and goes again.
    let late = Registered { segment: SegmentId { lane, segment: 0 }, sealed_at_ms: None, is_home: false };
    base.change(Change::Plain(Plain::Register(late.segment, Some(late)))).await.unwrap();
    log.sweep(|_| true).await.unwrap();
    tokio::time::advance(Duration::from_hours(72)).await;
    log.sweep(|_| true).await.unwrap();
    assert_eq!(log.lanes().await.unwrap(), []);
}
