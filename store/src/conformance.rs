//! One suite for every backend: each sentence of the contracts is checked here, once, and a backend's tests run it.
//!
//! A `check` takes a function that gives a store; each of its cases takes one and names conversations and workspaces
//! of its own, so the stores may also be one and the same. A case that fails panics and says what was promised.

use domain::{
    AgentCard, AgentId, Attributes, Author, Conversation, ConversationId, Event, EventKind, Head, Line,
    MessageId, MessageText, Name, Seq, SiteId, Start, TeamId, Timestamp, VisitorCard, VisitorId, WorkspaceId,
};
use uuid::Uuid;

use crate::{ConversationKey, Owner};

pub mod blobs;
pub mod claimants;
pub mod heads;
pub mod log;
pub mod owners;
pub mod records;
pub mod rivals;
pub mod series;

/// A conversation that a case plays, folded as its owner would.
pub(crate) struct Play {
    key: ConversationKey,
    pub(crate) team: TeamId,
    visitor: VisitorId,
    /// All of it so far.
    pub(crate) events: Vec<Event>,
    state: Conversation,
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
        let mut play = Self { key, team, visitor, events: vec![started], state };
        play.then(at_ms, by, message("the first"));
        play
    }

    /// Some conversation of no team or visitor that matters, in a workspace of its own.
    pub(crate) fn some() -> Self {
        let team = TeamId::from_uuid(Uuid::new_v4());
        Self::start(some_key(), team, VisitorId::from_uuid(Uuid::new_v4()), 1000)
    }

    /// The same so far, to go on in another way.
    fn replayed(other: &Self) -> Self {
        let state = Conversation::replay(&other.events).expect("it began with a start");
        Self { key: other.key, team: other.team, visitor: other.visitor, events: other.events.clone(), state }
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

fn some_key() -> ConversationKey {
    ConversationKey {
        workspace: WorkspaceId::from_uuid(Uuid::new_v4()),
        conversation: ConversationId::from_uuid(Uuid::new_v4()),
    }
}

fn owner(name: &str) -> Owner {
    Owner(format!("{name}#1"))
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
