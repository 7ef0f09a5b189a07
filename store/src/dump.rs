//! All that a store holds, for moving it to another store.

use async_trait::async_trait;

use crate::{ConversationKey, Entry, Record, RecordKind, SeriesKey, StoreError, Unique};

/// Where a dump goes on. Opaque, and of one store and one part of its dump.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DumpPosition(pub(crate) Vec<u8>);

/// A piece of a dump.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DumpPage<T> {
    /// The rows; there may be none although more pages follow.
    pub rows: Vec<T>,
    /// Where the next page begins; none after the last.
    pub next: Option<DumpPosition>,
}

/// A document as it is stored, with its kind and the unique keys that lead to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DumpedRecord {
    /// Its kind.
    pub kind: RecordKind,
    /// The document.
    pub record: Record,
    /// In the order of their type.
    pub unique: Vec<Unique>,
}

/// All that a store holds, in pages of about `limit` rows, in an order of its own. The dump is complete, and has each
/// row once, if nothing is written meanwhile.
#[async_trait]
pub trait Dump: Send + Sync + 'static {
    /// Every conversation that has a log.
    ///
    /// # Errors
    ///
    /// [`StoreError`]: nothing was read, and the caller may ask for the same page again.
    async fn conversations(
        &self,
        after: Option<DumpPosition>,
        limit: usize,
    ) -> Result<DumpPage<ConversationKey>, StoreError>;

    /// Every document.
    ///
    /// # Errors
    ///
    /// [`StoreError`]: nothing was read, and the caller may ask for the same page again.
    async fn records(
        &self,
        after: Option<DumpPosition>,
        limit: usize,
    ) -> Result<DumpPage<DumpedRecord>, StoreError>;

    /// Every entry of every series.
    ///
    /// # Errors
    ///
    /// [`StoreError`]: nothing was read, and the caller may ask for the same page again.
    async fn series(
        &self,
        after: Option<DumpPosition>,
        limit: usize,
    ) -> Result<DumpPage<(SeriesKey, Entry)>, StoreError>;
}
