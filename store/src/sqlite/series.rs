//! Series in SQLite.

use async_trait::async_trait;
use domain::Timestamp;
use rusqlite::{Connection, Params, Row, params};
use uuid::Uuid;

use crate::{Entry, EntryPosition, PAGE_MAX, Series, SeriesKey, SeriesKind, StoreError};

use super::fault::Fault;
use super::row::{integer, number};
use super::shared::Shared;
use super::writer::{Unwritten, WRITE_BYTES};

#[async_trait]
impl Series for Shared {
    async fn append(&self, key: &SeriesKey, entry: Entry) -> Result<(), StoreError> {
        let bytes = WRITE_BYTES + entry.body.len();
        let key = *key;
        let work = move |connection: &Connection| {
            connection
                .prepare_cached(
                    "INSERT INTO entry (workspace, kind, subject, at, id, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
                     ON CONFLICT DO NOTHING",
                )?
                .execute(params![
                    key.workspace.uuid(),
                    key.kind as u8,
                    key.subject,
                    integer(entry.at.as_ms()),
                    entry.id,
                    entry.body,
                ])?;
            Ok(())
        };
        self.writer.write(bytes, work).await.map_err(Unwritten::into_error)
    }

    async fn newest(
        &self,
        key: &SeriesKey,
        before: Option<EntryPosition>,
        limit: usize,
    ) -> Result<Vec<Entry>, StoreError> {
        let asked = page(key, before.map_or((i64::MAX, Uuid::max()), place), limit);
        let work = move |connection: &Connection| {
            let sql = "SELECT at, id, body FROM entry
                 WHERE workspace = ?1 AND kind = ?2 AND subject = ?3 AND (at, id) < (?4, ?5)
                 ORDER BY at DESC, id DESC LIMIT ?6";
            entries(connection, sql, asked)
        };
        self.readers.read(work).await
    }

    async fn following(
        &self,
        key: &SeriesKey,
        after: Option<EntryPosition>,
        limit: usize,
    ) -> Result<Vec<Entry>, StoreError> {
        let asked = page(key, after.map_or((-1, Uuid::nil()), place), limit);
        let work = move |connection: &Connection| {
            let sql = "SELECT at, id, body FROM entry
                 WHERE workspace = ?1 AND kind = ?2 AND subject = ?3 AND (at, id) > (?4, ?5)
                 ORDER BY at, id LIMIT ?6";
            entries(connection, sql, asked)
        };
        self.readers.read(work).await
    }

    async fn expire(&self, now: Timestamp, limit: usize) -> Result<usize, StoreError> {
        let work = move |connection: &Connection| {
            let mut statement = connection.prepare_cached(
                "DELETE FROM entry WHERE place IN
                     (SELECT place FROM entry WHERE kind = ?1 AND at < ?2 ORDER BY at LIMIT ?3)",
            )?;
            let mut gone = 0;
            for kind in SeriesKind::ALL {
                let before = integer(kind.kept_since(now).as_ms());
                gone += statement.execute(params![kind as u8, before, integer((limit - gone) as u64)])?;
            }
            Ok(gone)
        };
        self.writer.write(WRITE_BYTES, work).await.map_err(Unwritten::into_error)
    }
}

/// A position as the columns have it.
fn place(position: EntryPosition) -> (i64, Uuid) {
    (integer(position.at.as_ms()), position.id)
}

fn page(key: &SeriesKey, (at, id): (i64, Uuid), limit: usize) -> impl Params + use<> {
    let limit = integer(limit.min(PAGE_MAX) as u64);
    (key.workspace.uuid(), key.kind as u8, key.subject, at, id, limit)
}

fn entries(connection: &Connection, sql: &str, asked: impl Params) -> Result<Vec<Entry>, Fault> {
    let read = |row: &Row<'_>| {
        Ok(Entry { at: Timestamp::from_ms(number(row, 0)?), id: row.get(1)?, body: row.get(2)? })
    };
    let mut statement = connection.prepare_cached(sql)?;
    Ok(statement.query_map(asked, read)?.collect::<rusqlite::Result<_>>()?)
}
