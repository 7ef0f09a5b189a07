//! That the log which fails for tests fails as it says.

use std::sync::Arc;
use std::time::Duration;

use domain::Seq;
use store::faulty::{Fault, Faults, FaultyLog};
use store::memory::MemoryStore;
use store::{Append, EventLog, Incarnation, LanesEnd, StoreError};
use tokio::time::{Instant, timeout};
use uuid::Uuid;

use crate::play::{Play, some_workspace};

const SHORT: Duration = Duration::from_millis(10);

fn scripted() -> FaultyLog {
    FaultyLog::scripted(Arc::new(MemoryStore::default()))
}

async fn start(faulty: &FaultyLog) -> Play {
    let log: Arc<dyn EventLog> = Arc::new(faulty.clone());
    Play::start(&log, some_workspace()).await.unwrap()
}

/// How many events the log has.
async fn count(play: &Play) -> usize {
    play.log.read(play.key, Seq::ZERO, 500).await.unwrap().len()
}

#[tokio::test(start_paused = true)]
async fn a_script_says_what_the_next_appends_come_to() {
    let faulty = scripted();
    let mut play = start(&faulty).await;
    faulty.script([Fault::Unavailable, Fault::None]);
    assert!(matches!(play.post("1").await, Err(StoreError::Unavailable(_))));
    assert_eq!(count(&play).await, 1);
    assert_eq!(play.post("2").await.unwrap(), Append::Applied);
    assert_eq!(count(&play).await, 2);

    for (fault, there_meanwhile) in [(Fault::AnsweredLate(1000), true), (Fault::WrittenLate(1000), false)] {
        let (began, before) = (Instant::now(), count(&play).await);
        faulty.script([fault]);
        let mut late = play.clone();
        assert!(timeout(SHORT, late.post("late")).await.is_err(), "{fault:?}");
        assert_eq!(count(&play).await - before, usize::from(there_meanwhile), "{fault:?}");
        assert_eq!(faulty.on_their_way(), 1, "though nobody waits for it");
        play.lanes.settled(play.key).await;
        assert_eq!(count(&play).await, before + 1, "{fault:?}");
        assert_eq!((began.elapsed(), faulty.on_their_way()), (Duration::from_secs(1), 0), "{fault:?}");
        play.head.last_seq = play.head.last_seq.next();
    }
    assert_eq!(play.post("after them").await.unwrap(), Append::Applied);
}

#[tokio::test(start_paused = true)]
async fn a_late_append_of_a_sealed_boot_is_fenced() {
    let faulty = scripted();
    let mut play = start(&faulty).await;
    faulty.script([Fault::WrittenLate(1000)]);
    let (log, lanes) = (play.log.clone(), play.lanes.clone());
    let (posted, ()) = tokio::join!(play.post("late"), async {
        tokio::time::sleep(SHORT).await;
        log.seal(lanes.incarnation()).await.unwrap();
    });
    assert_eq!(posted.unwrap(), Append::Fenced);
    faulty.at_rest().await;
    play.assert_kept().await;
    assert_eq!(lanes.ended().await, LanesEnd::Sealed);
}

#[tokio::test]
async fn lanes_that_failed_take_nothing_more() {
    for (fault, events) in [(Fault::FailedWritten, 2), (Fault::FailedLost, 1)] {
        let faulty = scripted();
        let mut play = start(&faulty).await;
        faulty.script([fault]);
        assert_eq!(play.post("in doubt").await.unwrap(), Append::Unknown);
        assert_eq!(count(&play).await, events, "{fault:?}");
        assert_eq!(play.lanes.ended().await, LanesEnd::Failed);
        assert!(!play.lanes.confirm().await.unwrap());
        assert!(matches!(play.post("no").await, Err(StoreError::Unavailable(_))));
        assert_eq!(count(&play).await, events, "{fault:?}");
    }
}

#[tokio::test]
async fn a_held_append_waits_while_others_take_over() {
    let faulty = scripted();
    let play = start(&faulty).await;
    let mut held = faulty.hold();
    let post = tokio::spawn({
        let mut play = play.clone();
        async move { play.post("held").await.unwrap() }
    });
    held.reached().await;
    play.log.seal(play.lanes.incarnation()).await.unwrap();
    held.release();
    assert_eq!(post.await.unwrap(), Append::Fenced);

    drop(faulty.hold());
    let mut next = start(&faulty).await;
    assert_eq!(next.post("not held").await.unwrap(), Append::Applied, "a dropped hold holds nothing");
}

#[tokio::test]
async fn what_is_in_trouble_says_so() {
    let faulty = scripted();
    let mut play = start(&faulty).await;
    faulty.trouble(Faults { unconfirmed: 1.0, ..Faults::default() });
    assert!(play.lanes.confirm().await.is_err());
    assert_eq!(play.post("fine").await.unwrap(), Append::Applied);
    faulty.trouble(Faults { unavailable: 1.0, ..Faults::default() });
    assert!(play.log.read(play.key, Seq::ZERO, 1).await.is_err());
    assert!(play.post("not there").await.is_err());
    faulty.trouble(Faults { answer_lost: 1.0, ..Faults::default() });
    assert!(play.log.seal(play.lanes.incarnation()).await.is_err());
    faulty.calm();
    assert!(!play.lanes.confirm().await.unwrap(), "it was sealed, and the answer lost");
    play.assert_kept().await;
}

#[tokio::test(start_paused = true)]
async fn one_seed_gives_one_story() {
    let faults = Faults { unavailable: 0.2, answer_lost: 0.5, delay_ms_max: 1000, ..Faults::default() };
    let mut stories = Vec::new();
    for seed in [1, 1, 2] {
        let began = Instant::now();
        let faulty = FaultyLog::new(Arc::new(MemoryStore::default()), seed, faults);
        let mut story = Vec::new();
        for _ in 0..50 {
            story.push(faulty.seal(Incarnation(Uuid::new_v4())).await.is_ok());
        }
        stories.push((story, began.elapsed()));
    }
    assert_eq!(stories[0], stories[1]);
    assert_ne!(stories[0], stories[2]);
}
