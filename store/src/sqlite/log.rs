//! Logs in SQLite: the fence is a look at the row inside the transaction that writes.

use async_trait::async_trait;
use domain::{Event, Head, Seq};
use rusqlite::{Connection, OptionalExtension, Params, params};
use uuid::Uuid;

use crate::log::{check_group, dense};
use crate::{
    Append, Claim, ClaimError, ClaimToken, ConversationKey, Created, Epoch, EventLog, Owner, PAGE_MAX, Peek,
    StoreError, envelope,
};

use super::fault::Fault;
use super::row::{EventRows, HeadColumns, Stored, blob, integer, number};
use super::shared::Shared;
use super::writer::{Unwritten, WRITE_BYTES};

#[async_trait]
impl EventLog for Shared {
    async fn create(
        &self,
        key: ConversationKey,
        owner: &Owner,
        events: &[Event],
        head: &Head,
    ) -> Result<Created, StoreError> {
        check_group(Seq::ZERO, events, head);
        let rows = EventRows::of(Seq::ZERO, events);
        let columns = HeadColumns::of(head);
        let owner = owner.clone();
        let bytes = WRITE_BYTES + rows.bytes() + columns.bytes();
        let last_seq = head.last_seq;
        let work = move |connection: &Connection| {
            if Stored::find(connection, key)?.is_some() {
                return Ok(Created::Exists);
            }
            let token = ClaimToken(Uuid::new_v4());
            let row = columns.insert(connection, key, token, &owner)?;
            rows.insert(connection, row)?;
            Ok(Created::New(Claim { key, token, epoch: Epoch(1), last_seq }))
        };
        match self.writer.write(bytes, work).await {
            Ok(created) => {
                if matches!(created, Created::New(_)) {
                    self.writer.count_events(events.len());
                }
                Ok(created)
            }
            Err(Unwritten::Unknown) => Ok(Created::Unknown),
            Err(Unwritten::Nothing(error)) => Err(error),
        }
    }

    async fn peek(&self, key: ConversationKey) -> Result<Option<Peek>, StoreError> {
        let work = move |connection: &Connection| {
            let mut statement = connection.prepare_cached(
                "SELECT epoch, owner, last_seq FROM conversation WHERE workspace = ?1 AND id = ?2",
            )?;
            let read = |row: &rusqlite::Row<'_>| {
                Ok(Peek {
                    epoch: Epoch(number(row, 0)?),
                    owner: Owner(row.get(1)?),
                    last_seq: Seq(number(row, 2)?),
                })
            };
            Ok(statement
                .query_row(params![key.workspace.uuid(), key.conversation.uuid()], read)
                .optional()?)
        };
        self.readers.read(work).await
    }

    async fn claim(
        &self,
        key: ConversationKey,
        owner: &Owner,
        expected: Option<ClaimToken>,
    ) -> Result<Claim, ClaimError> {
        let owner = owner.clone();
        let work = move |connection: &Connection| {
            let Some(stored) = Stored::find(connection, key)? else { return Ok(Err(ClaimError::Missing)) };
            if expected.is_some_and(|expected| expected != stored.token) {
                return Ok(Err(ClaimError::Lost));
            }
            let claim = Claim {
                key,
                token: ClaimToken(Uuid::new_v4()),
                epoch: Epoch(stored.epoch.0 + 1),
                last_seq: stored.last_seq,
            };
            connection
                .prepare_cached("UPDATE conversation SET epoch = ?2, claim = ?3, owner = ?4 WHERE key = ?1")?
                .execute(params![stored.key, integer(claim.epoch.0), claim.token.0, owner.0])?;
            Ok(Ok(claim))
        };
        self.writer.write(WRITE_BYTES, work).await.map_err(Unwritten::into_error)?
    }

    async fn append(
        &self,
        claim: &Claim,
        tail: Seq,
        events: &[Event],
        head: &Head,
    ) -> Result<Append, StoreError> {
        check_group(tail, events, head);
        let rows = EventRows::of(tail, events);
        let columns = HeadColumns::of(head);
        let bytes = WRITE_BYTES + rows.bytes() + columns.bytes();
        let (key, token) = (claim.key, claim.token);
        let work = move |connection: &Connection| {
            let Some(stored) = Stored::find(connection, key)? else {
                return Err(Fault::Store(StoreError::Corrupt("a claimed log is not there".into())));
            };
            if stored.token != token || stored.last_seq != tail {
                return Ok(Append::Fenced { epoch: stored.epoch, owner: stored.owner });
            }
            rows.insert(connection, stored.key)?;
            columns.update(connection, &stored)?;
            Ok(Append::Applied)
        };
        match self.writer.write(bytes, work).await {
            Ok(append) => {
                if append == Append::Applied {
                    self.writer.count_events(events.len());
                }
                Ok(append)
            }
            Err(Unwritten::Unknown) => Ok(Append::Unknown),
            Err(Unwritten::Nothing(error)) => Err(error),
        }
    }

    async fn read(&self, key: ConversationKey, after: Seq, limit: usize) -> Result<Vec<Event>, StoreError> {
        let work = move |connection: &Connection| {
            let sql = "SELECT event.body FROM event
                 WHERE conversation = (SELECT key FROM conversation WHERE workspace = ?1 AND id = ?2)
                     AND seq > ?3
                 ORDER BY seq LIMIT ?4";
            events(connection, sql, page(key, after, limit))
        };
        dense(self.readers.read(work).await?, Some(after.next()))
    }

    async fn read_before(
        &self,
        key: ConversationKey,
        before: Seq,
        limit: usize,
    ) -> Result<Vec<Event>, StoreError> {
        let work = move |connection: &Connection| {
            let sql = "SELECT event.body FROM event
                 WHERE conversation = (SELECT key FROM conversation WHERE workspace = ?1 AND id = ?2)
                     AND seq < ?3
                 ORDER BY seq DESC LIMIT ?4";
            events(connection, sql, page(key, before, limit))
        };
        let mut found = self.readers.read(work).await?;
        found.reverse();
        dense(found, None)
    }

    async fn passivate(&self, claim: Claim) -> Result<(), StoreError> {
        let work = move |connection: &Connection| {
            let Some(stored) = Stored::find(connection, claim.key)? else { return Ok(()) };
            if stored.token == claim.token {
                connection
                    .prepare_cached("UPDATE conversation SET owner = '' WHERE key = ?1")?
                    .execute([stored.key])?;
            }
            Ok(())
        };
        self.writer.write(WRITE_BYTES, work).await.map_err(Unwritten::into_error)
    }
}

fn page(key: ConversationKey, place: Seq, limit: usize) -> impl Params {
    let limit = integer(limit.min(PAGE_MAX) as u64);
    (key.workspace.uuid(), key.conversation.uuid(), integer(place.0), limit)
}

fn events(connection: &Connection, sql: &str, page: impl Params) -> Result<Vec<Event>, Fault> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(page)?;
    let mut events = Vec::new();
    while let Some(row) = rows.next()? {
        events.push(envelope::open(blob(row, 0)?)?);
    }
    Ok(events)
}
