//! Versioned documents in SQLite. A write looks first and then writes, in one transaction, so that a refused one
//! leaves its group alone.

use std::collections::BTreeSet;

use async_trait::async_trait;
use domain::{Timestamp, WorkspaceId};
use rusqlite::{Connection, OptionalExtension, Params, Row, params};

use crate::records::check_listed;
use crate::{Record, RecordError, RecordKind, Records, StoreError, Unique, UniqueScope};

use super::fault::Fault;
use super::row::{integer, number};
use super::shared::Shared;
use super::writer::{Unwritten, WRITE_BYTES};

/// What a record is refused for, inside a transaction that goes on.
enum Refused {
    Taken(String),
    Changed,
}

impl From<Refused> for RecordError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Taken(name) => RecordError::Taken(name),
            Refused::Changed => RecordError::Changed,
        }
    }
}

#[async_trait]
impl Records for Shared {
    async fn insert(&self, kind: RecordKind, record: Record, unique: &[Unique]) -> Result<(), RecordError> {
        assert_ne!(record.version, 0, "versions are counted from 1 on");
        let bytes = WRITE_BYTES + record.body.len();
        let keys = Keys::of(record.workspace, unique);
        let work = move |connection: &Connection| insert(connection, kind, &record, &keys);
        self.write_record(bytes, work).await
    }

    async fn update(&self, kind: RecordKind, record: Record, unique: &[Unique]) -> Result<(), RecordError> {
        let bytes = WRITE_BYTES + record.body.len();
        let keys = Keys::of(record.workspace, unique);
        let work = move |connection: &Connection| update(connection, kind, &record, &keys);
        self.write_record(bytes, work).await
    }

    async fn delete(
        &self,
        workspace: WorkspaceId,
        kind: RecordKind,
        id: &str,
        version: Option<u64>,
    ) -> Result<(), RecordError> {
        let id = id.to_owned();
        let work = move |connection: &Connection| match row_of(connection, workspace, kind, &id)? {
            Some((key, stored)) if version.is_none_or(|version| version == stored) => {
                remove(connection, key)?;
                Ok(Ok(()))
            }
            Some(_) | None => Ok(Err(Refused::Changed)),
        };
        self.write_record(WRITE_BYTES, work).await
    }

    async fn get(
        &self,
        workspace: WorkspaceId,
        kind: RecordKind,
        id: &str,
    ) -> Result<Option<Record>, StoreError> {
        let id = id.to_owned();
        let work = move |connection: &Connection| {
            let sql = "SELECT workspace, id, version, created_at, updated_at, expires_at, body FROM record
                 WHERE workspace = ?1 AND kind = ?2 AND id = ?3";
            records(connection, sql, params![workspace.uuid(), kind as u8, id])
        };
        Ok(self.readers.read(work).await?.pop())
    }

    async fn find(
        &self,
        workspace: WorkspaceId,
        kind: RecordKind,
        unique: &Unique,
    ) -> Result<Option<Record>, StoreError> {
        let realm = realm(workspace, unique.scope);
        let name = unique.key.clone();
        let work = move |connection: &Connection| {
            let sql = "SELECT workspace, id, version, created_at, updated_at, expires_at, body FROM record
                 WHERE key = (SELECT record FROM record_unique WHERE kind = ?1 AND realm = ?2 AND name = ?3)";
            records(connection, sql, params![kind as u8, realm, name])
        };
        Ok(self.readers.read(work).await?.pop())
    }

    async fn list(
        &self,
        workspace: WorkspaceId,
        kind: RecordKind,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Record>, StoreError> {
        check_listed(kind);
        // No id is empty, so "after the empty one" is from the first on.
        let after = after.unwrap_or_default().to_owned();
        let work = move |connection: &Connection| {
            let sql = "SELECT workspace, id, version, created_at, updated_at, expires_at, body FROM record
                 WHERE workspace = ?1 AND kind = ?2 AND id > ?3 ORDER BY id LIMIT ?4";
            records(connection, sql, params![workspace.uuid(), kind as u8, after, integer(limit as u64)])
        };
        self.readers.read(work).await
    }

    async fn expire(&self, now: Timestamp, limit: usize) -> Result<usize, StoreError> {
        let work = move |connection: &Connection| {
            let mut statement = connection.prepare_cached(
                "SELECT key FROM record WHERE expires_at < ?1 ORDER BY expires_at LIMIT ?2",
            )?;
            let expired = statement
                .query_map(params![integer(now.as_ms()), integer(limit as u64)], |row| row.get(0))?
                .collect::<rusqlite::Result<Vec<i64>>>()?;
            for &key in &expired {
                remove(connection, key)?;
            }
            Ok(expired.len())
        };
        self.writer.write(WRITE_BYTES, work).await.map_err(Unwritten::into_error)
    }
}

impl Shared {
    async fn write_record<W>(&self, bytes: usize, work: W) -> Result<(), RecordError>
    where
        W: FnMut(&Connection) -> Result<Result<(), Refused>, Fault> + Send + 'static,
    {
        match self.writer.write(bytes, work).await {
            Ok(outcome) => outcome.map_err(RecordError::from),
            Err(Unwritten::Unknown) => Err(RecordError::Unknown),
            Err(Unwritten::Nothing(error)) => Err(RecordError::Store(error)),
        }
    }
}

/// A document's unique keys as the table has them: (realm, name), each once.
#[derive(PartialEq, Eq)]
struct Keys(BTreeSet<(Vec<u8>, String)>);

impl Keys {
    fn of(workspace: WorkspaceId, unique: &[Unique]) -> Self {
        Self(unique.iter().map(|unique| (realm(workspace, unique.scope), unique.key.clone())).collect())
    }
}

fn realm(workspace: WorkspaceId, scope: UniqueScope) -> Vec<u8> {
    match scope {
        UniqueScope::Workspace => workspace.uuid().as_bytes().to_vec(),
        UniqueScope::Installation => Vec::new(),
    }
}

type Outcome = Result<Result<(), Refused>, Fault>;

fn insert(connection: &Connection, kind: RecordKind, record: &Record, keys: &Keys) -> Outcome {
    if row_of(connection, record.workspace, kind, &record.id)?.is_some() {
        return Ok(Err(Refused::Taken(record.id.clone())));
    }
    if let Some(name) = keys.taken(connection, kind, None)? {
        return Ok(Err(Refused::Taken(name)));
    }
    let key = connection
        .prepare_cached(
            "INSERT INTO record (workspace, kind, id, version, created_at, updated_at, expires_at, body)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?
        .insert(params![
            record.workspace.uuid(),
            kind as u8,
            record.id,
            integer(record.version),
            integer(record.created_at.as_ms()),
            integer(record.updated_at.as_ms()),
            record.expires_at.map(|at| integer(at.as_ms())),
            record.body,
        ])?;
    keys.insert(connection, kind, key)?;
    Ok(Ok(()))
}

fn update(connection: &Connection, kind: RecordKind, record: &Record, keys: &Keys) -> Outcome {
    let stored = row_of(connection, record.workspace, kind, &record.id)?;
    let Some((key, _)) = stored.filter(|&(_, version)| version + 1 == record.version) else {
        return Ok(Err(Refused::Changed));
    };
    if let Some(name) = keys.taken(connection, kind, Some(key))? {
        return Ok(Err(Refused::Taken(name)));
    }
    connection
        .prepare_cached(
            "UPDATE record SET version = ?2, updated_at = ?3, expires_at = ?4, body = ?5 WHERE key = ?1",
        )?
        .execute(params![
            key,
            integer(record.version),
            integer(record.updated_at.as_ms()),
            record.expires_at.map(|at| integer(at.as_ms())),
            record.body,
        ])?;
    if Keys::stored(connection, key)? != *keys {
        Keys::remove(connection, key)?;
        keys.insert(connection, kind, key)?;
    }
    Ok(Ok(()))
}

fn remove(connection: &Connection, key: i64) -> rusqlite::Result<()> {
    Keys::remove(connection, key)?;
    connection.prepare_cached("DELETE FROM record WHERE key = ?1")?.execute([key])?;
    Ok(())
}

/// The row's key and the document's version.
fn row_of(
    connection: &Connection,
    workspace: WorkspaceId,
    kind: RecordKind,
    id: &str,
) -> rusqlite::Result<Option<(i64, u64)>> {
    connection
        .prepare_cached("SELECT key, version FROM record WHERE workspace = ?1 AND kind = ?2 AND id = ?3")?
        .query_row(params![workspace.uuid(), kind as u8, id], |row| Ok((row.get(0)?, number(row, 1)?)))
        .optional()
}

impl Keys {
    /// The first of them that a document other than `but` has.
    fn taken(
        &self,
        connection: &Connection,
        kind: RecordKind,
        but: Option<i64>,
    ) -> rusqlite::Result<Option<String>> {
        let mut statement = connection.prepare_cached(
            "SELECT record FROM record_unique WHERE kind = ?1 AND realm = ?2 AND name = ?3",
        )?;
        for (realm, name) in &self.0 {
            let holder: Option<i64> =
                statement.query_row(params![kind as u8, realm, name], |row| row.get(0)).optional()?;
            if holder.is_some() && holder != but {
                return Ok(Some(name.clone()));
            }
        }
        Ok(None)
    }

    fn stored(connection: &Connection, key: i64) -> rusqlite::Result<Self> {
        let mut statement =
            connection.prepare_cached("SELECT realm, name FROM record_unique WHERE record = ?1")?;
        let keys = statement.query_map([key], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(Self(keys.collect::<rusqlite::Result<_>>()?))
    }

    fn insert(&self, connection: &Connection, kind: RecordKind, key: i64) -> rusqlite::Result<()> {
        let mut statement = connection.prepare_cached(
            "INSERT INTO record_unique (kind, realm, name, record) VALUES (?1, ?2, ?3, ?4)",
        )?;
        for (realm, name) in &self.0 {
            statement.execute(params![kind as u8, realm, name, key])?;
        }
        Ok(())
    }

    fn remove(connection: &Connection, key: i64) -> rusqlite::Result<()> {
        connection.prepare_cached("DELETE FROM record_unique WHERE record = ?1")?.execute([key])?;
        Ok(())
    }
}

fn records(connection: &Connection, sql: &str, asked: impl Params) -> Result<Vec<Record>, Fault> {
    let mut statement = connection.prepare_cached(sql)?;
    Ok(statement.query_map(asked, |row| record(row, 0))?.collect::<rusqlite::Result<_>>()?)
}

/// A document of the seven columns from `first` on.
pub(super) fn record(row: &Row<'_>, first: usize) -> rusqlite::Result<Record> {
    let time = |column| Ok::<_, rusqlite::Error>(Timestamp::from_ms(number(row, column)?));
    let expires_at: Option<i64> = row.get(first + 5)?;
    Ok(Record {
        workspace: WorkspaceId::from_uuid(row.get(first)?),
        id: row.get(first + 1)?,
        version: number(row, first + 2)?,
        created_at: time(first + 3)?,
        updated_at: time(first + 4)?,
        expires_at: expires_at.is_some().then(|| time(first + 5)).transpose()?,
        body: row.get(first + 6)?,
    })
}
