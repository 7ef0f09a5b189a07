//! All that a store holds, for moving it to another store.

use async_trait::async_trait;

use crate::{ConversationKey, Entry, Record, RecordKind, SeriesKey, StoreError, Unique};

/// Where a dump goes on. Opaque, and of one store and one part of its dump.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DumpPosition(pub(crate) Vec<u8>);

/// A piece of a dump.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DumpPage<T> {
    /// Maybe none, also when there is more.
    pub rows: Vec<T>,
    /// Where to go on; none: that was all.
    pub next: Option<DumpPosition>,
}

/// A document as it is stored, with its sort and the keys that only it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DumpedRecord {
    /// Its sort.
    pub kind: RecordKind,
    /// Itself.
    pub record: Record,
    /// In the order of their type.
    pub unique: Vec<Unique>,
}

/// All that a store holds, in pages of about `limit` rows, in an order of its own. It is complete, and each row is
/// there once, if nobody writes meanwhile.
#[async_trait]
pub trait Dump: Send + Sync + 'static {
    /// Every conversation that has a log.
    async fn conversations(
        &self,
        after: Option<DumpPosition>,
        limit: usize,
    ) -> Result<DumpPage<ConversationKey>, StoreError>;

    /// Every document.
    async fn records(
        &self,
        after: Option<DumpPosition>,
        limit: usize,
    ) -> Result<DumpPage<DumpedRecord>, StoreError>;

    /// Every entry of every series.
    async fn series(
        &self,
        after: Option<DumpPosition>,
        limit: usize,
    ) -> Result<DumpPage<(SeriesKey, Entry)>, StoreError>;
}
