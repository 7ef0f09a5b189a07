//! That the log which fails for tests fails as it says.

use std::sync::Arc;

use store::faulty::{Fault, Faults, FaultyLog};
use store::memory::MemoryStore;
use store::{Append, ClaimError, EventLog, Owner, StoreError};

use crate::play::Play;
use crate::sandbox::some_workspace;

async fn start(faulty: &Arc<FaultyLog>) -> Play {
    let log: Arc<dyn EventLog> = faulty.clone();
    Play::start(&log, some_workspace()).await.unwrap()
}

/// How many events the log has.
async fn count(play: &Play) -> u64 {
    play.log.peek(play.key).await.unwrap().unwrap().last_seq.0
}

#[tokio::test]
async fn a_script_says_what_the_next_writes_come_to() {
    let faulty = Arc::new(FaultyLog::scripted(Arc::new(MemoryStore::default())));
    let mut play = start(&faulty).await;
    faulty.script([Fault::Unavailable, Fault::None, Fault::UnknownLost, Fault::UnknownApplied]);
    assert!(matches!(play.post("1").await, Err(StoreError::Unavailable(_))));
    assert_eq!(count(&play).await, 1);
    assert_eq!(play.post("2").await.unwrap(), Append::Applied);
    assert_eq!(count(&play).await, 2);
    assert_eq!(play.post("3").await.unwrap(), Append::Unknown);
    assert_eq!(count(&play).await, 2, "lost");
    assert_eq!(play.post("4").await.unwrap(), Append::Unknown);
    assert_eq!(count(&play).await, 3, "written, and only the answer is unknown");
}

#[tokio::test]
async fn a_late_write_comes_after_the_next_call_unless_that_is_a_claim() {
    let faulty = Arc::new(FaultyLog::scripted(Arc::new(MemoryStore::default())));
    let mut play = start(&faulty).await;
    faulty.script([Fault::UnknownLate]);
    assert_eq!(play.post("late").await.unwrap(), Append::Unknown);
    assert_eq!(faulty.late(), 1);
    assert_eq!(count(&play).await, 1, "a read does not see what is on its way");
    assert_eq!(count(&play).await, 2, "and may be overtaken by it");
    assert_eq!(faulty.late(), 0);

    play.claim = play.log.claim(play.key, &Owner("b#1".into()), None).await.unwrap();
    play.head.last_seq = play.claim.last_seq;
    faulty.script([Fault::UnknownLate]);
    assert_eq!(play.post("too late").await.unwrap(), Append::Unknown);
    play.log.claim(play.key, &Owner("c#1".into()), None).await.unwrap();
    assert_eq!((faulty.late(), count(&play).await), (0, 2), "a claim is not overtaken");
}

#[tokio::test]
async fn a_held_append_waits_while_others_take_over() {
    let faulty = Arc::new(FaultyLog::scripted(Arc::new(MemoryStore::default())));
    let play = start(&faulty).await;
    let mut held = faulty.hold();
    let post = tokio::spawn({
        let mut play = play.clone();
        async move { play.post("held").await.unwrap() }
    });
    held.reached().await;
    play.log.claim(play.key, &Owner("b#1".into()), None).await.unwrap();
    held.release();
    assert!(matches!(post.await.unwrap(), Append::Fenced { .. }));

    drop(faulty.hold());
    let mut next = start(&faulty).await;
    assert_eq!(next.post("not held").await.unwrap(), Append::Applied, "a dropped hold holds nothing");
}

#[tokio::test(start_paused = true)]
async fn one_seed_gives_one_story() {
    let faults = Faults { unavailable: 0.2, claim_answer_lost: 0.5, delay_ms_max: 1000, ..Faults::default() };
    let mut stories = Vec::new();
    for seed in [1, 1, 2] {
        let began = tokio::time::Instant::now();
        let faulty = FaultyLog::new(Arc::new(MemoryStore::default()), seed, faults);
        let key = start(&Arc::new(FaultyLog::scripted(Arc::new(MemoryStore::default())))).await.key;
        let mut story = Vec::new();
        for _ in 0..50 {
            match faulty.claim(key, &Owner("a#1".into()), None).await {
                Err(ClaimError::Missing) => story.push("made"),
                Err(ClaimError::Store(_)) => story.push("lost"),
                other => panic!("{other:?}"),
            }
        }
        stories.push((story, began.elapsed()));
    }
    assert_eq!(stories[0], stories[1]);
    assert_ne!(stories[0], stories[2]);
}
