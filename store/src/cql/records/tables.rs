//! The two tables of records, one statement at a time: what the [`super::protocol`] is made of.

use std::collections::BTreeMap;

use domain::Timestamp;
use scylla::SerializeRow;
use scylla::response::query_result::QueryRowsResult;
use uuid::Uuid;

use crate::{Record, RecordKind, StoreError, Unique, UniqueScope};

use super::super::outcome::{Failure, Settled};
use super::super::session::unreadable;
use super::super::shared::Shared;
use super::super::value::{bigint, number};

/// For how long it is kept in mind that a document is not there: longer than any process or server is frozen in the
/// middle of a write. In seconds.
const VOID_S: i32 = 10 * 24 * 60 * 60;
/// What lives longer stays until it is removed: servers take no time to live that ends after 2038. In seconds.
const LIFE_MAX_S: u64 = 365 * 24 * 60 * 60;
/// A time to live without an end.
const FOR_EVER: i32 = 0;

/// Where a document is, or may be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) workspace: Uuid,
    pub(super) kind: RecordKind,
    pub(super) id: String,
}

impl Place {
    /// The last part of its partition's key.
    pub(super) fn part(&self) -> &str {
        if self.kind.is_listed() { "" } else { &self.id }
    }
}

/// A unique key of a kind.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    /// How far it reaches: a workspace, or the installation.
    pub(super) realm: Uuid,
    pub(super) name: String,
}

impl Key {
    pub(super) fn of(workspace: Uuid, unique: &Unique) -> Self {
        let realm = match unique.scope {
            UniqueScope::Workspace => workspace,
            // No workspace has it; the lowest one is the workspace of what belongs to the installation.
            UniqueScope::Installation => Uuid::max(),
        };
        Self { realm, name: unique.key.clone() }
    }
}

/// Unique keys, and the claim by which each was got.
pub(super) type Claims = BTreeMap<Key, Uuid>;

/// What there is of a document, as far as writing the next version goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// 0: there is none.
    pub(super) version: u64,
    /// None: there was none for long.
    pub(super) fence: Option<Uuid>,
    pub(super) created_at: Timestamp,
    pub(super) life: Life,
    pub(super) keys: Claims,
}

impl Seen {
    pub(super) fn lives(&self) -> bool {
        self.version > 0
    }

    pub(super) fn has(&self, key: &Key) -> bool {
        self.lives() && self.keys.contains_key(key)
    }
}

/// For how long a row lives, in seconds, as statements take it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Life(i32);

impl Life {
    /// From the document's own times: the servers count from when they are told.
    pub(super) fn of(updated_at: Timestamp, expires_at: Option<Timestamp>) -> Self {
        let Some(expires_at) = expires_at else { return Self(FOR_EVER) };
        let rest_ms = expires_at.as_ms().saturating_sub(updated_at.as_ms());
        // Servers count whole seconds, and the first of them may be nearly over.
        let life_s = rest_ms.div_ceil(1000) + 1;
        Self(if life_s > LIFE_MAX_S { FOR_EVER } else { life_s as i32 })
    }

    /// At least as long, and as long as anything may be on its way.
    fn of_fence(self) -> Self {
        if self.0 == FOR_EVER { self } else { Self(self.0.max(VOID_S)) }
    }
}

/// What a document's row is set to.
pub(super) struct Line<'a> {
    pub(super) fence: Uuid,
    /// None makes the row a void: there is no document, and a write over the row as it was before fails.
    pub(super) content: Option<Content<'a>>,
}

pub(super) struct Content<'a> {
    /// With the stored `created_at` from the second version on.
    pub(super) record: &'a Record,
    pub(super) created_at: Timestamp,
    pub(super) keys: Claims,
}

/// Where a unique key leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pointer {
    pub(super) workspace: Uuid,
    pub(super) id: String,
    pub(super) claim: Uuid,
}

impl Pointer {
    pub(super) fn place(&self, kind: RecordKind) -> Place {
        Place { workspace: self.workspace, kind, id: self.id.clone() }
    }
}

/// The tables. A trait, so that the protocol can also be run on tables that answer late, twice or not at all, by seed.
/// Reads see all that was answered, and settle what is on its way. `over` is what must be there for a write to be done:
/// a row's fence or claim, or none when there must be no row.
pub(super) trait Tables: Sync {
    /// A UUID that nobody has.
    fn fresh(&self) -> Uuid;

    fn document(&self, place: &Place) -> impl Future<Output = Result<Seen, StoreError>> + Send;

    fn write(
        &self,
        place: &Place,
        over: Option<Uuid>,
        line: &Line<'_>,
    ) -> impl Future<Output = Result<Settled, Failure>> + Send;

    /// Gives a document's row another fence and changes nothing else.
    fn fence(
        &self,
        place: &Place,
        over: Uuid,
        fence: Uuid,
        life: Life,
    ) -> impl Future<Output = Result<Settled, Failure>> + Send;

    fn pointer(
        &self,
        kind: RecordKind,
        key: &Key,
    ) -> impl Future<Output = Result<Option<Pointer>, StoreError>> + Send;

    fn point(
        &self,
        kind: RecordKind,
        key: &Key,
        over: Option<Uuid>,
        to: &Pointer,
    ) -> impl Future<Output = Result<Settled, Failure>> + Send;

    fn unpoint(
        &self,
        kind: RecordKind,
        key: &Key,
        over: Uuid,
    ) -> impl Future<Output = Result<Settled, Failure>> + Send;
}

type StoredKeys = BTreeMap<(Uuid, String), Uuid>;
type SeenColumns = (Option<i64>, Option<Uuid>, Option<i64>, Option<i64>, Option<i64>, Option<StoredKeys>);

impl Tables for Shared {
    fn fresh(&self) -> Uuid {
        Uuid::new_v4()
    }

    async fn document(&self, place: &Place) -> Result<Seen, StoreError> {
        let rows = self.cql.read(&self.records.look, columns(place)).await?;
        let Some(columns) = rows.maybe_first_row::<SeenColumns>().map_err(unreadable)? else {
            return Ok(Seen::default());
        };
        let (version, fence, created_at, updated_at, expires_at, keys) = columns;
        let time = |stored: Option<i64>| number(stored.unwrap_or(0)).map(Timestamp::from_ms);
        let life = match expires_at {
            Some(_) => Life::of(time(updated_at)?, Some(time(expires_at)?)),
            None => Life(FOR_EVER),
        };
        let version = number(version.unwrap_or(0))?;
        let keys = keys.unwrap_or_default().into_iter();
        Ok(Seen {
            version,
            fence,
            created_at: time(created_at)?,
            life: if version > 0 { life } else { Life(VOID_S) },
            keys: keys.map(|((realm, name), claim)| (Key { realm, name }, claim)).collect(),
        })
    }

    async fn write(&self, place: &Place, over: Option<Uuid>, line: &Line<'_>) -> Result<Settled, Failure> {
        self.cql.settle(&self.records.write, Row::of(place, over, line)).await
    }

    async fn fence(&self, place: &Place, over: Uuid, fence: Uuid, life: Life) -> Result<Settled, Failure> {
        let (workspace, kind, part, id) = columns(place);
        let values = (life.of_fence().0, fence, workspace, kind, part, id, over);
        self.cql.settle(&self.records.fence, values).await
    }

    async fn pointer(&self, kind: RecordKind, key: &Key) -> Result<Option<Pointer>, StoreError> {
        let values = (tinyint(kind), key.realm, &key.name);
        pointed(&self.cql.read(&self.records.pointer, values).await?)
    }

    async fn point(
        &self,
        kind: RecordKind,
        key: &Key,
        over: Option<Uuid>,
        to: &Pointer,
    ) -> Result<Settled, Failure> {
        let values = (to.workspace, &to.id, to.claim, tinyint(kind), key.realm, &key.name, over);
        self.cql.settle(&self.records.point, values).await
    }

    async fn unpoint(&self, kind: RecordKind, key: &Key, over: Uuid) -> Result<Settled, Failure> {
        let values = (tinyint(kind), key.realm, &key.name, over);
        self.cql.settle(&self.records.unpoint, values).await
    }
}

/// Where a unique key leads, of what was read.
pub(super) fn pointed(rows: &QueryRowsResult) -> Result<Option<Pointer>, StoreError> {
    type Columns = (Option<Uuid>, Option<String>, Option<Uuid>);
    let row = rows.maybe_first_row::<Columns>().map_err(unreadable)?;
    Ok(match row {
        Some((Some(workspace), Some(id), Some(claim))) => Some(Pointer { workspace, id, claim }),
        Some(_) | None => None,
    })
}

/// A kind as a column keeps it.
pub(super) fn tinyint(kind: RecordKind) -> i8 {
    kind as i8
}

/// The columns that name a document's row.
pub(super) fn columns(place: &Place) -> (Uuid, i8, &str, &str) {
    (place.workspace, tinyint(place.kind), place.part(), &place.id)
}

/// The values of the statement that writes a document's row, by their names in it.
#[derive(Default, SerializeRow)]
struct Row<'a> {
    life: i32,
    version: i64,
    fence: Uuid,
    created_at: Option<i64>,
    updated_at: Option<i64>,
    expires_at: Option<i64>,
    keys: Option<BTreeMap<(Uuid, &'a str), Uuid>>,
    body: Option<&'a [u8]>,
    workspace: Uuid,
    kind: i8,
    part: &'a str,
    id: &'a str,
    over: Option<Uuid>,
}

impl<'a> Row<'a> {
    fn of(place: &'a Place, over: Option<Uuid>, line: &'a Line<'_>) -> Self {
        let (workspace, kind, part, id) = columns(place);
        let void =
            Self { life: VOID_S, fence: line.fence, workspace, kind, part, id, over, ..Self::default() };
        let Some(content) = &line.content else { return void };
        let record = content.record;
        let time = |at: Timestamp| bigint(at.as_ms());
        let keys = content.keys.iter().map(|(key, claim)| ((key.realm, key.name.as_str()), *claim));
        Self {
            life: Life::of(record.updated_at, record.expires_at).0,
            version: bigint(record.version),
            created_at: Some(time(content.created_at)),
            updated_at: Some(time(record.updated_at)),
            expires_at: record.expires_at.map(time),
            keys: Some(keys.collect()),
            body: Some(&record.body),
            ..void
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_lives_a_little_longer_than_its_document_and_its_fence_longer() {
        let at = Timestamp::from_ms(1_700_000_000_500);
        let life = |rest_ms| Life::of(at, Some(at.plus_ms(rest_ms))).0;
        for (rest_ms, life_s) in [(0, 1), (1, 2), (1000, 2), (1001, 3), (LIFE_MAX_S * 1000, FOR_EVER)] {
            assert_eq!(life(rest_ms), life_s, "{rest_ms}");
        }
        assert_eq!(Life::of(at, Some(Timestamp::from_ms(9))).0, 1, "its end was before");
        assert_eq!(Life::of(at, None).0, FOR_EVER);
        for (life_s, fence_s) in [(FOR_EVER, FOR_EVER), (1, VOID_S), (VOID_S + 1, VOID_S + 1)] {
            assert_eq!(Life(life_s).of_fence(), Life(fence_s));
        }
    }
}
