//! All that is in an SQLite store: whole tables, by their rowids.

use async_trait::async_trait;
use domain::{ConversationId, Timestamp, WorkspaceId};
use rusqlite::{Connection, Row, params};
use uuid::Uuid;

use crate::{
    ConversationKey, Dump, DumpPage, DumpPosition, DumpedRecord, Entry, RecordKind, SeriesKey, SeriesKind,
    StoreError, Unique, UniqueScope,
};

use super::fault::Fault;
use super::records::record;
use super::row::{integer, number};
use super::shared::Shared;

/// Rows that are read after `after`, each with its rowid.
fn page<T>(
    connection: &Connection,
    sql: &str,
    after: Option<DumpPosition>,
    limit: usize,
    read: impl Fn(&Connection, &Row<'_>) -> Result<T, Fault>,
) -> Result<DumpPage<T>, Fault> {
    let after = after.map_or(0, |position| {
        let mut bytes = [0; 8];
        // Made below, so it has eight.
        bytes.iter_mut().zip(position.0).for_each(|(byte, given)| *byte = given);
        i64::from_be_bytes(bytes)
    });
    let mut statement = connection.prepare_cached(sql)?;
    let mut found = statement.query(params![after, integer(limit as u64)])?;
    let (mut rows, mut last) = (Vec::new(), None);
    while let Some(row) = found.next()? {
        last = Some(row.get::<_, i64>(0)?);
        rows.push(read(connection, row)?);
    }
    let next = last.filter(|_| rows.len() >= limit).map(|last| DumpPosition(last.to_be_bytes().to_vec()));
    Ok(DumpPage { rows, next })
}

fn unknown(what: &str, number: u8) -> Fault {
    Fault::Store(StoreError::Corrupt(format!("{what} {number} is not known")))
}

/// A document's keys, in order.
fn unique(connection: &Connection, key: i64) -> Result<Vec<Unique>, Fault> {
    let mut statement =
        connection.prepare_cached("SELECT realm, name FROM record_unique WHERE record = ?1")?;
    let keys = statement.query_map([key], |row| {
        let realm: Vec<u8> = row.get(0)?;
        let scope = if realm.is_empty() { UniqueScope::Installation } else { UniqueScope::Workspace };
        Ok(Unique { scope, key: row.get(1)? })
    })?;
    let mut keys: Vec<Unique> = keys.collect::<rusqlite::Result<_>>()?;
    keys.sort();
    Ok(keys)
}

#[async_trait]
impl Dump for Shared {
    async fn conversations(
        &self,
        after: Option<DumpPosition>,
        limit: usize,
    ) -> Result<DumpPage<ConversationKey>, StoreError> {
        let work = move |connection: &Connection| {
            let sql = "SELECT key, workspace, id FROM conversation WHERE key > ?1 ORDER BY key LIMIT ?2";
            page(connection, sql, after.clone(), limit, |_, row| {
                Ok(ConversationKey {
                    workspace: WorkspaceId::from_uuid(row.get(1)?),
                    conversation: ConversationId::from_uuid(row.get(2)?),
                })
            })
        };
        self.readers.read(work).await
    }

    async fn records(
        &self,
        after: Option<DumpPosition>,
        limit: usize,
    ) -> Result<DumpPage<DumpedRecord>, StoreError> {
        let work = move |connection: &Connection| {
            let sql = "SELECT key, kind, workspace, id, version, created_at, updated_at, expires_at, body
                 FROM record WHERE key > ?1 ORDER BY key LIMIT ?2";
            page(connection, sql, after.clone(), limit, |connection, row| {
                let kind: u8 = row.get(1)?;
                let kind = RecordKind::of_number(kind).ok_or_else(|| unknown("a kind of document,", kind))?;
                Ok(DumpedRecord { kind, record: record(row, 2)?, unique: unique(connection, row.get(0)?)? })
            })
        };
        self.readers.read(work).await
    }

    async fn series(
        &self,
        after: Option<DumpPosition>,
        limit: usize,
    ) -> Result<DumpPage<(SeriesKey, Entry)>, StoreError> {
        let work = move |connection: &Connection| {
            let sql = "SELECT place, workspace, kind, subject, at, id, body
                 FROM entry WHERE place > ?1 ORDER BY place LIMIT ?2";
            page(connection, sql, after.clone(), limit, |_, row| {
                let kind: u8 = row.get(2)?;
                let kind = SeriesKind::ALL.into_iter().find(|known| *known as u8 == kind);
                let kind = kind.ok_or_else(|| unknown("a kind of series,", row.get(2).unwrap_or(0)))?;
                let (workspace, subject): (Uuid, Uuid) = (row.get(1)?, row.get(3)?);
                let key = SeriesKey { workspace: WorkspaceId::from_uuid(workspace), kind, subject };
                let at = Timestamp::from_ms(number(row, 4)?);
                Ok((key, Entry { at, id: row.get(5)?, body: row.get(6)? }))
            })
        };
        self.readers.read(work).await
    }
}
