//! Versioned documents and their unique keys, written by conditional statements alone ([`protocol`]), read by plain ones.
//! What ends goes by itself: its row lives as long as its own times say.

use std::collections::BTreeMap;

use async_trait::async_trait;
use domain::{Timestamp, WorkspaceId};
use uuid::Uuid;

use crate::records::check_listed;
use crate::{Record, RecordError, RecordKind, Records, StoreError, Unique};

use super::session::unreadable;
use super::shared::Shared;
use super::value::{number, rows};

#[cfg(test)]
mod model;
mod protocol;
mod tables;

use tables::{Key, Place, columns, pointed, tinyint};

/// How many rows of a list are read at once.
const PAGE: usize = 500;

#[async_trait]
impl Records for Shared {
    async fn insert(&self, kind: RecordKind, record: Record, unique: &[Unique]) -> Result<(), RecordError> {
        assert_ne!(record.version, 0, "versions are counted from 1 on");
        protocol::insert(self, kind, &record, unique).await
    }

    async fn update(&self, kind: RecordKind, record: Record, unique: &[Unique]) -> Result<(), RecordError> {
        protocol::update(self, kind, &record, unique).await
    }

    async fn delete(
        &self,
        workspace: WorkspaceId,
        kind: RecordKind,
        id: &str,
        version: Option<u64>,
    ) -> Result<(), RecordError> {
        let place = Place { workspace: workspace.uuid(), kind, id: id.to_owned() };
        protocol::delete(self, &place, version).await
    }

    async fn get(
        &self,
        workspace: WorkspaceId,
        kind: RecordKind,
        id: &str,
    ) -> Result<Option<Record>, StoreError> {
        let place = Place { workspace: workspace.uuid(), kind, id: id.to_owned() };
        Ok(self.stored(&place).await?.map(|stored| stored.record))
    }

    async fn find(
        &self,
        workspace: WorkspaceId,
        kind: RecordKind,
        unique: &Unique,
    ) -> Result<Option<Record>, StoreError> {
        let key = Key::of(workspace.uuid(), unique);
        let values = (tinyint(kind), key.realm, &key.name);
        let Some(pointer) = pointed(&self.cql.read(&self.records.find, values).await?)? else {
            return Ok(None);
        };
        let stored = self.stored(&pointer.place(kind)).await?;
        Ok(stored.filter(|stored| stored.keys.contains(&key)).map(|stored| stored.record))
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
        let mut after = after.unwrap_or_default().to_owned();
        let mut found = Vec::new();
        while found.len() < limit {
            let page = PAGE.min(limit - found.len());
            let values = (workspace.uuid(), tinyint(kind), &after, rows(page));
            let rows = self.cql.read(&self.records.list, values).await?;
            let mut last = None;
            for row in rows.rows::<Columns<'_>>().map_err(unreadable)? {
                let columns = row.map_err(unreadable)?;
                last = Some(columns.1.to_owned());
                found.extend(stored(workspace, columns)?.map(|stored| stored.record));
            }
            match last {
                // Some of the page's rows may have been voids.
                Some(last) if rows.rows_num() == page => after = last,
                Some(_) | None => break,
            }
        }
        Ok(found)
    }

    async fn expire(&self, _: Timestamp, _: usize) -> Result<usize, StoreError> {
        Ok(0)
    }

    fn expires_by_itself(&self) -> bool {
        true
    }
}

/// A document, and the keys that it names.
struct Stored {
    record: Record,
    keys: Vec<Key>,
}

type Columns<'a> = (
    Option<BTreeMap<(Uuid, String), Uuid>>,
    &'a str,
    Option<i64>,
    Option<i64>,
    Option<i64>,
    Option<i64>,
    Option<&'a [u8]>,
);

/// The document of a row; none: the row is a void.
fn stored(workspace: WorkspaceId, columns: Columns<'_>) -> Result<Option<Stored>, StoreError> {
    let (keys, id, version, created_at, updated_at, expires_at, body) = columns;
    let version = number(version.unwrap_or(0))?;
    if version == 0 {
        return Ok(None);
    }
    let missing = || StoreError::Corrupt(format!("the document {id} lacks a part"));
    let time = |stored| number(stored).map(Timestamp::from_ms);
    let record = Record {
        workspace,
        id: id.to_owned(),
        version,
        created_at: time(created_at.ok_or_else(missing)?)?,
        updated_at: time(updated_at.ok_or_else(missing)?)?,
        expires_at: expires_at.map(time).transpose()?,
        body: body.ok_or_else(missing)?.to_owned(),
    };
    let keys = keys.unwrap_or_default().into_keys().map(|(realm, name)| Key { realm, name }).collect();
    Ok(Some(Stored { record, keys }))
}

impl Shared {
    async fn stored(&self, place: &Place) -> Result<Option<Stored>, StoreError> {
        let rows = self.cql.read(&self.records.get, columns(place)).await?;
        let row = rows.maybe_first_row::<Columns<'_>>().map_err(unreadable)?;
        let workspace = WorkspaceId::from_uuid(place.workspace);
        Ok(row.map(|columns| stored(workspace, columns)).transpose()?.flatten())
    }
}
