//! Values of batches whose statements differ.

use scylla::errors::SerializationError;
use scylla::serialize::row::{RowSerializationContext, SerializeRow};
use scylla::serialize::writers::RowWriter;
use uuid::Uuid;

/// Of an append.
pub(super) enum Line<'a> {
    /// The condition: the segment has so many batches, and then one more.
    Condition { at: (Uuid, i8, i64), position: i64 },
    /// An event, or a row of the journal.
    Row { at: (Uuid, i8, i64), key: (Uuid, Uuid), seq: i64, body: &'a [u8] },
    /// A head.
    Head { at: (Uuid, i8, i64), key: (Uuid, Uuid), last_seq: i64, body: &'a [u8] },
}

impl SerializeRow for Line<'_> {
    fn serialize(
        &self,
        context: &RowSerializationContext<'_>,
        writer: &mut RowWriter<'_>,
    ) -> Result<(), SerializationError> {
        match *self {
            Line::Condition { at: (incarnation, lane, segment), position } => {
                (position + 1, incarnation, lane, segment, position).serialize(context, writer)
            }
            Line::Row { at: (incarnation, lane, segment), key: (workspace, conversation), seq, body } => {
                (incarnation, lane, segment, workspace, conversation, seq, body).serialize(context, writer)
            }
            Line::Head {
                at: (incarnation, lane, segment),
                key: (workspace, conversation),
                last_seq,
                body,
            } => (incarnation, lane, segment, workspace, conversation, last_seq, body)
                .serialize(context, writer),
        }
    }

    fn is_empty(&self) -> bool {
        false
    }
}

/// An event of a home, whose stamp is its `seq`.
pub(super) struct HomeLine<'a> {
    pub(super) key: (Uuid, Uuid),
    pub(super) seq: i64,
    pub(super) body: &'a [u8],
}

impl SerializeRow for HomeLine<'_> {
    fn serialize(
        &self,
        context: &RowSerializationContext<'_>,
        writer: &mut RowWriter<'_>,
    ) -> Result<(), SerializationError> {
        let (workspace, conversation) = self.key;
        (workspace, conversation, self.seq, self.body, self.seq).serialize(context, writer)
    }

    fn is_empty(&self) -> bool {
        false
    }
}
