//! Who may append: the node while its lanes are open, one actor after the other, and the next boot.

use std::sync::Arc;
use std::time::Duration;

use domain::{Answer, Rejection, Seq};
use futures_util::FutureExt;
use store::EventLog;
use store::faulty::{Fault, Faults, FaultyLog};

use super::fixture::{Boots, Fixture, key, place, post, start_request, visitor};
use crate::{ExecuteError, Outcome, Probe, Push, Settings, Settle, window};

#[tokio::test]
async fn however_many_ask_a_conversation_is_activated_once() {
    let fixture = Fixture::start().await;
    let next = fixture.successor().await;
    let asks = (0..50).map(|n| {
        let next = next.clone();
        tokio::spawn(async move { next.execute(key(), post(&n.to_string(), "hi")).await })
    });
    for ask in asks.collect::<Vec<_>>() {
        assert!(place(&ask.await.unwrap()).is_some());
    }
    assert_eq!(next.stats().activations, 1);
}

#[tokio::test]
async fn an_unknown_outcome_is_told_as_such_and_the_next_boot_tells_the_truth() {
    for (fault, written) in [(Fault::FailedWritten, true), (Fault::FailedLost, false)] {
        let fixture = Fixture::start().await;
        let (_subscription, mut pushes) = fixture.subscribe(8).await;
        fixture.faulty.script([fault]);
        let first = fixture.node.execute(key(), post("m", "hello")).await;
        assert!(matches!(first, Err(ExecuteError::Unknown)), "{first:?}");
        assert!(matches!(pushes.next().await, Some(Push::OwnerLost { .. })));
        let again = fixture.successor().await.execute(key(), post("m", "hello")).await.unwrap();
        assert_eq!(again.answer.is_repeated(), written, "{fault:?}");
        assert_eq!(fixture.texts().await, ["hello"], "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_outcome_that_is_not_known_in_time_is_unknown_and_the_repeat_waits_for_it() {
    let fixture = Fixture::start().await;
    let mut held = fixture.faulty.hold();
    let first = fixture.post("m");
    held.reached().await;
    let first = first.await.unwrap();
    assert!(matches!(first, Err(ExecuteError::Unknown)), "{first:?}");
    let again = fixture.post("m");
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert!(!again.is_finished());
    held.release();
    let again = again.await.unwrap().unwrap();
    assert!(matches!(again.answer, Answer::Posted { seq: Seq(2), repeated: true, .. }), "{again:?}");
    assert_eq!(fixture.texts().await, ["m"]);
    assert_eq!(fixture.node.stats().appends, 1);
}

#[tokio::test]
async fn a_conversation_that_crashed_comes_back_when_its_append_is_known() {
    for crash in ["poison", "kill"] {
        let fixture = Fixture::start().await;
        let mut held = fixture.faulty.hold();
        let first = fixture.post("first");
        held.reached().await;
        let behind = fixture.post("behind");
        fixture.until_drafted(3).await;
        if crash == "kill" {
            fixture.node.kill_all();
        } else {
            fixture.post("poison").await.unwrap().unwrap_err();
        }
        for lost in [first, behind] {
            assert!(matches!(lost.await.unwrap(), Err(ExecuteError::Unknown)), "{crash}");
        }
        let next = fixture.post("next");
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        assert!(!next.is_finished() && fixture.texts().await.is_empty(), "{crash}");
        held.release();
        assert_eq!(place(&next.await.unwrap()), Some(3), "{crash}");
        let again = fixture.post("first").await.unwrap().unwrap();
        assert!(again.answer.is_repeated(), "{crash}");
        assert_eq!(fixture.texts().await, ["first", "next"], "{crash}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_waits_too_long_for_a_crashed_one_is_told_that_nothing_was_written() {
    let fixture = Fixture::start().await;
    let mut held = fixture.faulty.hold();
    let _lost = fixture.post("first");
    held.reached().await;
    fixture.node.kill_all();
    let late = fixture.post("late").await.unwrap();
    assert!(matches!(late, Err(ExecuteError::Unavailable(_))), "{late:?}");
    held.release();
    assert_eq!(place(&fixture.post("late").await.unwrap()), Some(3));
    assert_eq!(fixture.texts().await, ["first", "late"]);
}

#[tokio::test]
async fn a_start_whose_caller_went_away_is_found_by_the_next_one() {
    let boots = Boots::over(|memory| FaultyLog::scripted(memory), Settings::default());
    let node = boots.boot(0).await;
    let mut held = boots.faulty.hold();
    let start = || {
        let node = node.clone();
        tokio::spawn(async move { node.create(key(), start_request()).await })
    };
    let first = start();
    held.reached().await;
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    let again = start();
    held.release();
    assert!(again.await.unwrap().unwrap().answer.is_repeated());
}

#[tokio::test]
async fn passivation_under_way_loses_no_command() {
    let fixture = Fixture::start().await;
    let mut held = fixture.faulty.hold();
    let first = fixture.post("one");
    held.reached().await;
    let staged = fixture.post("two");
    fixture.until_drafted(3).await;
    let node = fixture.node.clone();
    let leaving = tokio::spawn(async move { node.drain(Duration::from_secs(5)).await });
    tokio::task::yield_now().await;
    let last = fixture.post("three");
    tokio::task::yield_now().await;
    held.release();
    for posted in [first, staged, last] {
        assert!(posted.await.unwrap().is_ok());
    }
    assert_eq!(leaving.await.unwrap(), 0);
    let mut texts = fixture.texts().await;
    texts.sort();
    assert_eq!(texts, ["one", "three", "two"]);
}

#[tokio::test]
async fn a_question_about_how_it_stands_waits_for_all_that_was_asked_before() {
    let fixture = Fixture::start().await;
    let mut held = fixture.faulty.hold();
    let _first = fixture.post("one");
    held.reached().await;
    let _second = fixture.post("two");
    fixture.until_drafted(3).await;
    let node = fixture.node.clone();
    let mut settled = tokio::spawn(async move { node.ask(key(), Settle).await });
    tokio::task::yield_now().await;
    assert!((&mut settled).now_or_never().is_none());
    held.release();
    assert_eq!(settled.await.unwrap().unwrap().head.unwrap().last_seq, Seq(3));
    assert_eq!(fixture.texts().await, ["one", "two"]);
}

#[tokio::test]
async fn a_take_over_in_the_middle_of_a_group_loses_and_doubles_nothing() {
    let fixture = Fixture::start().await;
    let (_subscription, mut pushes) = fixture.subscribe(8).await;
    let mut held = fixture.faulty.hold();
    let first = fixture.post("m");
    held.reached().await;
    let behind = fixture.post("n");
    fixture.until_drafted(3).await;
    // The next node gets the same message, for its sender was told nothing yet.
    let next = fixture.successor().await;
    assert_eq!(place(&next.execute(key(), post("m", "m")).await), Some(2));
    held.release();
    for fenced in [first, behind] {
        let fenced = fenced.await.unwrap();
        assert!(matches!(fenced, Err(ExecuteError::Moved)), "{fenced:?}");
    }
    assert!(matches!(pushes.next().await, Some(Push::OwnerLost { .. })));
    assert_eq!(fixture.texts().await, ["m"]);
}

#[tokio::test]
async fn a_node_whose_lanes_ended_has_no_conversations_and_takes_none() {
    let fixture = Fixture::start().await;
    let (_subscription, mut pushes) = fixture.subscribe(8).await;
    let _next = fixture.successor().await;
    assert!(matches!(pushes.next().await, Some(Push::OwnerLost { .. })));
    assert_eq!(fixture.node.living(), []);
    for refused in [
        fixture.node.execute(key(), post("m", "hello")).await,
        fixture.node.create(key(), start_request()).await,
    ] {
        assert!(matches!(refused, Err(ExecuteError::Moved)), "{refused:?}");
    }
    assert_eq!(fixture.texts().await, [""; 0]);
}

#[tokio::test]
async fn a_sealed_node_answers_nothing_that_rests_on_no_append() {
    let fixture = Fixture::start().await;
    let next = fixture.successor().await;
    // No turn was given to the task that ends the first node.
    let probe = Probe { request: Arc::new(post("m", "m")) };
    let (sender, _pushes) = window(8, 1 << 20);
    let (probed, subscribed) = tokio::join!(
        fixture.node.ask(key(), probe),
        fixture.node.subscribe(key(), Arc::new(visitor()), sender, Seq(9)),
    );
    assert!(matches!(probed, Err(ExecuteError::Moved)), "{probed:?}");
    assert!(matches!(subscribed.err(), Some(ExecuteError::Moved)));
    let posted = next.execute(key(), post("m", "m")).await;
    assert_eq!(place(&posted), Some(2));
    // A listener who claims more than there is gets all that there is.
    let (sender, _pushes) = window(8, 1 << 20);
    let subscription = next.subscribe(key(), Arc::new(visitor()), sender, Seq(9)).await.unwrap();
    assert_eq!(subscription.last_seq, Seq(2));
}

#[tokio::test]
async fn what_no_log_has_is_not_found_by_the_next_node_either() {
    let fixture = Fixture::start().await;
    let other = store::ConversationKey { conversation: domain::Id::from_hash([9; 16]), ..key() };
    let next = fixture.successor().await;
    let refused = next.execute(other, post("m", "hello")).await;
    assert!(matches!(refused, Err(ExecuteError::Rejected(Rejection::NotFound))), "{refused:?}");
    assert_eq!(next.live().0, 0);
}

/// Boots that follow one another while the ones before still believe that they may write, over a log that fails in every
/// way that it may: each sender asks any of them, and retries with the same name until they are answered. By seed, so
/// that a failure can be run again.
#[tokio::test(start_paused = true)]
async fn boots_that_follow_on_a_failing_log_lose_double_and_reorder_nothing() {
    const FAULTS: Faults = Faults {
        unavailable: 0.03,
        answered_late: 0.1,
        written_late: 0.1,
        late_ms_max: 60,
        answer_lost: 0.1,
        unconfirmed: 0.05,
        delay_ms_max: 20,
    };
    const SENDERS: u64 = 4;
    const MESSAGES: u64 = 12;
    const BOOTS: u64 = 5;
    for seed in 0..60 {
        let boots = Boots::over(|memory| FaultyLog::new(memory, seed, FAULTS), Settings::default());
        let (booted, nodes) = tokio::sync::watch::channel(vec![boots.boot(0).await]);
        while nodes.borrow()[0].clone().create(key(), start_request()).await.is_err() {}
        let boot_all = boots.clone();
        let booting = tokio::spawn(async move {
            for generation in 1..BOOTS {
                tokio::time::sleep(Duration::from_millis(seed * 7 % 90 + 40)).await;
                let node = boot_all.boot(generation).await;
                booted.send_modify(|nodes| nodes.push(node));
            }
        });
        let senders: Vec<_> = (0..SENDERS)
            .map(|sender| {
                let nodes = nodes.clone();
                tokio::spawn(async move {
                    let mut places = Vec::new();
                    for n in 0..MESSAGES {
                        let name = format!("{sender}-{n}");
                        let mut tries = 0;
                        places.push(loop {
                            let node = {
                                let nodes = nodes.borrow();
                                let back = (sender + n + tries) % 2;
                                nodes[nodes.len().saturating_sub(1 + back as usize)].clone()
                            };
                            tries += 1;
                            match node.execute(key(), post(&name, &name)).await {
                                Ok(Outcome { answer: Answer::Posted { seq, .. }, .. }) => break (name, seq),
                                Ok(other) => panic!("{other:?}"),
                                Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
                            }
                        });
                    }
                    places
                })
            })
            .collect();
        for sender in senders {
            let acknowledged = sender.await.unwrap();
            assert!(acknowledged.windows(2).all(|pair| pair[0].1 < pair[1].1), "seed {seed}: reordered");
            let log = boots.memory.read(key(), Seq::ZERO, 512).await.unwrap();
            for (name, seq) in acknowledged {
                let event = &log[seq.0 as usize - 1];
                let kept = event.request.as_ref().map(|request| request.client_id.as_str().to_owned());
                assert_eq!(kept, Some(name), "seed {seed}: not where it was acknowledged");
            }
        }
        booting.await.unwrap();
        boots.faulty.at_rest().await;
        let texts = boots.texts().await;
        let mut kept = texts.clone();
        kept.sort();
        kept.dedup();
        assert_eq!(kept.len() as u64, SENDERS * MESSAGES, "seed {seed}: lost, doubled or made up");
        assert_eq!(texts.len(), kept.len(), "seed {seed}: doubled");
    }
}
