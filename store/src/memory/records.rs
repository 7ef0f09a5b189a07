//! Records in memory.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

use async_trait::async_trait;
use domain::{Timestamp, WorkspaceId};

use crate::records::check_listed;
use crate::{Record, RecordError, RecordKind, Records, StoreError, Unique, UniqueScope};

type Key = (WorkspaceId, RecordKind, String);

/// Records in memory.
#[derive(Debug, Default)]
pub struct MemoryRecords {
    rows: Mutex<BTreeMap<Key, Row>>,
}

#[derive(Debug)]
struct Row {
    record: Record,
    unique: Vec<Unique>,
}

impl MemoryRecords {
    fn rows(&self) -> MutexGuard<'_, BTreeMap<Key, Row>> {
        self.rows.lock().expect("nobody panics while holding it")
    }
}

/// The row that has this key.
fn holder<'a>(
    rows: &'a BTreeMap<Key, Row>,
    workspace: WorkspaceId,
    kind: RecordKind,
    unique: &Unique,
) -> Option<(&'a Key, &'a Row)> {
    rows.iter().find(|((of, other, _), row)| {
        let reached = unique.scope == UniqueScope::Installation || *of == workspace;
        *other == kind && reached && row.unique.contains(unique)
    })
}

fn check_unique(rows: &BTreeMap<Key, Row>, key: &Key, unique: &[Unique]) -> Result<(), RecordError> {
    let others = |unique: &&Unique| holder(rows, key.0, key.1, unique).is_some_and(|(other, _)| other != key);
    match unique.iter().find(others) {
        Some(taken) => Err(RecordError::Taken(taken.key.clone())),
        None => Ok(()),
    }
}

#[async_trait]
impl Records for MemoryRecords {
    async fn insert(&self, kind: RecordKind, record: Record, unique: &[Unique]) -> Result<(), RecordError> {
        let mut rows = self.rows();
        let key = (record.workspace, kind, record.id.clone());
        if rows.contains_key(&key) {
            return Err(RecordError::Taken(record.id));
        }
        check_unique(&rows, &key, unique)?;
        rows.insert(key, Row { record, unique: unique.to_vec() });
        Ok(())
    }

    async fn update(&self, kind: RecordKind, record: Record, unique: &[Unique]) -> Result<(), RecordError> {
        let mut rows = self.rows();
        let key = (record.workspace, kind, record.id.clone());
        let stored = rows.get(&key).ok_or(RecordError::Changed)?;
        if stored.record.version + 1 != record.version {
            return Err(RecordError::Changed);
        }
        check_unique(&rows, &key, unique)?;
        let record = Record { created_at: stored.record.created_at, ..record };
        rows.insert(key, Row { record, unique: unique.to_vec() });
        Ok(())
    }

    async fn delete(
        &self,
        workspace: WorkspaceId,
        kind: RecordKind,
        id: &str,
        version: Option<u64>,
    ) -> Result<(), RecordError> {
        let mut rows = self.rows();
        let key = (workspace, kind, id.to_owned());
        let stored = rows.get(&key).ok_or(RecordError::Changed)?;
        if version.is_some_and(|version| version != stored.record.version) {
            return Err(RecordError::Changed);
        }
        rows.remove(&key);
        Ok(())
    }

    async fn get(
        &self,
        workspace: WorkspaceId,
        kind: RecordKind,
        id: &str,
    ) -> Result<Option<Record>, StoreError> {
        Ok(self.rows().get(&(workspace, kind, id.to_owned())).map(|row| row.record.clone()))
    }

    async fn find(
        &self,
        workspace: WorkspaceId,
        kind: RecordKind,
        unique: &Unique,
    ) -> Result<Option<Record>, StoreError> {
        Ok(holder(&self.rows(), workspace, kind, unique).map(|(_, row)| row.record.clone()))
    }

    async fn list(
        &self,
        workspace: WorkspaceId,
        kind: RecordKind,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Record>, StoreError> {
        check_listed(kind);
        let rows = self.rows();
        let of_kind = rows.iter().filter(|((of, other, _), _)| (*of, *other) == (workspace, kind));
        let behind = of_kind.filter(|((.., id), _)| after.is_none_or(|after| id.as_str() > after));
        Ok(behind.take(limit).map(|(_, row)| row.record.clone()).collect())
    }

    async fn expire(&self, now: Timestamp, limit: usize) -> Result<usize, StoreError> {
        let mut rows = self.rows();
        let over = |row: &Row| row.record.expires_at.is_some_and(|at| at < now);
        let gone: Vec<Key> =
            rows.iter().filter(|(_, row)| over(row)).take(limit).map(|(key, _)| key.clone()).collect();
        gone.iter().for_each(|key| drop(rows.remove(key)));
        Ok(gone.len())
    }
}
