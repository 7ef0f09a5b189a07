//! A conversation's row: how the end of a log and its head lie in columns, and back.

use domain::{Event, Head, Marks, Seq, State, Unread};
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row, params};
use uuid::Uuid;

use crate::heads::Reading;
use crate::{ConversationKey, StoreError, envelope};

/// Stands before and behind each tag in the column `tags`.
pub(super) const TAG_MARK: char = '\u{1f}';

/// A whole number as SQLite keeps it. Beyond 2^63 all are one, so the order stays.
pub(super) fn integer(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A whole number back from SQLite.
pub(super) fn number(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    let stored: i64 = row.get(column)?;
    u64::try_from(stored).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(column, stored))
}

/// A body, without a copy.
pub(super) fn blob<'a>(row: &'a Row<'_>, column: usize) -> rusqlite::Result<&'a [u8]> {
    let value = row.get_ref(column)?;
    value
        .as_blob()
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(column, Type::Blob, Box::new(error)))
}

/// Read marks and counts, in the four columns from `first` on.
pub(super) fn reading(row: &Row<'_>, first: usize) -> rusqlite::Result<Reading> {
    Ok(Reading {
        read: Marks { visitor: Seq(number(row, first)?), agent: Seq(number(row, first + 1)?) },
        unread: Unread { visitor: row.get(first + 2)?, agent: row.get(first + 3)? },
    })
}

/// Where the lists have a conversation. A message changes none of it.
#[derive(PartialEq, Eq)]
struct Placed {
    visitor: Uuid,
    team: Uuid,
    state: i64,
    assignee: Option<Uuid>,
    queued_at: i64,
    ended_at: Option<i64>,
}

/// What a write finds in the row.
pub(super) struct Stored {
    pub(super) key: i64,
    pub(super) last_seq: Seq,
    placed: Placed,
    reading: Reading,
}

impl Stored {
    /// None when there is no such conversation.
    pub(super) fn find(connection: &Connection, key: ConversationKey) -> rusqlite::Result<Option<Self>> {
        let mut statement = connection.prepare_cached(
            "SELECT key, last_seq, visitor, team, state, assignee, queued_at, ended_at, read_visitor, read_agent,
                 unread_visitor, unread_agent
             FROM conversation WHERE workspace = ?1 AND id = ?2",
        )?;
        let read = |row: &Row<'_>| {
            Ok(Self {
                key: row.get(0)?,
                last_seq: Seq(number(row, 1)?),
                placed: Placed {
                    visitor: row.get(2)?,
                    team: row.get(3)?,
                    state: row.get(4)?,
                    assignee: row.get(5)?,
                    queued_at: row.get(6)?,
                    ended_at: row.get(7)?,
                },
                reading: reading(row, 8)?,
            })
        };
        statement.query_row(params![key.workspace.uuid(), key.conversation.uuid()], read).optional()
    }

    /// Raises the read marks.
    pub(super) fn mark(&self, connection: &Connection, given: Reading) -> rusqlite::Result<()> {
        let marked = self.reading.marked(given);
        if marked == self.reading {
            return Ok(());
        }
        let Reading { read, unread } = marked;
        connection
            .prepare_cached(
                "UPDATE conversation SET read_visitor = ?2, read_agent = ?3, unread_visitor = ?4,
                     unread_agent = ?5
                 WHERE key = ?1",
            )?
            .execute(params![
                self.key,
                integer(read.visitor.0),
                integer(read.agent.0),
                unread.visitor,
                unread.agent
            ])?;
        Ok(())
    }
}

/// A head in columns, made before it is given to the writer, whose time is everybody's.
pub(super) struct HeadColumns {
    placed: Placed,
    created_at: i64,
    last_seq: Seq,
    last_event_at: i64,
    tags: String,
    reading: Reading,
    body: Vec<u8>,
}

impl HeadColumns {
    pub(super) fn of(head: &Head) -> Self {
        let mut tags = String::new();
        for tag in &head.tags {
            if tags.is_empty() {
                tags.push(TAG_MARK);
            }
            tags.push_str(tag.as_str());
            tags.push(TAG_MARK);
        }
        Self {
            placed: Placed {
                visitor: head.visitor.id.uuid(),
                team: head.team.uuid(),
                state: state_number(head.state),
                assignee: head.assignee.as_ref().map(|agent| agent.id.uuid()),
                queued_at: integer(head.queued_at.as_ms()),
                ended_at: head.ended_at.map(|at| integer(at.as_ms())),
            },
            created_at: integer(head.created_at.as_ms()),
            last_seq: head.last_seq,
            last_event_at: integer(head.last_event_at.as_ms()),
            tags,
            reading: Reading::of(head),
            body: envelope::seal(head),
        }
    }

    pub(super) fn bytes(&self) -> usize {
        size_of::<Self>() + self.tags.len() + self.body.len()
    }

    /// Makes the rows of a new conversation; gives its key.
    pub(super) fn insert(&self, connection: &Connection, key: ConversationKey) -> rusqlite::Result<i64> {
        let Reading { read, unread } = self.reading;
        let row = connection
            .prepare_cached(
                "INSERT INTO conversation (workspace, id, last_seq, visitor, team, state, assignee, created_at,
                     queued_at, last_event_at, ended_at, tags, read_visitor, read_agent, unread_visitor,
                     unread_agent)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)",
            )?
            .insert(params![
                key.workspace.uuid(),
                key.conversation.uuid(),
                integer(self.last_seq.0),
                self.placed.visitor,
                self.placed.team,
                self.placed.state,
                self.placed.assignee,
                self.created_at,
                self.placed.queued_at,
                self.last_event_at,
                self.placed.ended_at,
                self.tags,
                integer(read.visitor.0),
                integer(read.agent.0),
                unread.visitor,
                unread.agent,
            ])?;
        self.put_body(connection, row)?;
        Ok(row)
    }

    fn put_body(&self, connection: &Connection, row: i64) -> rusqlite::Result<()> {
        connection
            .prepare_cached(
                "INSERT INTO head (conversation, body) VALUES (?1, ?2)
                 ON CONFLICT DO UPDATE SET body = excluded.body",
            )?
            .execute(params![row, self.body])?;
        Ok(())
    }

    /// Moves the rows on to this head and its last event. SQLite rewrites every index whose columns a statement names,
    /// changed or not, so those are named only when they change.
    pub(super) fn update(&self, connection: &Connection, stored: &Stored) -> rusqlite::Result<()> {
        if self.placed != stored.placed {
            connection
                .prepare_cached(
                    "UPDATE conversation SET visitor = ?2, team = ?3, state = ?4, assignee = ?5, queued_at = ?6,
                         ended_at = ?7
                     WHERE key = ?1",
                )?
                .execute(params![
                    stored.key,
                    self.placed.visitor,
                    self.placed.team,
                    self.placed.state,
                    self.placed.assignee,
                    self.placed.queued_at,
                    self.placed.ended_at,
                ])?;
        }
        let Reading { read, unread } = stored.reading.appended(self.reading);
        connection
            .prepare_cached(
                "UPDATE conversation SET last_seq = ?2, last_event_at = ?3, tags = ?4, read_visitor = ?5,
                     read_agent = ?6, unread_visitor = ?7, unread_agent = ?8
                 WHERE key = ?1",
            )?
            .execute(params![
                stored.key,
                integer(self.last_seq.0),
                self.last_event_at,
                self.tags,
                integer(read.visitor.0),
                integer(read.agent.0),
                unread.visitor,
                unread.agent,
            ])?;
        self.put_body(connection, stored.key)
    }
}

/// A head that differs from the one before in what every message changes, and in nothing else.
pub(super) struct QuietHead {
    last_seq: Seq,
    last_event_at: i64,
    reading: Reading,
}

impl QuietHead {
    /// None: more changed.
    pub(super) fn of(before: &Head, head: &Head) -> Option<Self> {
        is_quiet(before, head).then(|| Self {
            last_seq: head.last_seq,
            last_event_at: integer(head.last_event_at.as_ms()),
            reading: Reading::of(head),
        })
    }

    /// Moves the row on if it stands at `tail`; false: it does not. It counts what is read as [`Reading::appended`] does.
    pub(super) fn update(&self, connection: &Connection, row: i64, tail: Seq) -> rusqlite::Result<bool> {
        let Reading { read, unread } = self.reading;
        let rows = connection
            .prepare_cached(
                "UPDATE conversation SET last_seq = ?3, last_event_at = ?4,
                     read_visitor = max(read_visitor, ?5), read_agent = max(read_agent, ?6),
                     unread_visitor = ?7, unread_agent = ?8
                 WHERE key = ?1 AND last_seq = ?2",
            )?
            .execute(params![
                row,
                integer(tail.0),
                integer(self.last_seq.0),
                self.last_event_at,
                integer(read.visitor.0),
                integer(read.agent.0),
                unread.visitor,
                unread.agent,
            ])?;
        Ok(rows == 1)
    }
}

fn is_quiet(before: &Head, head: &Head) -> bool {
    // All of it is named, so that a new field has to be thought of here.
    let Head {
        site,
        team,
        visitor,
        state,
        assignee,
        assignment_epoch,
        subject,
        tags,
        attributes,
        created_at,
        queued_at,
        assigned_at,
        ended_at,
        ended_by,
        end_reason,
        last_seq: _,
        last_event_at: _,
        rating,
        read: _,
        unread: _,
    } = head;
    *site == before.site
        && *team == before.team
        && *visitor == before.visitor
        && *state == before.state
        && *assignee == before.assignee
        && *assignment_epoch == before.assignment_epoch
        && *subject == before.subject
        && *tags == before.tags
        && *attributes == before.attributes
        && *created_at == before.created_at
        && *queued_at == before.queued_at
        && *assigned_at == before.assigned_at
        && *ended_at == before.ended_at
        && *ended_by == before.ended_by
        && *end_reason == before.end_reason
        && *rating == before.rating
}

/// As the schema's partial indexes and the lists name it.
fn state_number(state: State) -> i64 {
    match state {
        State::Queued => 1,
        State::Assigned => 2,
        State::Bot => 3,
        State::Ended => 4,
    }
}

pub(super) fn state(number: i64) -> Result<State, StoreError> {
    match number {
        1 => Ok(State::Queued),
        2 => Ok(State::Assigned),
        3 => Ok(State::Bot),
        4 => Ok(State::Ended),
        other => Err(StoreError::Corrupt(format!("{other} is no state of a conversation"))),
    }
}

/// Events in envelopes, to be written behind `after`.
pub(super) struct EventRows {
    after: Seq,
    bodies: Vec<Vec<u8>>,
}

impl EventRows {
    pub(super) fn of(after: Seq, events: &[Event]) -> Self {
        Self { after, bodies: events.iter().map(envelope::seal).collect() }
    }

    pub(super) fn bytes(&self) -> usize {
        self.bodies.iter().map(Vec::len).sum()
    }

    pub(super) fn insert(&self, connection: &Connection, key: i64) -> rusqlite::Result<()> {
        let mut statement =
            connection.prepare_cached("INSERT INTO event (conversation, seq, body) VALUES (?1, ?2, ?3)")?;
        for (seq, body) in (self.after.0 + 1..).zip(&self.bodies) {
            statement.execute(params![key, integer(seq), body])?;
        }
        Ok(())
    }
}
