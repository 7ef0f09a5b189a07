//! Messages in Switchboard's own SQLite log: the same events, heads and writer, but nobody decides anything.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail};
use domain::{
    Attributes, Author, ClientId, Conversation, ConversationId, Digest, Event, EventKind, Head, MessageText,
    RequestMark, Seq, SiteId, Start, TeamId, Timestamp, VisitorCard, VisitorId, WorkspaceId,
};
use store::sqlite::{Access, SqliteOptions, SqliteStore};
use store::{Append, Claim, ConversationKey, Created, EventLog, Owner};
use tokio::sync::Mutex;

use crate::message::{Log, Message};

/// Conversations that were there before the first message, one for each number.
pub(crate) struct SqliteLog {
    log: Arc<dyn EventLog>,
    /// One append at a time in each, as with an owner.
    conversations: Vec<Mutex<Kept>>,
}

struct Kept {
    claim: Claim,
    head: Head,
}

impl SqliteLog {
    /// In a new store in `folder`.
    pub(crate) async fn create(folder: &Path, conversations: usize) -> anyhow::Result<Self> {
        let log = SqliteStore::open(folder, Access::Server, SqliteOptions::default())?.store().log;
        let workspace = WorkspaceId::new(Timestamp::from_ms(0), rand::random());
        let mut kept = Vec::with_capacity(conversations);
        for _ in 0..conversations {
            kept.push(Mutex::new(begin(&*log, workspace).await?));
        }
        Ok(Self { log, conversations: kept })
    }
}

async fn begin(log: &dyn EventLog, workspace: WorkspaceId) -> anyhow::Result<Kept> {
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
    match log.create(key, &Owner("baseline#1".to_owned()), &[started], &head).await? {
        Created::New(claim) => Ok(Kept { claim, head }),
        Created::Exists | Created::Unknown => bail!("a conversation was not made"),
    }
}

impl Log for SqliteLog {
    async fn append(&self, message: &Message<'_>) -> anyhow::Result<u64> {
        let kept = self.conversations.get(message.conversation).context("there is no such conversation")?;
        let mut kept = kept.lock().await;
        let Kept { claim, head } = &mut *kept;
        let tail = head.last_seq;
        let event = Event {
            seq: tail.next(),
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
        match self.log.append(claim, tail, &[event], head).await? {
            Append::Applied => Ok(head.last_seq.0),
            Append::Fenced { .. } | Append::Unknown => bail!("an append did not pass"),
        }
    }
}
