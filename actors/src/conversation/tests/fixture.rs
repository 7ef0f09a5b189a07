//! A node whose log fails as a test says, and nodes that boot after it.

use std::sync::Arc;

use domain::{
    Answer, Attributes, ClientId, Command, Conversation, EventKind, MessageText, Principal, Request, Seq,
    SiteId, Start, Timestamp, VisitorCard, VisitorId,
};
use store::faulty::FaultyLog;
use store::memory::{MemoryRecords, MemoryStore};
use store::{Clock, ConversationKey, EventLog, Generation, Incarnation, Store};
use uuid::Uuid;

use crate::{Authority, Custody, ExecuteError, Node, Outcome, PushReceiver, Settings, Subscription, window};

pub(super) fn id<K: domain::Kind>(n: u8) -> domain::Id<K> {
    domain::Id::from_hash([n; 16])
}

pub(in crate::conversation) fn key() -> ConversationKey {
    ConversationKey { workspace: id(1), conversation: id(1) }
}

pub(super) fn visitor() -> Principal {
    Principal::Visitor { id: id(1), site: id(1), name: None }
}

pub(in crate::conversation) fn start_request() -> Request {
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

pub(in crate::conversation) fn post(client_id: &str, words: &str) -> Request {
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

/// A log that fails, and the boots of nodes over it.
#[derive(Clone)]
pub(super) struct Boots {
    pub(super) memory: Arc<MemoryStore>,
    pub(super) faulty: FaultyLog,
    settings: Settings,
}

impl Boots {
    pub(super) fn over(faulty: impl FnOnce(Arc<MemoryStore>) -> FaultyLog, settings: Settings) -> Self {
        let memory = Arc::new(MemoryStore::default());
        Self { faulty: faulty(Arc::clone(&memory)), memory, settings }
    }

    /// A node that boots as the `generation`th, of which those before are sealed. The calls that fail are made again.
    pub(super) async fn boot(&self, generation: u64) -> Node {
        for before in 0..generation {
            while self.faulty.seal(incarnation(before)).await.is_err() {}
        }
        let lanes = loop {
            if let Ok(lanes) = self.faulty.open(incarnation(generation)).await {
                break lanes;
            }
        };
        let records = Arc::new(MemoryRecords::default());
        let log: Arc<dyn EventLog> = Arc::new(self.faulty.clone());
        let store = Store { log, heads: self.memory.clone(), records, series: self.memory.clone() };
        let clock = Clock::by_hand(Timestamp::from_ms(1_000));
        let authority = Authority { lanes, custody: Custody::since(Generation(generation)) };
        let (node, mut notices) = Node::start(store, clock, authority, self.settings.clone()).await.unwrap();
        tokio::spawn(async move { while notices.recv().await.is_some() {} });
        node
    }

    pub(super) async fn texts(&self) -> Vec<String> {
        let events = self.memory.read(key(), Seq::ZERO, 512).await.unwrap();
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
}

fn incarnation(n: u64) -> Incarnation {
    Incarnation(Uuid::from_u64_pair(0, n))
}

/// A first node, with the conversation.
pub(super) struct Fixture {
    pub(super) boots: Boots,
    pub(super) faulty: FaultyLog,
    pub(super) node: Node,
}

impl Fixture {
    pub(super) async fn start() -> Self {
        Self::with(Settings::default()).await
    }

    pub(super) async fn with(settings: Settings) -> Self {
        let boots = Boots::over(|memory| FaultyLog::scripted(memory), settings);
        let node = boots.boot(0).await;
        node.create(key(), start_request()).await.unwrap();
        Self { faulty: boots.faulty.clone(), boots, node }
    }

    /// The next node, for which the first one was sealed.
    pub(super) async fn successor(&self) -> Node {
        self.boots.boot(1).await
    }

    pub(super) async fn texts(&self) -> Vec<String> {
        self.boots.texts().await
    }

    pub(super) async fn subscribe(&self, pushes: usize) -> (Subscription, PushReceiver) {
        let (sender, receiver) = window(pushes, 1 << 20);
        (self.node.subscribe(key(), Arc::new(visitor()), sender, Seq::ZERO).await.unwrap(), receiver)
    }

    pub(super) async fn inspect(&self) -> Conversation {
        self.node.inspect(key()).await
    }

    /// Waits until the draft has so many events.
    pub(super) async fn until_drafted(&self, seq: u64) {
        while self.inspect().await.head().last_seq < Seq(seq) {
            tokio::task::yield_now().await;
        }
    }

    /// Posts beside the test.
    pub(super) fn post(&self, name: &str) -> tokio::task::JoinHandle<Result<Outcome, ExecuteError>> {
        let (node, request) = (self.node.clone(), post(name, name));
        tokio::spawn(async move { node.execute(key(), request).await })
    }
}

pub(super) fn place(outcome: &Result<Outcome, ExecuteError>) -> Option<u64> {
    match outcome {
        Ok(Outcome { answer: Answer::Posted { seq, .. }, .. }) => Some(seq.0),
        _ => None,
    }
}
