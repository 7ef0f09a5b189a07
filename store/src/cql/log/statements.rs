//! The statements of a log, their values, and what a log's static part says.

use domain::{Event, Head, Seq};
use scylla::errors::SerializationError;
use scylla::serialize::row::{RowSerializationContext, SerializeRow};
use scylla::serialize::writers::RowWriter;
use uuid::Uuid;

use crate::log::check_group;
use crate::{ConversationKey, Epoch, Owner, envelope};

use super::super::OpenError;
use super::super::session::{Cql, Statement, Way};

/// Owns a log without events, which was made so that nobody makes it unseen.
pub(in super::super) const SEALED: &str = "#sealed";
pub(in super::super) struct LogStatements {
    pub(super) create: Statement,
    pub(super) claim: Statement,
    pub(super) append: Statement,
    pub(super) event: Statement,
    pub(super) peek: Statement,
    pub(super) read: Statement,
    pub(super) read_before: Statement,
    pub(super) passivate: Statement,
    pub(super) seal: Statement,
}

impl LogStatements {
    pub(in super::super) async fn prepare(cql: &Cql) -> Result<Self, OpenError> {
        let key = "workspace = ? AND conversation = ?";
        let statement = async |name, way, text: String| cql.prepare(name, way, &text).await;
        Ok(Self {
            create: statement(
                "log_create",
                Way::Conditional,
                format!(
                    "UPDATE log SET epoch = 1, claim = ?, owner = ?, last_seq = ?, head = ? WHERE {key} IF claim = null"
                ),
            )
            .await?,
            claim: statement(
                "log_claim",
                Way::Conditional,
                format!("UPDATE log SET epoch = ?, claim = ?, owner = ? WHERE {key} IF claim = ?"),
            )
            .await?,
            append: statement(
                "log_append",
                Way::Conditional,
                format!("UPDATE log SET last_seq = ?, head = ? WHERE {key} IF claim = ? AND last_seq = ?"),
            )
            .await?,
            event: statement(
                "log_event",
                Way::Part,
                "INSERT INTO log (workspace, conversation, seq, body) VALUES (?, ?, ?, ?)".into(),
            )
            .await?,
            peek: statement(
                "log_peek",
                Way::Serial,
                format!("SELECT epoch, claim, owner, last_seq FROM log WHERE {key} LIMIT 1"),
            )
            .await?,
            read: statement(
                "log_read",
                Way::Read,
                format!("SELECT body FROM log WHERE {key} AND seq > ? ORDER BY seq ASC LIMIT ?"),
            )
            .await?,
            read_before: statement(
                "log_read_before",
                Way::Read,
                format!("SELECT body FROM log WHERE {key} AND seq < ? ORDER BY seq DESC LIMIT ?"),
            )
            .await?,
            passivate: statement(
                "log_passivate",
                Way::Conditional,
                format!("UPDATE log SET owner = '' WHERE {key} IF claim = ?"),
            )
            .await?,
            // The second epoch: what follows from it wins over what a late create put before itself.
            seal: statement(
                "log_seal",
                Way::Conditional,
                format!(
                    "UPDATE log SET epoch = 2, claim = ?, owner = '{SEALED}', last_seq = 0 WHERE {key} IF claim = null"
                ),
            )
            .await?,
        })
    }
}

/// The static part of a log.
pub(super) struct Static {
    pub(super) epoch: Epoch,
    pub(super) token: Uuid,
    pub(super) owner: Owner,
    pub(super) last_seq: Seq,
}

impl Static {
    /// Was made so that nobody else can make it, and has no events.
    pub(super) fn is_sealed(&self) -> bool {
        self.owner.0 == SEALED && self.last_seq == Seq::ZERO
    }
}

/// Values of the statements of one batch.
pub(super) enum Line<'a> {
    Create { token: Uuid, owner: &'a str, last_seq: i64, head: &'a [u8], key: ConversationKey },
    Append { last_seq: i64, head: &'a [u8], key: ConversationKey, token: Uuid, tail: i64 },
    Event { key: ConversationKey, seq: i64, body: &'a [u8] },
}

impl SerializeRow for Line<'_> {
    fn serialize(
        &self,
        context: &RowSerializationContext<'_>,
        writer: &mut RowWriter<'_>,
    ) -> Result<(), SerializationError> {
        match *self {
            Line::Create { token, owner, last_seq, head, key } => {
                let (workspace, conversation) = ids(key);
                (token, owner, last_seq, head, workspace, conversation).serialize(context, writer)
            }
            Line::Append { last_seq, head, key, token, tail } => {
                let (workspace, conversation) = ids(key);
                (last_seq, head, workspace, conversation, token, tail).serialize(context, writer)
            }
            Line::Event { key, seq, body } => {
                let (workspace, conversation) = ids(key);
                (workspace, conversation, seq, body).serialize(context, writer)
            }
        }
    }

    fn is_empty(&self) -> bool {
        false
    }
}

pub(in super::super) fn ids(key: ConversationKey) -> (Uuid, Uuid) {
    (key.workspace.uuid(), key.conversation.uuid())
}

/// Events and the head after them, as they are stored.
pub(super) struct Group {
    pub(super) tail: Seq,
    pub(super) bodies: Vec<Vec<u8>>,
    pub(super) head: Vec<u8>,
}

impl Group {
    pub(super) fn of(tail: Seq, events: &[Event], head: &Head) -> Self {
        check_group(tail, events, head);
        Self { tail, bodies: events.iter().map(envelope::seal).collect(), head: envelope::seal(head) }
    }

    pub(super) fn last_seq(&self) -> Seq {
        Seq(self.tail.0 + self.bodies.len() as u64)
    }
}
