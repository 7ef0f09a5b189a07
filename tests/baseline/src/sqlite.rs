//! Messages in Switchboard's own SQLite log: the same events, heads and writer, but nobody decides anything.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail};
use domain::{
    Attributes, Author, ClientId, Conversation, ConversationId, Digest, Event, EventKind, Head, MessageText,
    RequestMark, Seq, SiteId, Start, TeamId, Timestamp, VisitorCard, VisitorId, WorkspaceId,
};
use store::sqlite::{Access, SqliteOptions, SqliteStore};
use store::{Append, ConversationKey, Generation, Group, Incarnation, Lanes};
use tokio::sync::Mutex;
use uuid::Uuid;

use crate::message::{Log, Message};

/// Conversations that were there before the first message, one for each number.
pub(crate) struct SqliteLog {
    lanes: Arc<dyn Lanes>,
    /// One append at a time in each, as with an actor.
    conversations: Vec<Mutex<Kept>>,
}

struct Kept {
    key: ConversationKey,
    head: Head,
}

const GENERATION: Generation = Generation(1);

impl SqliteLog {
    /// In a new store in `folder`.
    pub(crate) async fn create(folder: &Path, conversations: usize) -> anyhow::Result<Self> {
        let log = SqliteStore::open(folder, Access::Server, SqliteOptions::default())?.store().log;
        let lanes = log.open(Incarnation(Uuid::new_v4())).await?;
        let workspace = WorkspaceId::new(Timestamp::from_ms(0), rand::random());
        let mut kept = Vec::with_capacity(conversations);
        for _ in 0..conversations {
            kept.push(Mutex::new(begin(&*lanes, workspace).await?));
        }
        Ok(Self { lanes, conversations: kept })
    }
}

async fn begin(lanes: &dyn Lanes, workspace: WorkspaceId) -> anyhow::Result<Kept> {
    let at = Timestamp::from_ms(0);
    let visitor =
        VisitorCard { id: VisitorId::new(at, rand::random()), name: None, email: None, verified: false };
    let started = Event {
        seq: Seq(1),
        at,
        by: Author::Visitor { id: visitor.id, name: None },
        request: None,
        kind: EventKind::Started(Start {
            site: SiteId::new(at, rand::random()),
            team: TeamId::new(at, rand::random()),
            visitor,
            subject: None,
            attributes: Attributes::default(),
        }),
    };
    let head = Conversation::begin(&started).context("it is a start")?.head().clone();
    let key = ConversationKey { workspace, conversation: ConversationId::new(at, rand::random()) };
    let group = Group { key, generation: GENERATION, before: None, events: &[started], head: &head };
    match lanes.append(group).await? {
        Append::Applied => Ok(Kept { key, head }),
        Append::Fenced | Append::Unknown => bail!("a conversation was not made"),
    }
}

impl Log for SqliteLog {
    async fn append(&self, message: &Message<'_>) -> anyhow::Result<u64> {
        let kept = self.conversations.get(message.conversation).context("there is no such conversation")?;
        let mut kept = kept.lock().await;
        let Kept { key, head: before } = &*kept;
        let mut head = before.clone();
        let event = Event {
            seq: before.last_seq.next(),
            at: message.at,
            by: Author::Visitor { id: head.visitor.id, name: None },
            request: Some(RequestMark {
                client_id: ClientId::parse(message.client_id)?,
                digest: Digest::of([message.text.as_bytes()]),
            }),
            kind: EventKind::MessagePosted {
                message_id: message.message_id,
                text: Some(MessageText::parse(message.text, MessageText::BYTES_MAX)?),
                files: Vec::new(),
            },
        };
        head.last_seq = event.seq;
        head.last_event_at = event.at;
        head.read.visitor = event.seq;
        head.unread.agent += 1;
        let events = [event];
        let group =
            Group { key: *key, generation: GENERATION, before: Some(before), events: &events, head: &head };
        match self.lanes.append(group).await? {
            Append::Applied => {
                kept.head = head;
                Ok(kept.head.last_seq.0)
            }
            Append::Fenced | Append::Unknown => bail!("an append did not pass"),
        }
    }
}
