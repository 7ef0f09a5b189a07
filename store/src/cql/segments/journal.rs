//! A row of a segment's journal, as it is stored.
//!
//! ```text
//! byte 0      the format: 1
//! then for each group, numbers big-endian:
//! bytes 0..16   the workspace
//! bytes 16..32  the conversation
//! bytes 32..40  the first event's seq
//! bytes 40..48  the last event's seq
//! ```

use domain::{ConversationId, Seq, WorkspaceId};
use uuid::Uuid;

use crate::lanes::segments::StoredGroup;
use crate::{ConversationKey, JournalEntry};

/// Where the rows of a journal lie: no workspace has this id.
pub(super) const KEY: (Uuid, Uuid) = (Uuid::nil(), Uuid::nil());
const FORMAT: u8 = 1;
const ENTRY_BYTES: usize = 48;

/// The row of a batch.
pub(super) fn row(groups: &[StoredGroup]) -> Vec<u8> {
    let mut row = Vec::with_capacity(1 + groups.len() * ENTRY_BYTES);
    row.push(FORMAT);
    for StoredGroup { key, events, .. } in groups {
        let seq = |event: Option<&crate::lanes::segments::StoredEvent>| event.map_or(0, |event| event.seq.0);
        row.extend(key.workspace.uuid().as_bytes());
        row.extend(key.conversation.uuid().as_bytes());
        row.extend(seq(events.first()).to_be_bytes());
        row.extend(seq(events.last()).to_be_bytes());
    }
    row
}

/// What a row says. An error is in words.
pub(super) fn entries(row: &[u8]) -> Result<Vec<JournalEntry>, String> {
    let Some((&FORMAT, entries)) = row.split_first() else {
        return Err("a row of a journal in a form that is not known".to_owned());
    };
    let (entries, []) = entries.as_chunks::<ENTRY_BYTES>() else {
        return Err(format!("a row of a journal has {} bytes", row.len()));
    };
    Ok(entries.iter().map(entry).collect())
}

fn entry(bytes: &[u8; ENTRY_BYTES]) -> JournalEntry {
    let number = |at: usize| bytes[at..].iter().take(16).fold(0, |sum, byte| (sum << 8) | u128::from(*byte));
    let (workspace, conversation, seqs) = (number(0), number(16), number(32));
    JournalEntry {
        key: ConversationKey {
            workspace: WorkspaceId::from_uuid(Uuid::from_u128(workspace)),
            conversation: ConversationId::from_uuid(Uuid::from_u128(conversation)),
        },
        first: Seq((seqs >> 64) as u64),
        last: Seq(seqs as u64),
    }
}

#[cfg(test)]
mod tests {
    use crate::lanes::segments::StoredEvent;

    use super::*;

    #[test]
    fn a_row_says_what_was_appended() {
        let group = |n: u64, first: u64, last: u64| StoredGroup {
            key: ConversationKey {
                workspace: WorkspaceId::from_uuid(Uuid::from_u128(1)),
                conversation: ConversationId::from_uuid(Uuid::from_u128(u128::from(n) << 70)),
            },
            events: (first..=last).map(|seq| StoredEvent { seq: Seq(seq), body: vec![1] }).collect(),
            head: vec![2],
        };
        let groups = [group(1, 1, 2), group(2, 9_999, 9_999), group(3, u64::MAX - 1, u64::MAX)];
        let said = entries(&row(&groups)).unwrap();
        let expected: Vec<JournalEntry> = groups
            .iter()
            .map(|group| JournalEntry {
                key: group.key,
                first: group.events[0].seq,
                last: group.events.last().unwrap().seq,
            })
            .collect();
        assert_eq!(said, expected);
        assert_eq!(row(&groups).len(), 1 + 3 * 48);
        for bytes in [&[][..], &[2], &[1, 0], &row(&groups)[..50]] {
            assert!(entries(bytes).is_err(), "{bytes:?}");
        }
    }
}
