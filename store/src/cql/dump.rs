//! All that is on CQL servers: whole tables, page by page, in the order of the servers' ring.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use domain::{ConversationId, Timestamp, WorkspaceId};
use uuid::Uuid;

use crate::{
    ConversationKey, Dump, DumpPage, DumpPosition, DumpedRecord, Entry, Record, RecordKind, SeriesKey,
    SeriesKind, StoreError, Unique, UniqueScope,
};

use super::OpenError;
use super::session::{Statement, Way, unreadable};
use super::shared::{CqlStore, Shared};
use super::value::{id, ids, number};

/// The whole of a store.
pub(super) struct CqlDump {
    shared: Arc<Shared>,
    /// What is in segments, then what is at home, where much of the former is as well.
    conversations: [Statement; 2],
    pointed: Statement,
    records: Statement,
    /// In the order of [`SeriesKind::ALL`].
    series: Vec<Statement>,
}

impl CqlStore {
    /// All that the store holds.
    ///
    /// # Errors
    ///
    /// [`OpenError`]: a statement was not prepared, as no server answers or the role may not read. Nothing was changed.
    pub async fn dump(&self) -> Result<Arc<dyn Dump>, OpenError> {
        let cql = &self.shared.cql;
        let prepare = async |name, text: &str| cql.prepare(name, Way::Read, text).await;
        let mut series = Vec::new();
        for kind in SeriesKind::ALL {
            let table = match kind {
                SeriesKind::Audit => "series_audit",
                SeriesKind::PageView => "series_page_view",
                SeriesKind::Revocation => "series_revocation",
            };
            let text = format!("SELECT workspace, subject, at, id, body FROM {table}");
            series.push(prepare("dump_series", &text).await?);
        }
        Ok(Arc::new(CqlDump {
            conversations: [
                prepare("dump_pointers", "SELECT DISTINCT workspace, conversation FROM conversation_segment").await?,
                prepare("dump_homes", "SELECT DISTINCT workspace, conversation FROM home").await?,
            ],
            pointed: prepare(
                "dump_pointed",
                "SELECT segment FROM conversation_segment WHERE workspace = ? AND conversation = ? LIMIT 1",
            )
            .await?,
            records: prepare(
                "dump_record",
                "SELECT workspace, kind, id, version, created_at, updated_at, expires_at, keys, body FROM record",
            )
            .await?,
            series,
            shared: Arc::clone(&self.shared),
        }))
    }
}

type RecordColumns = (
    Uuid,
    i8,
    String,
    Option<i64>,
    Option<i64>,
    Option<i64>,
    Option<i64>,
    Option<BTreeMap<(Uuid, String), Uuid>>,
    Option<Vec<u8>>,
);

/// The document of a row; none when the row is a void.
fn record(columns: RecordColumns) -> Result<Option<DumpedRecord>, StoreError> {
    let (workspace, kind, id, version, created_at, updated_at, expires_at, keys, body) = columns;
    let (Some(version), Some(body)) = (version.filter(|version| *version > 0), body) else { return Ok(None) };
    let time = |ms: i64| Ok::<_, StoreError>(Timestamp::from_ms(number(ms)?));
    let kind = u8::try_from(kind).ok().and_then(RecordKind::of_number);
    let kind = kind.ok_or_else(|| StoreError::Corrupt("a document of a kind that is not known".into()))?;
    let mut unique: Vec<Unique> = keys
        .unwrap_or_default()
        .into_keys()
        .map(|(realm, key)| {
            let scope = if realm == workspace { UniqueScope::Workspace } else { UniqueScope::Installation };
            Unique { scope, key }
        })
        .collect();
    unique.sort();
    let record = Record {
        workspace: WorkspaceId::from_uuid(workspace),
        id,
        version: number(version)?,
        created_at: time(created_at.unwrap_or(0))?,
        updated_at: time(updated_at.unwrap_or(0))?,
        expires_at: expires_at.map(time).transpose()?,
        body,
    };
    Ok(Some(DumpedRecord { kind, record, unique }))
}

/// Which of several tables, and where in it.
fn table_and_place(after: Option<DumpPosition>) -> (usize, Option<Vec<u8>>) {
    let Some(DumpPosition(bytes)) = after else { return (0, None) };
    match bytes.split_first() {
        Some((&table, [])) => (usize::from(table), None),
        Some((&table, place)) => (usize::from(table), Some(place.to_vec())),
        None => (0, None),
    }
}

/// Where the next page of several tables begins.
fn next_of(table: usize, place: Option<Vec<u8>>, tables: usize) -> Option<DumpPosition> {
    match place {
        Some(place) => Some(DumpPosition([&[table as u8], &place[..]].concat())),
        None if table + 1 < tables => Some(DumpPosition(vec![table as u8 + 1])),
        None => None,
    }
}

impl CqlDump {
    async fn is_pointed(&self, key: ConversationKey) -> Result<bool, StoreError> {
        Ok(self.shared.cql.read(&self.pointed, ids(key)).await?.rows_num() > 0)
    }
}

#[async_trait]
impl Dump for CqlDump {
    async fn conversations(
        &self,
        after: Option<DumpPosition>,
        limit: usize,
    ) -> Result<DumpPage<ConversationKey>, StoreError> {
        let (table, after) = table_and_place(after);
        let Some(statement) = self.conversations.get(table) else {
            return Ok(DumpPage { rows: Vec::new(), next: None });
        };
        let (found, next) = self.shared.cql.page(statement, after, limit).await?;
        let mut rows = Vec::with_capacity(found.rows_num());
        for row in found.rows::<(Uuid, Uuid)>().map_err(unreadable)? {
            let (workspace, conversation) = row.map_err(unreadable)?;
            let key = ConversationKey {
                workspace: WorkspaceId::from_uuid(workspace),
                conversation: ConversationId::from_uuid(conversation),
            };
            let was_told = table > 0 && self.is_pointed(key).await?;
            // There may be a pointer to what was never written.
            if !was_told && self.shared.stored_head(key).await?.is_some() {
                rows.push(key);
            }
        }
        Ok(DumpPage { rows, next: next_of(table, next, self.conversations.len()) })
    }

    async fn records(
        &self,
        after: Option<DumpPosition>,
        limit: usize,
    ) -> Result<DumpPage<DumpedRecord>, StoreError> {
        let after = after.map(|position| position.0);
        let (found, next) = self.shared.cql.page(&self.records, after, limit).await?;
        let mut rows = Vec::with_capacity(found.rows_num());
        for row in found.rows::<RecordColumns>().map_err(unreadable)? {
            rows.extend(record(row.map_err(unreadable)?)?);
        }
        Ok(DumpPage { rows, next: next.map(DumpPosition) })
    }

    async fn series(
        &self,
        after: Option<DumpPosition>,
        limit: usize,
    ) -> Result<DumpPage<(SeriesKey, Entry)>, StoreError> {
        let (table, after) = table_and_place(after);
        let (Some(statement), Some(kind)) = (self.series.get(table), SeriesKind::ALL.get(table)) else {
            return Ok(DumpPage { rows: Vec::new(), next: None });
        };
        let (found, next) = self.shared.cql.page(statement, after, limit).await?;
        let mut rows = Vec::with_capacity(found.rows_num());
        for row in found.rows::<(Uuid, Uuid, i64, &[u8], Vec<u8>)>().map_err(unreadable)? {
            let (workspace, subject, at, bytes, body) = row.map_err(unreadable)?;
            let key = SeriesKey { workspace: WorkspaceId::from_uuid(workspace), kind: *kind, subject };
            rows.push((key, Entry { at: Timestamp::from_ms(number(at)?), id: id(bytes)?, body }));
        }
        Ok(DumpPage { rows, next: next_of(table, next, self.series.len()) })
    }
}
