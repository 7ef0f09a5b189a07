//! A log's rows: what a statement takes, and what is read.

use domain::{Event, Head, Seq};
use scylla::errors::SerializationError;
use scylla::serialize::row::{RowSerializationContext, SerializeRow};
use scylla::serialize::writers::RowWriter;
use uuid::Uuid;

use crate::log::check_group;
use crate::{ConversationKey, Epoch, Owner, envelope};

use super::super::statements::SEALED;
use super::super::value::ids;

/// The static part of a log.
pub(super) struct Static {
    pub(super) epoch: Epoch,
    pub(super) token: Uuid,
    pub(super) owner: Owner,
    pub(super) last_seq: Seq,
}

impl Static {
    /// Whether the log has no events, and was made only so that no late create makes it unseen.
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
