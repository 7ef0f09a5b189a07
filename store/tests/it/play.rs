//! A conversation to store: its events, numbered, and its head.

use std::sync::Arc;

use domain::{
    Attributes, Author, Conversation, ConversationId, Event, EventKind, Head, MessageId, MessageText, Seq,
    SiteId, Start, TeamId, Timestamp, VisitorCard, VisitorId, WorkspaceId,
};
use store::{Append, ConversationKey, EventLog, Generation, Group, Incarnation, Lanes, StoreError};
use uuid::Uuid;

pub(crate) fn some_workspace() -> WorkspaceId {
    WorkspaceId::from_uuid(Uuid::new_v4())
}

/// Lanes of a new boot.
pub(crate) async fn open(log: &Arc<dyn EventLog>) -> Arc<dyn Lanes> {
    log.open(Incarnation(Uuid::new_v4())).await.unwrap()
}

/// A conversation and the lanes through which it is written.
#[derive(Clone)]
pub(crate) struct Play {
    pub(crate) log: Arc<dyn EventLog>,
    pub(crate) lanes: Arc<dyn Lanes>,
    pub(crate) key: ConversationKey,
    pub(crate) head: Head,
    pub(crate) events: Vec<Event>,
}

fn event(seq: u64, kind: EventKind) -> Event {
    Event { seq: Seq(seq), at: Timestamp::from_ms(1000 + seq), by: Author::System, request: None, kind }
}

impl Play {
    /// Makes a log of one event, through lanes of its own.
    pub(crate) async fn start(log: &Arc<dyn EventLog>, workspace: WorkspaceId) -> Result<Self, StoreError> {
        Self::start_in(log, &open(log).await, workspace).await
    }

    /// Makes a log of one event.
    pub(crate) async fn start_in(
        log: &Arc<dyn EventLog>,
        lanes: &Arc<dyn Lanes>,
        workspace: WorkspaceId,
    ) -> Result<Self, StoreError> {
        let id = VisitorId::from_uuid(Uuid::new_v4());
        let started = event(
            1,
            EventKind::Started(Start {
                site: SiteId::from_uuid(Uuid::nil()),
                team: TeamId::from_uuid(Uuid::nil()),
                visitor: VisitorCard { id, name: None, email: None, verified: false },
                subject: None,
                attributes: Attributes::default(),
            }),
        );
        let head = Conversation::begin(&started).unwrap().head().clone();
        let key = ConversationKey { workspace, conversation: ConversationId::from_uuid(Uuid::new_v4()) };
        let events = vec![started];
        let group = Group { key, generation: Generation(1), before: None, events: &events, head: &head };
        assert_eq!(lanes.append(group).await?, Append::Applied, "a new log is made");
        Ok(Self { log: log.clone(), lanes: lanes.clone(), key, head, events })
    }

    /// Appends one message; remembers it if it was applied.
    pub(crate) async fn post(&mut self, text: &str) -> Result<Append, StoreError> {
        let tail = self.head.last_seq;
        let text = Some(MessageText::parse(text, MessageText::BYTES_MAX).unwrap());
        let message_id = MessageId::from_uuid(Uuid::new_v4());
        let posted = event(tail.0 + 1, EventKind::MessagePosted { message_id, text, files: Vec::new() });
        let head = Head { last_seq: posted.seq, last_event_at: posted.at, ..self.head.clone() };
        let (key, events) = (self.key, std::slice::from_ref(&posted));
        let group = Group { key, generation: Generation(1), before: Some(&self.head), events, head: &head };
        let append = self.lanes.append(group).await?;
        if append == Append::Applied {
            self.head = head;
            self.events.push(posted);
        }
        Ok(append)
    }

    /// Appends one message after which the head is as `change` makes it.
    pub(crate) async fn post_with(&mut self, change: impl FnOnce(&mut Head)) {
        let mut head = self.head.clone();
        change(&mut head);
        let message_id = MessageId::from_uuid(Uuid::new_v4());
        let seq = self.head.last_seq.next();
        let text = Some(MessageText::parse("hi", MessageText::BYTES_MAX).unwrap());
        let posted = event(seq.0, EventKind::MessagePosted { message_id, text, files: Vec::new() });
        head.last_seq = seq;
        let (key, events) = (self.key, std::slice::from_ref(&posted));
        let group = Group { key, generation: Generation(1), before: Some(&self.head), events, head: &head };
        assert_eq!(self.lanes.append(group).await.unwrap(), Append::Applied);
        self.head = head;
        self.events.push(posted);
    }

    /// Does the log have what was applied, and nothing else?
    pub(crate) async fn assert_kept(&self) {
        assert_eq!(self.log.read(self.key, Seq::ZERO, 500).await.unwrap(), self.events);
    }
}
