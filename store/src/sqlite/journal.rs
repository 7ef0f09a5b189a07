//! The journal in SQLite: the order of commits, which is that of the events' rows. An append writes nothing for it, it is one
//! for all boots, and it is kept as long as the events.

use domain::{ConversationId, Seq, WorkspaceId};
use rusqlite::{Connection, params};

use crate::{
    ConversationKey, Incarnation, JournalEntry, JournalError, JournalPage, JournalPosition, JournalRest,
    LaneId, PAGE_MAX,
};

use super::fault::Fault;
use super::row::{integer, number};
use super::shared::Shared;

/// The one lane.
pub(super) const LANE: LaneId = LaneId { incarnation: Incarnation::NONE, lane: 0 };

/// How many events a page looks through, at most: entries are few where groups are large, and no reading thread is kept
/// for long.
const SCAN: usize = 2_000;

/// A page behind `after`, whose position is the place of the last event that was read.
pub(super) async fn read(
    shared: &Shared,
    lane: LaneId,
    after: JournalPosition,
    limit: usize,
) -> Result<JournalPage, JournalError> {
    if lane != LANE || after.segment != 0 {
        return Err(JournalError::Trimmed);
    }
    let work = move |connection: &Connection| page(connection, after.position, limit.min(PAGE_MAX));
    shared.readers.read(work).await?.ok_or(JournalError::Trimmed)
}

/// None: there is no such place.
fn page(connection: &Connection, after: u64, limit: usize) -> Result<Option<JournalPage>, Fault> {
    // The cross join keeps SQLite from beginning with the conversations.
    let mut statement = connection.prepare_cached(
        "SELECT event.place, event.seq, conversation.workspace, conversation.id
         FROM event CROSS JOIN conversation ON conversation.key = event.conversation
         WHERE event.place > ?1 ORDER BY event.place LIMIT ?2",
    )?;
    let mut rows = statement.query(params![integer(after), integer(SCAN as u64)])?;
    let mut entries: Vec<JournalEntry> = Vec::new();
    let (mut place, mut scanned, mut is_full) = (after, 0, false);
    while let Some(row) = rows.next()? {
        let key = ConversationKey {
            workspace: WorkspaceId::from_uuid(row.get(2)?),
            conversation: ConversationId::from_uuid(row.get(3)?),
        };
        is_full = !add(&mut entries, limit, key, Seq(number(row, 1)?));
        if is_full {
            break;
        }
        place = number(row, 0)?;
        scanned += 1;
    }
    if scanned == 0 && !is_full && after > last(connection)? {
        return Ok(None);
    }
    let rest = if is_full || scanned == SCAN { JournalRest::More } else { JournalRest::Later };
    Ok(Some(JournalPage { entries, next: JournalPosition { segment: 0, position: place }, rest }))
}

/// Adds an event to the last entry, or as an entry; false: there is no room for one more.
fn add(entries: &mut Vec<JournalEntry>, limit: usize, key: ConversationKey, seq: Seq) -> bool {
    if let Some(entry) = entries.last_mut()
        && entry.key == key
        && entry.last.next() == seq
    {
        entry.last = seq;
        return true;
    }
    if entries.len() == limit {
        return false;
    }
    entries.push(JournalEntry { key, first: seq, last: seq });
    true
}

fn last(connection: &Connection) -> Result<u64, Fault> {
    let mut statement = connection.prepare_cached("SELECT ifnull(max(place), 0) FROM event")?;
    Ok(statement.query_row([], |row| number(row, 0))?)
}
