//! Lists of conversations in SQLite.
//!
//! A view is made of streams, each one an index in its order: one stream a team, and for ended conversations one for
//! the agent who had them last. A page is the beginnings of its streams, merged. So no list sorts more than it shows
//! (what one agent holds is the exception, and is few), and an index serves one team as well as all.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use async_trait::async_trait;
use domain::{AgentId, ConversationId, Head, Marks, Seq, TeamId, Timestamp, Unread, WorkspaceId};
use rusqlite::{Connection, OptionalExtension, Row, params};
use uuid::Uuid;

use crate::heads::Reading;
use crate::{
    ConversationKey, HeadFilter, HeadPosition, HeadView, Heads, ListedHead, LiveRow, StoreError, envelope,
};

use super::fault::Fault;
use super::row::{Stored, TAG_MARK, blob, integer, number, reading, state};
use super::shared::Shared;
use super::writer::{Unwritten, WRITE_BYTES};

#[async_trait]
impl Heads for Shared {
    async fn get(&self, key: ConversationKey) -> Result<Option<Head>, StoreError> {
        let work = move |connection: &Connection| {
            let mut statement = connection.prepare_cached(
                "SELECT body, last_seq, last_event_at, read_visitor, read_agent, unread_visitor, unread_agent
                 FROM conversation LEFT JOIN head ON head.conversation = conversation.key
                 WHERE workspace = ?1 AND id = ?2",
            )?;
            let mut rows = statement.query(params![key.workspace.uuid(), key.conversation.uuid()])?;
            rows.next()?.map(head).transpose()
        };
        self.readers.read(work).await
    }

    async fn mark(
        &self,
        key: ConversationKey,
        marks: Marks,
        unread: Unread,
        _as_of: Seq,
    ) -> Result<(), StoreError> {
        let work = move |connection: &Connection| {
            if let Some(stored) = Stored::find(connection, key)? {
                stored.mark(connection, Reading { read: marks, unread })?;
            }
            Ok(())
        };
        self.writer.write(WRITE_BYTES, work).await.map_err(Unwritten::into_error)
    }

    async fn list(
        &self,
        workspace: WorkspaceId,
        view: &HeadView,
        filter: &HeadFilter,
        after: Option<HeadPosition>,
        limit: usize,
    ) -> Result<Vec<ListedHead>, StoreError> {
        let page = Page { workspace, filter: filter.clone(), after, limit };
        let view = view.clone();
        let work = move |connection: &Connection| {
            // All streams and rows of one commit: a conversation that moves meanwhile is neither missed nor doubled.
            let transaction = connection.unchecked_transaction()?;
            let listed = page.list(&transaction, &view)?;
            transaction.commit()?;
            Ok(listed)
        };
        self.readers.read(work).await
    }

    async fn live(&self, after: Option<ConversationKey>, limit: usize) -> Result<Vec<LiveRow>, StoreError> {
        let (workspace, conversation) = after
            .map_or((Uuid::nil(), Uuid::nil()), |after| (after.workspace.uuid(), after.conversation.uuid()));
        let work = move |connection: &Connection| {
            let mut statement = connection.prepare_cached(
                "SELECT workspace, id, state, team, assignee, last_event_at
                 FROM conversation INDEXED BY conversation_live
                 WHERE state < 4 AND (workspace, id) > (?1, ?2) ORDER BY workspace, id LIMIT ?3",
            )?;
            let mut rows = statement.query(params![workspace, conversation, integer(limit as u64)])?;
            let mut live = Vec::new();
            while let Some(row) = rows.next()? {
                let key = ConversationKey {
                    workspace: WorkspaceId::from_uuid(row.get(0)?),
                    conversation: ConversationId::from_uuid(row.get(1)?),
                };
                live.push(LiveRow {
                    key,
                    state: state(row.get(2)?)?,
                    team: TeamId::from_uuid(row.get(3)?),
                    assignee: row.get::<_, Option<Uuid>>(4)?.map(AgentId::from_uuid),
                    last_event_at: Timestamp::from_ms(number(row, 5)?),
                });
            }
            Ok(live)
        };
        self.readers.read(work).await
    }
}

/// A head, with what the columns say of it.
fn head(row: &Row<'_>) -> Result<Head, Fault> {
    let Reading { read, unread } = reading(row, 3)?;
    let (last_seq, last_event_at) = (Seq(number(row, 1)?), Timestamp::from_ms(number(row, 2)?));
    let head: Head = envelope::open(blob(row, 0)?)?;
    Ok(Head { read, unread, last_seq, last_event_at, ..head })
}

/// Part of a view that one index gives in the view's order.
enum Stream {
    OfVisitor(Uuid),
    HeldBy(Uuid),
    Open(Uuid),
    Queue(Uuid),
    Ended(Uuid),
    EndedLast(Uuid),
}

impl Stream {
    /// Whose it is, and the statement that reads it. `INDEXED BY` makes the statement fail, and not crawl, if its index
    /// no longer serves it.
    fn query(&self, oldest_first: bool) -> (Uuid, String) {
        let (whose, index, condition, at) = match *self {
            Stream::OfVisitor(id) => (id, "conversation_of_visitor", "visitor = ?2", "created_at"),
            Stream::HeldBy(id) => (id, "conversation_held", "assignee = ?2 AND state = 2", "last_event_at"),
            Stream::Open(id) => (id, "conversation_open", "team = ?2 AND state < 4", "last_event_at"),
            Stream::Queue(id) => (id, "conversation_queue", "team = ?2 AND state = 1", "queued_at"),
            Stream::Ended(id) => (id, "conversation_ended", "team = ?2 AND state = 4", "ended_at"),
            Stream::EndedLast(id) => {
                (id, "conversation_ended_last", "assignee = ?2 AND state = 4", "ended_at")
            }
        };
        let (behind, direction) = if oldest_first { (">", "ASC") } else { ("<", "DESC") };
        let sql = format!(
            "SELECT {at}, id, key FROM conversation INDEXED BY {index}
             WHERE workspace = ?1 AND {condition} AND ({at}, id) {behind} (?3, ?4)
                 AND (?5 IS NULL OR team = ?5)
                 AND (?6 IS NULL OR assignee = ?6)
                 AND (?7 IS NULL OR instr(tags, ?7) > 0)
             ORDER BY {at} {direction}, id {direction} LIMIT ?8"
        );
        (whose, sql)
    }
}

/// A row as an index has it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    at: u64,
    conversation: Uuid,
    key: i64,
}

struct Page {
    workspace: WorkspaceId,
    filter: HeadFilter,
    after: Option<HeadPosition>,
    limit: usize,
}

impl Page {
    fn list(&self, connection: &Connection, view: &HeadView) -> Result<Vec<ListedHead>, Fault> {
        let oldest_first = matches!(view, HeadView::Queue(_));
        let mut entries = Vec::new();
        for stream in self.streams(connection, view)? {
            self.entries(connection, &stream, oldest_first, &mut entries)?;
        }
        if oldest_first {
            entries.sort_unstable();
        } else {
            entries.sort_unstable_by_key(|&entry| Reverse(entry));
        }
        // An ended conversation may be of a team and of an agent.
        entries.dedup();
        entries.truncate(self.limit);
        entries.into_iter().map(|entry| listed(connection, entry)).collect()
    }

    fn streams(&self, connection: &Connection, view: &HeadView) -> Result<Vec<Stream>, Fault> {
        let teams = |asked: Option<&[TeamId]>, states: &str| self.teams(connection, asked, states);
        let each =
            |teams: BTreeSet<Uuid>, stream: fn(Uuid) -> Stream| teams.into_iter().map(stream).collect();
        Ok(match view {
            HeadView::OfVisitor(visitor) => vec![Stream::OfVisitor(visitor.uuid())],
            HeadView::HeldBy(agent) => vec![Stream::HeldBy(agent.uuid())],
            HeadView::Open(asked) => each(teams(asked.as_deref(), OPEN)?, Stream::Open),
            HeadView::Queue(asked) => each(teams(asked.as_deref(), QUEUED)?, Stream::Queue),
            HeadView::Ended(None) => each(teams(None, ENDED)?, Stream::Ended),
            HeadView::Ended(Some((asked, agent))) => {
                let mut streams: Vec<Stream> = each(teams(Some(asked), ENDED)?, Stream::Ended);
                streams.push(Stream::EndedLast(agent.uuid()));
                streams
            }
        })
    }

    /// The teams that the view asks for (none: that have a conversation there), without those that the filter leaves
    /// out. The few teams of a workspace are found by one step down the index each.
    fn teams(
        &self,
        connection: &Connection,
        asked: Option<&[TeamId]>,
        next: &str,
    ) -> Result<BTreeSet<Uuid>, Fault> {
        let passes = |team: &Uuid| self.filter.team.is_none_or(|only| only.uuid() == *team);
        if let Some(asked) = asked {
            return Ok(asked.iter().map(|team| team.uuid()).filter(passes).collect());
        }
        if let Some(only) = self.filter.team {
            return Ok(BTreeSet::from([only.uuid()]));
        }
        let mut statement = connection.prepare_cached(next)?;
        let mut teams = BTreeSet::new();
        let mut last: Option<Uuid> = None;
        loop {
            let behind = last.as_ref().map_or(&[][..], |team| team.as_bytes());
            last =
                statement.query_row(params![self.workspace.uuid(), behind], |row| row.get(0)).optional()?;
            let Some(team) = last else { return Ok(teams) };
            teams.insert(team);
        }
    }

    /// The next entries of a stream, as many as the page could take from it alone.
    fn entries(
        &self,
        connection: &Connection,
        stream: &Stream,
        oldest_first: bool,
        entries: &mut Vec<Entry>,
    ) -> Result<(), Fault> {
        let (whose, sql) = stream.query(oldest_first);
        let (after_at, after_id) = match self.after {
            Some(after) => (integer(after.at.as_ms()), after.conversation.uuid()),
            None if oldest_first => (-1, Uuid::nil()),
            None => (i64::MAX, Uuid::max()),
        };
        let tag = self.filter.tag.as_ref().map(|tag| format!("{TAG_MARK}{}{TAG_MARK}", tag.as_str()));
        let mut statement = connection.prepare_cached(&sql)?;
        let mut rows = statement.query(params![
            self.workspace.uuid(),
            whose,
            after_at,
            after_id,
            self.filter.team.map(TeamId::uuid),
            self.filter.assignee.map(AgentId::uuid),
            tag,
            integer(self.limit as u64),
        ])?;
        while let Some(row) = rows.next()? {
            entries.push(Entry { at: number(row, 0)?, conversation: row.get(1)?, key: row.get(2)? });
        }
        Ok(())
    }
}

const OPEN: &str = "SELECT team FROM conversation INDEXED BY conversation_open
    WHERE workspace = ?1 AND state < 4 AND team > ?2 ORDER BY team LIMIT 1";
const QUEUED: &str = "SELECT team FROM conversation INDEXED BY conversation_queue
    WHERE workspace = ?1 AND state = 1 AND team > ?2 ORDER BY team LIMIT 1";
const ENDED: &str = "SELECT team FROM conversation INDEXED BY conversation_ended
    WHERE workspace = ?1 AND state = 4 AND team > ?2 ORDER BY team LIMIT 1";

fn listed(connection: &Connection, entry: Entry) -> Result<ListedHead, Fault> {
    let mut statement = connection.prepare_cached(
        "SELECT body, last_seq, last_event_at, read_visitor, read_agent, unread_visitor, unread_agent
         FROM conversation LEFT JOIN head ON head.conversation = conversation.key
         WHERE key = ?1",
    )?;
    let mut rows = statement.query([entry.key])?;
    let Some(row) = rows.next()? else {
        return Err(Fault::Store(StoreError::Corrupt(
            "an index names a conversation that is not there".into(),
        )));
    };
    let conversation = ConversationId::from_uuid(entry.conversation);
    let position = HeadPosition { at: Timestamp::from_ms(entry.at), conversation };
    Ok(ListedHead { conversation, head: head(row)?, position })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How SQLite goes about a statement, a line a step.
    fn plan(connection: &Connection, sql: &str) -> String {
        let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let steps = statement.raw_query().mapped(|row| row.get::<_, String>(3));
        steps.map(Result::unwrap).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn every_list_is_read_from_an_index_in_its_order() {
        let connection = Connection::open_in_memory().unwrap();
        super::super::database::SCHEMA_STEPS.iter().for_each(|step| connection.execute_batch(step).unwrap());
        let id = Uuid::nil();
        for (stream, oldest_first, range) in [
            (Stream::OfVisitor(id), false, "(workspace=? AND visitor=? AND (created_at,id)<(?,?))"),
            (Stream::Open(id), false, "(workspace=? AND team=? AND (last_event_at,id)<(?,?))"),
            (Stream::Queue(id), true, "(workspace=? AND team=? AND (queued_at,id)>(?,?))"),
            (Stream::Ended(id), false, "(workspace=? AND team=? AND (ended_at,id)<(?,?))"),
            (Stream::EndedLast(id), false, "(workspace=? AND assignee=? AND (ended_at,id)<(?,?))"),
        ] {
            let (_, sql) = stream.query(oldest_first);
            let plan = plan(&connection, &sql);
            assert!(plan.ends_with(range) && !plan.contains('\n'), "{sql}\n{plan}");
        }
        for sql in [OPEN, QUEUED, ENDED] {
            let plan = plan(&connection, sql);
            assert!(plan.ends_with("(workspace=? AND team>?)") && !plan.contains('\n'), "{sql}\n{plan}");
        }
    }
}
