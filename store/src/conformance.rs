//! One suite for every backend: each sentence of the contracts is checked here, once, and a backend's tests run it.
//!
//! A `check` takes a function that gives a store; each of its cases takes one and names conversations and workspaces
//! of its own, so the stores may also be one and the same. A case that fails panics and says what was promised.

use std::sync::Arc;

use domain::{
    AgentCard, AgentId, Attributes, Author, Conversation, ConversationId, Event, EventKind, Head, Line,
    MessageId, MessageText, Name, Seq, SiteId, Start, TeamId, Timestamp, VisitorCard, VisitorId, WorkspaceId,
};
use uuid::Uuid;

use crate::{
    Append, ConversationKey, EventLog, Generation, Group, Incarnation, Lanes, OpenLanesError, StoreError,
};

pub mod blobs;
pub mod claimants;
pub mod heads;
pub mod journal;
pub mod log;
pub mod owners;
pub mod records;
pub mod rivals;
pub mod series;

/// A conversation that a case plays, folded as its owner would. A clone goes on in another way.
#[derive(Clone)]
pub(crate) struct Play {
    key: ConversationKey,
    pub(crate) team: TeamId,
    visitor: VisitorId,
    /// All of it so far.
    pub(crate) events: Vec<Event>,
    state: Conversation,
    /// As of the last event that was acknowledged; none: none was.
    stored: Option<Head>,
}

/// A boot that a case starts.
pub(crate) struct Boot {
    lanes: Arc<dyn Lanes>,
    generation: Generation,
}

/// Asks a store that may be cut off until it answers.
async fn until_done<T>(call: impl AsyncFn() -> Result<T, StoreError>) -> T {
    loop {
        match call().await {
            Ok(answer) => return answer,
            Err(_) => tokio::task::yield_now().await,
        }
    }
}

/// Opens lanes of a new boot, which nobody seals, at a store that may be cut off.
async fn open(log: &dyn EventLog) -> Arc<dyn Lanes> {
    let incarnation = Incarnation(Uuid::new_v4());
    let opened = async || match log.open(incarnation).await {
        Ok(lanes) => Ok(lanes),
        Err(OpenLanesError::Sealed) => panic!("nobody sealed {incarnation:?}"),
        Err(OpenLanesError::Store(error)) => Err(error),
    };
    until_done(opened).await
}

impl Play {
    /// Starts with one message, so with two events, at `at_ms`.
    fn start(key: ConversationKey, team: TeamId, visitor: VisitorId, at_ms: u64) -> Self {
        let card = VisitorCard { id: visitor, name: Some(name("Vera")), email: None, verified: false };
        let start = Start {
            site: SiteId::from_uuid(Uuid::nil()),
            team,
            visitor: card,
            subject: None,
            attributes: Attributes::default(),
        };
        let by = Author::Visitor { id: visitor, name: Some(name("Vera")) };
        let at = Timestamp::from_ms(at_ms);
        let started =
            Event { seq: Seq(1), at, by: by.clone(), request: None, kind: EventKind::Started(start) };
        let state = Conversation::begin(&started).expect("it is a start");
        let mut play = Self { key, team, visitor, events: vec![started], state, stored: None };
        play.then(at_ms, by, message("the first"));
        play
    }

    /// Some conversation of no team or visitor that matters, in a workspace of its own.
    pub(crate) fn some() -> Self {
        let team = TeamId::from_uuid(Uuid::new_v4());
        Self::start(some_key(), team, VisitorId::from_uuid(Uuid::new_v4()), 1000)
    }

    /// The next event.
    pub(crate) fn then(&mut self, at_ms: u64, by: Author, kind: EventKind) -> Event {
        let seq = self.tail().next();
        let event = Event { seq, at: Timestamp::from_ms(at_ms), by, request: None, kind };
        self.state.apply(&event);
        self.events.push(event.clone());
        event
    }

    /// The visitor says so many things.
    fn says(&mut self, at_ms: u64, times: usize) -> Vec<Event> {
        let by = Author::Visitor { id: self.visitor, name: None };
        (0..times).map(|n| self.then(at_ms, by.clone(), message(&format!("message {n}")))).collect()
    }

    fn tail(&self) -> Seq {
        self.head().last_seq
    }

    pub(crate) fn head(&self) -> &Head {
        self.state.head()
    }
}

impl Boot {
    /// The first, second ... of a case.
    pub(crate) async fn start(log: &dyn EventLog, number: u64) -> Self {
        let opened = log.open(Incarnation(Uuid::new_v4())).await;
        Self { lanes: opened.expect("nobody sealed it"), generation: Generation(number) }
    }

    fn incarnation(&self) -> Incarnation {
        self.lanes.incarnation()
    }

    /// Appends what the play has beyond what is stored.
    async fn append(&self, play: &mut Play) -> Append {
        self.try_append(play).await.expect("the store is there")
    }

    async fn try_append(&self, play: &mut Play) -> Result<Append, StoreError> {
        let head = play.head().clone();
        self.append_as(play, head).await
    }

    /// The same, with another head than the play has.
    async fn append_as(&self, play: &mut Play, head: Head) -> Result<Append, StoreError> {
        let before = play.stored.as_ref();
        let tail = before.map_or(0, |before| before.last_seq.0);
        let events = &play.events[tail as usize..];
        let group = Group { key: play.key, generation: self.generation, before, events, head: &head };
        let appended = self.lanes.append(group).await?;
        if appended == Append::Applied {
            play.stored = Some(head);
        }
        Ok(appended)
    }

    /// Appends a play that was just started.
    async fn begin(&self, play: &mut Play) {
        assert_eq!(self.append(play).await, Append::Applied, "a new log is made");
    }
}

fn some_key() -> ConversationKey {
    ConversationKey {
        workspace: WorkspaceId::from_uuid(Uuid::new_v4()),
        conversation: ConversationId::from_uuid(Uuid::new_v4()),
    }
}

fn name(text: &str) -> Name {
    Line::parse(text).expect("a name of a case is a line")
}

fn card(id: AgentId) -> AgentCard {
    AgentCard { id, name: name("Ann") }
}

fn message(text: &str) -> EventKind {
    let text = MessageText::parse(text, MessageText::BYTES_MAX).expect("a text of a case is one");
    let message_id = MessageId::from_uuid(Uuid::new_v4());
    EventKind::MessagePosted { message_id, text: Some(text), files: Vec::new() }
}
