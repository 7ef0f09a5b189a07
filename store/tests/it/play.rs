//! A conversation to store: its events, numbered, and its head.

use std::sync::Arc;

use domain::{
    Attributes, Author, Conversation, ConversationId, Event, EventKind, Head, MessageId, MessageText, Seq,
    SiteId, Start, TeamId, Timestamp, VisitorCard, VisitorId, WorkspaceId,
};
use store::{Append, Claim, ConversationKey, Created, EventLog, Owner, StoreError};
use uuid::Uuid;

/// A conversation and the claim on its log.
#[derive(Clone)]
pub(crate) struct Play {
    pub(crate) log: Arc<dyn EventLog>,
    pub(crate) key: ConversationKey,
    pub(crate) claim: Claim,
    pub(crate) head: Head,
    pub(crate) events: Vec<Event>,
}

fn event(seq: u64, kind: EventKind) -> Event {
    Event { seq: Seq(seq), at: Timestamp::from_ms(1000 + seq), by: Author::System, request: None, kind }
}

impl Play {
    /// Makes a log of one event.
    pub(crate) async fn start(log: &Arc<dyn EventLog>, workspace: WorkspaceId) -> Result<Self, StoreError> {
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
        match log.create(key, &Owner("a#1".into()), &events, &head).await? {
            Created::New(claim) => Ok(Self { log: log.clone(), key, claim, head, events }),
            other => panic!("a new log is made, not {other:?}"),
        }
    }

    /// Appends one message; remembers it if it was applied.
    pub(crate) async fn post(&mut self, text: &str) -> Result<Append, StoreError> {
        let tail = self.head.last_seq;
        let text = Some(MessageText::parse(text, MessageText::BYTES_MAX).unwrap());
        let message_id = MessageId::from_uuid(Uuid::new_v4());
        let posted = event(tail.0 + 1, EventKind::MessagePosted { message_id, text, files: Vec::new() });
        let head = Head { last_seq: posted.seq, last_event_at: posted.at, ..self.head.clone() };
        let append = self.log.append(&self.claim, tail, std::slice::from_ref(&posted), &head).await?;
        if append == Append::Applied {
            self.head = head;
            self.events.push(posted);
        }
        Ok(append)
    }

    /// Does the log have what was applied, and nothing else?
    pub(crate) async fn assert_kept(&self) {
        assert_eq!(self.log.read(self.key, Seq::ZERO, 500).await.unwrap(), self.events);
    }
}
