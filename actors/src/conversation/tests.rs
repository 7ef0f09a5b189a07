//! The conversation's actor on the in-memory log and on one that fails.

mod fixture;
mod lanes;

use std::sync::Arc;
use std::time::Duration;

use domain::{Command, Principal, Rejection, ReleaseReason, Request, Seq, State};
use store::faulty::Fault;
use store::memory::{MemoryRecords, MemoryStore};
use store::{Clock, ConversationKey, EventLog, Generation, Incarnation, Store};
use uuid::Uuid;

use crate::testing::agent;
use crate::{Authority, Custody, ExecuteError, Node, Notice, Push, Read, Settings, Typing, window};

use fixture::{Fixture, id, place, visitor};
pub(super) use fixture::{key, post, start_request};

/// A request that panics the actor that decides it.
pub(super) fn is_poisonous(request: &Request) -> bool {
    request.client_id.as_ref().is_some_and(|id| id.as_str() == "poison")
}

#[tokio::test]
async fn an_answer_comes_with_its_place_and_listeners_hear_it_in_order() {
    let fixture = Fixture::start().await;
    let (_subscription, mut pushes) = fixture.subscribe(8).await;
    for n in 0..3u64 {
        let answer = fixture.node.execute(key(), post(&n.to_string(), "hi")).await;
        assert_eq!(place(&answer), Some(n + 2));
    }
    for seq in 2..=4 {
        let Some(Push::Event { event, .. }) = pushes.next().await else { panic!("no event") };
        assert_eq!(event.seq, Seq(seq));
    }
}

#[tokio::test]
async fn what_is_asked_during_an_append_goes_out_together() {
    let fixture = Fixture::start().await;
    let mut held = fixture.faulty.hold();
    let asks: Vec<_> = (0..20)
        .map(|n| {
            let node = fixture.node.clone();
            tokio::spawn(async move { node.execute(key(), post(&n.to_string(), "hi")).await })
        })
        .collect();
    held.reached().await;
    fixture.until_drafted(21).await;
    held.release();
    for ask in asks {
        assert!(place(&ask.await.unwrap()).is_some());
    }
    let stats = fixture.node.stats();
    assert_eq!((stats.events, stats.appends), (21, 2));
}

#[tokio::test]
async fn a_refusal_waits_for_what_it_was_decided_on() {
    let fixture = Fixture::start().await;
    let mut held = fixture.faulty.hold();
    let end = Request { by: visitor(), client_id: None, command: Command::End { reason: None } };
    let node = fixture.node.clone();
    let ending = tokio::spawn(async move { node.execute(key(), end).await });
    held.reached().await;
    let node = fixture.node.clone();
    let late = tokio::spawn(async move { node.execute(key(), post("late", "too late")).await });
    while fixture.inspect().await.head().state != State::Ended {
        tokio::task::yield_now().await;
    }
    assert!(!late.is_finished());
    held.release();
    assert!(ending.await.unwrap().is_ok());
    let refused = late.await.unwrap();
    assert!(matches!(refused, Err(ExecuteError::Rejected(Rejection::ConversationEnded))), "{refused:?}");
}

#[tokio::test]
async fn a_store_that_is_not_there_writes_nothing_and_the_next_one_passes() {
    let fixture = Fixture::start().await;
    fixture.faulty.script([Fault::Unavailable]);
    let first = fixture.node.execute(key(), post("m", "hello")).await;
    assert!(matches!(first, Err(ExecuteError::Unavailable(_))), "{first:?}");
    assert!(place(&fixture.node.execute(key(), post("m", "hello")).await).is_some());
    assert_eq!(fixture.texts().await, ["hello"]);
}

#[tokio::test]
async fn more_than_may_wait_is_refused_at_once() {
    let settings = Settings { mailbox_places: 4, ..Settings::default() };
    let fixture = Fixture::with(settings).await;
    let mut held = fixture.faulty.hold();
    let waiting: Vec<_> = (0..4)
        .map(|n| {
            let node = fixture.node.clone();
            tokio::spawn(async move { node.execute(key(), post(&n.to_string(), "hi")).await })
        })
        .collect();
    held.reached().await;
    fixture.until_drafted(5).await;
    let refused = fixture.node.execute(key(), post("x", "hi")).await;
    assert!(matches!(refused, Err(ExecuteError::Overloaded)), "{refused:?}");
    held.release();
    for ask in waiting {
        assert!(ask.await.unwrap().is_ok());
    }
    assert!(fixture.node.execute(key(), post("x", "hi")).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn an_idle_conversation_leaves_memory_and_comes_back_as_it_was() {
    let fixture = Fixture::start().await;
    fixture.node.execute(key(), post("m", "hello")).await.unwrap();
    fixture.node.ask(key(), Read { who: Arc::new(visitor()), seq: Seq(2) }).await.unwrap();
    let before = fixture.inspect().await;
    tokio::time::sleep(Duration::from_secs(70)).await;
    assert_eq!(fixture.node.live().0, 0);
    assert!(fixture.node.execute(key(), post("m", "hello")).await.unwrap().answer.is_repeated());
    assert_eq!(fixture.inspect().await, before);
}

#[tokio::test(start_paused = true)]
async fn a_conversation_that_somebody_listens_to_stays() {
    let fixture = Fixture::start().await;
    let (subscription, _pushes) = fixture.subscribe(8).await;
    tokio::time::sleep(Duration::from_secs(300)).await;
    assert_eq!(fixture.node.live().0, 1);
    drop(subscription);
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(fixture.node.live().0, 0);
}

#[tokio::test]
async fn a_slow_subscriber_is_dropped_and_the_others_go_on() {
    let fixture = Fixture::start().await;
    let (_slow, never_read) = fixture.subscribe(1).await;
    let (_quick, quick) = fixture.subscribe(8).await;
    for n in 0..3 {
        fixture.node.execute(key(), post(&n.to_string(), "hi")).await.unwrap();
    }
    never_read.overflowed().await;
    assert_eq!((never_read.len(), quick.len()), (1, 3));
}

#[tokio::test(start_paused = true)]
async fn typing_ends_by_itself_and_with_a_message() {
    let fixture = Fixture::start().await;
    let system = Arc::new(Principal::System);
    let (sender, mut pushes) = window(16, 1 << 20);
    let _subscription = fixture.node.subscribe(key(), system, sender, Seq::ZERO).await.unwrap();
    let typing = |push: Option<Push>| match push {
        Some(Push::Typing { typing, preview, .. }) => (typing, preview.map(|text| text.to_string())),
        other => panic!("{other:?}"),
    };
    fixture
        .node
        .ask(key(), Typing { who: Arc::new(visitor()), typing: true, preview: Some("hel".into()) })
        .await
        .unwrap();
    assert_eq!(typing(pushes.next().await), (true, Some("hel".into())));
    let started = tokio::time::Instant::now();
    assert_eq!(typing(pushes.next().await), (false, None));
    assert_eq!(started.elapsed().as_secs(), 6);
    fixture.node.ask(key(), Typing { who: Arc::new(visitor()), typing: true, preview: None }).await.unwrap();
    assert_eq!(typing(pushes.next().await), (true, None));
    fixture.node.execute(key(), post("m", "hello")).await.unwrap();
    assert_eq!(typing(pushes.next().await), (false, None));
    assert!(matches!(pushes.next().await, Some(Push::Event { .. })));
}

#[tokio::test]
async fn a_command_that_crashes_is_refused_in_the_end_and_the_conversation_goes_on() {
    let fixture = Fixture::start().await;
    let (_subscription, mut pushes) = fixture.subscribe(8).await;
    for _ in 0..3 {
        let crash = fixture.node.execute(key(), post("poison", "x")).await;
        assert!(matches!(crash, Err(ExecuteError::Unknown)), "{crash:?}");
    }
    assert!(matches!(pushes.next().await, Some(Push::OwnerLost { .. })));
    let refused = fixture.node.execute(key(), post("poison", "x")).await;
    assert!(matches!(refused, Err(ExecuteError::Poisoned)), "{refused:?}");
    assert!(fixture.node.execute(key(), post("m", "hello")).await.is_ok());
    assert_eq!(fixture.node.stats().crashes, 3);
}

#[tokio::test]
async fn an_unknown_conversation_is_not_found_and_leaves_no_trace() {
    let fixture = Fixture::start().await;
    let other = ConversationKey { conversation: id(9), ..key() };
    let refused = fixture.node.execute(other, post("m", "hello")).await;
    assert!(matches!(refused, Err(ExecuteError::Rejected(Rejection::NotFound))), "{refused:?}");
    assert_eq!(fixture.node.live().0, 1);
}

#[tokio::test]
async fn a_start_is_answered_again_with_the_same_and_refused_with_other_content() {
    let fixture = Fixture::start().await;
    let again = fixture.node.create(key(), start_request()).await.unwrap();
    assert!(again.answer.is_repeated() && again.head.is_some());
    let mut other = start_request();
    if let Command::Start { start, .. } = &mut other.command {
        start.team = id(2);
    }
    let refused = fixture.node.create(key(), other).await;
    assert!(matches!(refused, Err(ExecuteError::Rejected(Rejection::IdempotencyConflict))), "{refused:?}");
}

#[tokio::test]
async fn the_router_hears_that_it_waits_before_its_agent_hears_of_a_free_place() {
    let memory = Arc::new(MemoryStore::default());
    let lanes = memory.open(Incarnation(Uuid::nil())).await.unwrap();
    let authority = Authority { lanes, custody: Custody::since(Generation(1)) };
    let records = Arc::new(MemoryRecords::default());
    let store = Store { log: memory.clone(), heads: memory.clone(), records, series: memory };
    let (node, mut notices) =
        Node::start(store, Clock::of_tokio(), authority, Settings::default()).await.unwrap();
    node.create(key(), start_request()).await.unwrap();
    let by = |by, command| Request { by, client_id: None, command };
    let accept = Command::Accept { take_over: false, why: None };
    node.execute(key(), by(agent(1), accept)).await.unwrap();
    while notices.try_recv().is_ok() {}

    let release = Command::Release { assignment_epoch: 1, reason: ReleaseReason::OverCapacity };
    node.execute(key(), by(Principal::System, release)).await.unwrap();
    let mut told = Vec::new();
    while let Ok(notice) = notices.try_recv() {
        match notice {
            Notice::Joined { .. } => told.push("it waits"),
            Notice::Lost { .. } => told.push("the agent lost it"),
            _ => {}
        }
    }
    assert_eq!(told, ["it waits", "the agent lost it"]);
}
