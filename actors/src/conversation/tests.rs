//! The conversation's actor on the in-memory log and on one that fails.

use std::sync::Arc;
use std::time::Duration;

use domain::{
    Answer, Attributes, ClientId, Command, Conversation, EventKind, MessageText, Principal, Rejection,
    ReleaseReason, Request, Seq, SiteId, Start, State, Timestamp, VisitorCard, VisitorId,
};
use store::faulty::{Fault, Faults, FaultyLog};
use store::memory::{MemoryRecords, MemoryStore};
use store::{Clock, ConversationKey, EventLog, Owner, Records, Store, StoreError};

use crate::testing::agent;
use crate::{
    ExecuteError, Node, Notice, Outcome, Probe, Push, PushReceiver, Read, Settings, Subscription, Typing,
    window,
};

/// A request that panics the actor that decides it.
pub(super) fn is_poisonous(request: &Request) -> bool {
    request.client_id.as_ref().is_some_and(|id| id.as_str() == "poison")
}

fn id<K: domain::Kind>(n: u8) -> domain::Id<K> {
    domain::Id::from_hash([n; 16])
}

fn key() -> ConversationKey {
    ConversationKey { workspace: id(1), conversation: id(1) }
}

fn visitor() -> Principal {
    Principal::Visitor { id: id(1), site: id(1), name: None }
}

fn start_request() -> Request {
    let visitor_id: VisitorId = id(1);
    let site: SiteId = id(1);
    let start = Start {
        site,
        team: id(1),
        visitor: VisitorCard { id: visitor_id, name: None, email: None, verified: false },
        subject: None,
        attributes: Attributes::default(),
    };
    let client_id = Some(ClientId::parse("start").unwrap());
    Request { by: visitor(), client_id, command: Command::Start { start, first: None } }
}

fn post(client_id: &str, words: &str) -> Request {
    Request {
        by: visitor(),
        client_id: Some(ClientId::parse(client_id).unwrap()),
        command: Command::PostMessage {
            message_id: domain::Id::from_uuid(uuid::Uuid::new_v4()),
            text: Some(MessageText::parse(words, 1000).unwrap()),
            files: Vec::new(),
            note: false,
        },
    }
}

/// A node over a log, as a crashed or rival one would stand beside it.
async fn node_over(
    log: Arc<dyn EventLog>,
    memory: &Arc<MemoryStore>,
    name: &str,
    settings: Settings,
) -> Node {
    let records: Arc<dyn Records> = Arc::new(NoRecords);
    let store = Store { log, heads: memory.clone(), records, series: memory.clone() };
    let clock = Clock::by_hand(Timestamp::from_ms(1_000));
    let (node, mut notices) = Node::start(store, clock, Owner(name.into()), settings).await.unwrap();
    tokio::spawn(async move { while notices.recv().await.is_some() {} });
    node
}

/// These tests know no agents, so nothing is looked up.
struct NoRecords;

#[async_trait::async_trait]
impl Records for NoRecords {
    async fn insert(
        &self,
        _: store::RecordKind,
        _: store::Record,
        _: &[store::Unique],
    ) -> Result<(), store::RecordError> {
        Err(StoreError::Unavailable("no records here".into()).into())
    }
    async fn update(
        &self,
        _: store::RecordKind,
        _: store::Record,
        _: &[store::Unique],
    ) -> Result<(), store::RecordError> {
        Err(StoreError::Unavailable("no records here".into()).into())
    }
    async fn delete(
        &self,
        _: domain::WorkspaceId,
        _: store::RecordKind,
        _: &str,
        _: Option<u64>,
    ) -> Result<(), store::RecordError> {
        Err(StoreError::Unavailable("no records here".into()).into())
    }
    async fn get(
        &self,
        _: domain::WorkspaceId,
        _: store::RecordKind,
        _: &str,
    ) -> Result<Option<store::Record>, StoreError> {
        Ok(None)
    }
    async fn find(
        &self,
        _: domain::WorkspaceId,
        _: store::RecordKind,
        _: &store::Unique,
    ) -> Result<Option<store::Record>, StoreError> {
        Ok(None)
    }
    async fn list(
        &self,
        _: domain::WorkspaceId,
        _: store::RecordKind,
        _: Option<&str>,
        _: usize,
    ) -> Result<Vec<store::Record>, StoreError> {
        Ok(Vec::new())
    }
    async fn expire(&self, _: Timestamp, _: usize) -> Result<usize, StoreError> {
        Ok(0)
    }
}

struct Fixture {
    memory: Arc<MemoryStore>,
    faulty: Arc<FaultyLog>,
    node: Node,
}

impl Fixture {
    async fn start() -> Self {
        Self::with(Settings::default()).await
    }

    async fn with(settings: Settings) -> Self {
        let memory = Arc::new(MemoryStore::default());
        let faulty = Arc::new(FaultyLog::scripted(memory.clone()));
        let node = node_over(faulty.clone(), &memory, "a#1", settings).await;
        node.create(key(), start_request()).await.unwrap();
        Self { memory, faulty, node }
    }

    async fn rival(&self) -> Node {
        node_over(self.faulty.clone(), &self.memory, "b#1", Settings::default()).await
    }

    async fn texts(&self) -> Vec<String> {
        texts(&*self.memory).await
    }

    async fn subscribe(&self, pushes: usize) -> (Subscription, PushReceiver) {
        let (sender, receiver) = window(pushes, 1 << 20);
        (self.node.subscribe(key(), Arc::new(visitor()), sender, Seq::ZERO).await.unwrap(), receiver)
    }
}

async fn texts(log: &dyn EventLog) -> Vec<String> {
    let events = log.read(key(), Seq::ZERO, 512).await.unwrap();
    for (place, event) in events.iter().enumerate() {
        assert_eq!(event.seq, Seq(place as u64 + 1), "a log has no holes");
    }
    events
        .iter()
        .filter_map(|event| match &event.kind {
            EventKind::MessagePosted { text, .. } => text.as_ref().map(|text| text.as_str().to_owned()),
            _ => None,
        })
        .collect()
}

fn place(outcome: &Result<Outcome, ExecuteError>) -> Option<u64> {
    match outcome {
        Ok(Outcome { answer: Answer::Posted { seq, .. }, .. }) => Some(seq.0),
        _ => None,
    }
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
async fn however_many_ask_a_conversation_is_activated_once() {
    let fixture = Fixture::start().await;
    let rival = fixture.rival().await;
    let asks = (0..50).map(|n| {
        let rival = rival.clone();
        tokio::spawn(async move { rival.execute(key(), post(&n.to_string(), "hi")).await })
    });
    for ask in asks.collect::<Vec<_>>() {
        assert!(place(&ask.await.unwrap()).is_some());
    }
    assert_eq!(rival.stats().activations, 1);
    assert_eq!(fixture.memory.peek(key()).await.unwrap().unwrap().epoch, store::Epoch(2));
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
    while fixture.inspect().await.head().last_seq < Seq(21) {
        tokio::task::yield_now().await;
    }
    held.release();
    for ask in asks {
        assert!(place(&ask.await.unwrap()).is_some());
    }
    let stats = fixture.node.stats();
    assert_eq!((stats.events, stats.appends), (21, 2));
}

impl Fixture {
    async fn inspect(&self) -> Conversation {
        self.node.inspect(key()).await
    }
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
async fn an_unknown_outcome_is_told_as_such_and_the_repeat_tells_the_truth() {
    // The late one lands right before the next claim, which then finds it.
    for (fault, written) in
        [(Fault::UnknownApplied, true), (Fault::UnknownLost, false), (Fault::UnknownLate, true)]
    {
        let fixture = Fixture::start().await;
        let (_subscription, mut pushes) = fixture.subscribe(8).await;
        fixture.faulty.script([fault]);
        let first = fixture.node.execute(key(), post("m", "hello")).await;
        assert!(matches!(first, Err(ExecuteError::Unknown)), "{first:?}");
        assert!(matches!(pushes.next().await, Some(Push::OwnerLost { .. })));
        let again = fixture.node.execute(key(), post("m", "hello")).await.unwrap();
        assert_eq!(again.answer.is_repeated(), written, "{fault:?}");
        assert_eq!(fixture.texts().await, ["hello"], "{fault:?}");
    }
}

#[tokio::test]
async fn a_store_that_is_not_there_writes_nothing_and_the_next_one_passes() {
    let fixture = Fixture::start().await;
    fixture.faulty.script([Fault::Unavailable]);
    let first = fixture.node.execute(key(), post("m", "hello")).await;
    assert!(matches!(first, Err(ExecuteError::Store(StoreError::Unavailable(_)))), "{first:?}");
    assert!(place(&fixture.node.execute(key(), post("m", "hello")).await).is_some());
    assert_eq!(fixture.texts().await, ["hello"]);
}

#[tokio::test]
async fn a_take_over_in_the_middle_of_a_group_loses_and_doubles_nothing() {
    let fixture = Fixture::start().await;
    let mut held = fixture.faulty.hold();
    let node = fixture.node.clone();
    let first = tokio::spawn(async move { node.execute(key(), post("m", "hello")).await });
    held.reached().await;
    // The rival takes over and gets the same message, for its sender was told nothing yet.
    let rival = fixture.rival().await;
    assert_eq!(place(&rival.execute(key(), post("m", "hello")).await), Some(2));
    held.release();
    let fenced = first.await.unwrap();
    assert!(matches!(fenced, Err(ExecuteError::Unknown)), "{fenced:?}");
    assert_eq!(place(&fixture.node.execute(key(), post("m", "hello")).await), Some(2));
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
    while fixture.inspect().await.head().last_seq < Seq(5) {
        tokio::task::yield_now().await;
    }
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
    assert_eq!(fixture.memory.peek(key()).await.unwrap().unwrap().owner, Owner(String::new()));
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
async fn passivation_under_way_loses_no_command() {
    let fixture = Fixture::start().await;
    let mut held = fixture.faulty.hold();
    let node = fixture.node.clone();
    let first = tokio::spawn(async move { node.execute(key(), post("1", "one")).await });
    held.reached().await;
    let node = fixture.node.clone();
    let leaving = tokio::spawn(async move { node.drain(Duration::from_secs(5)).await });
    held.release();
    let second = fixture.node.execute(key(), post("2", "two")).await;
    assert!(first.await.unwrap().is_ok() && second.is_ok());
    assert_eq!(leaving.await.unwrap(), 0);
    assert_eq!(fixture.texts().await, ["one", "two"]);
}

#[tokio::test]
async fn a_slow_subscriber_is_dropped_and_the_others_go_on() {
    let fixture = Fixture::start().await;
    let (_slow, never_read) = fixture.subscribe(1).await;
    let (_quick, quick) = fixture.subscribe(8).await;
    for n in 0..3 {
        fixture.node.execute(key(), post(&n.to_string(), "hi")).await.unwrap();
    }
    never_read.overflow().happened().await;
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
async fn an_overtaken_owner_does_not_say_what_would_change() {
    let fixture = Fixture::start().await;
    fixture.rival().await.execute(key(), post("1", "one")).await.unwrap();
    let probed = fixture.node.ask(key(), Probe { request: Arc::new(post("1", "one")) }).await.unwrap();
    assert!(matches!(probed.answer, Answer::Posted { repeated: true, .. }), "{probed:?}");
}

#[tokio::test]
async fn who_knows_more_than_an_overtaken_owner_is_told_by_the_next_one() {
    let fixture = Fixture::start().await;
    let posted = fixture.rival().await.execute(key(), post("1", "one")).await;
    let known = Seq(place(&posted).unwrap());
    for after in [known, Seq(known.0 + 1)] {
        let (sender, _pushes) = window(8, 1 << 20);
        let subscription = fixture.node.subscribe(key(), Arc::new(visitor()), sender, after).await.unwrap();
        assert_eq!(subscription.last_seq, known);
    }
}

/// Two nodes that both believe they own the conversation, over a log that fails in every way that it may: each
/// sender retries with the same name until they are answered. By seed, so that a failure can be run again.
#[tokio::test(start_paused = true)]
async fn rival_owners_on_a_failing_log_lose_double_and_reorder_nothing() {
    const FAULTS: Faults = Faults {
        unavailable: 0.03,
        unknown_applied: 0.08,
        unknown_lost: 0.08,
        unknown_late: 0.08,
        claim_answer_lost: 0.1,
        delay_ms_max: 20,
    };
    const SENDERS: u64 = 4;
    const MESSAGES: u64 = 12;
    for seed in 0..60 {
        let memory = Arc::new(MemoryStore::default());
        let faulty: Arc<dyn EventLog> = Arc::new(FaultyLog::new(memory.clone(), seed, FAULTS));
        let mut nodes = Vec::new();
        for name in ["a#1", "b#1"] {
            nodes.push(node_over(faulty.clone(), &memory, name, Settings::default()).await);
        }
        while nodes[0].create(key(), start_request()).await.is_err() {}
        let senders: Vec<_> = (0..SENDERS)
            .map(|sender| {
                let nodes = nodes.clone();
                tokio::spawn(async move {
                    let mut places = Vec::new();
                    for n in 0..MESSAGES {
                        let name = format!("{sender}-{n}");
                        let mut tries = 0;
                        places.push(loop {
                            let node = &nodes[((sender + n + tries) % 2) as usize];
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
            let log = memory.read(key(), Seq::ZERO, 512).await.unwrap();
            for (name, seq) in acknowledged {
                let event = &log[seq.0 as usize - 1];
                let kept = event.request.as_ref().map(|request| request.client_id.as_str().to_owned());
                assert_eq!(kept, Some(name), "seed {seed}: not where it was acknowledged");
            }
        }
        let mut kept = texts(&*memory).await;
        kept.sort();
        kept.dedup();
        assert_eq!(kept.len() as u64, SENDERS * MESSAGES, "seed {seed}: lost, doubled or made up");
        assert_eq!(texts(&*memory).await.len(), kept.len(), "seed {seed}: doubled");
    }
}

#[tokio::test]
async fn the_router_hears_that_it_waits_before_its_agent_hears_of_a_free_place() {
    let memory = Arc::new(MemoryStore::default());
    let records = Arc::new(MemoryRecords::default());
    let store = Store { log: memory.clone(), heads: memory.clone(), records, series: memory };
    let (node, mut notices) =
        Node::start(store, Clock::of_tokio(), Owner("a#1".into()), Settings::default()).await.unwrap();
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
