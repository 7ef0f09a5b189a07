//! Logs in SQLite.

use std::sync::Arc;

use async_trait::async_trait;
use domain::{Event, Seq};
use rusqlite::{Connection, Params};

use crate::log::dense;
use crate::{
    ConversationKey, EventLog, Incarnation, JournalError, JournalPage, JournalPosition, LaneId, Lanes,
    OpenLanesError, PAGE_MAX, StoreError, envelope,
};

use super::fault::Fault;
use super::journal;
use super::lanes::{self, SqliteLanes};
use super::row::{blob, integer};
use super::shared::Log;

#[async_trait]
impl EventLog for Log {
    async fn open(&self, incarnation: Incarnation) -> Result<Arc<dyn Lanes>, OpenLanesError> {
        if self.0.boots.get(incarnation).is_sealed() {
            return Err(OpenLanesError::Sealed);
        }
        Ok(Arc::new(SqliteLanes::new(Arc::clone(&self.0), incarnation)))
    }

    async fn seal(&self, incarnation: Incarnation) -> Result<(), StoreError> {
        lanes::seal(&self.0, &self.0.boots.get(incarnation)).await
    }

    async fn read(&self, key: ConversationKey, after: Seq, limit: usize) -> Result<Vec<Event>, StoreError> {
        let work = move |connection: &Connection| {
            let sql = "SELECT event.body FROM event
                 WHERE conversation = (SELECT key FROM conversation WHERE workspace = ?1 AND id = ?2)
                     AND seq > ?3
                 ORDER BY seq LIMIT ?4";
            events(connection, sql, page(key, after, limit))
        };
        dense(self.0.readers.read(work).await?, Some(after.next()))
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
        let mut found = self.0.readers.read(work).await?;
        found.reverse();
        dense(found, None)
    }

    async fn lanes(&self) -> Result<Vec<LaneId>, StoreError> {
        Ok(vec![journal::LANE])
    }

    async fn journal(
        &self,
        lane: LaneId,
        after: JournalPosition,
        limit: usize,
    ) -> Result<JournalPage, JournalError> {
        journal::read(&self.0, lane, after, limit).await
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
