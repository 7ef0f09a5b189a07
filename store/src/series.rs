//! Series: entries that are only ever added, and read by time: the audit, page views, revocations.

use async_trait::async_trait;
use domain::{Timestamp, WorkspaceId};
use uuid::Uuid;

use crate::StoreError;

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// A kind of entry. Its number is stored: append-only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum SeriesKind {
    /// What admins and agents did that changes who may do what.
    Audit = 1,
    /// A page that a visitor looked at.
    PageView = 2,
    /// A token or a log-in that ended before its time.
    Revocation = 3,
}

impl SeriesKind {
    /// Every kind.
    pub const ALL: [SeriesKind; 3] = [SeriesKind::Audit, SeriesKind::PageView, SeriesKind::Revocation];

    /// How long an entry is kept at least, counted from its [`Entry::at`].
    pub const fn keep_days(self) -> u32 {
        match self {
            // More than a year, so that what was done a year ago is still there to be asked for.
            SeriesKind::Audit => 400,
            SeriesKind::PageView => 90,
            // Longer than any token can be used or renewed: 31 days for a visitor's.
            SeriesKind::Revocation => 35,
        }
    }

    /// The oldest time of which an entry is still kept at `now`.
    pub const fn kept_since(self, now: Timestamp) -> Timestamp {
        Timestamp::from_ms(now.as_ms().saturating_sub(self.keep_days() as u64 * DAY_MS))
    }
}

/// Names a series.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SeriesKey {
    /// Whose it is.
    pub workspace: WorkspaceId,
    /// What is in it.
    pub kind: SeriesKind,
    /// The visitor that it is about, for page views; nil for the whole workspace.
    pub subject: Uuid,
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// When, by the clock of the node that wrote it.
    pub at: Timestamp,
    /// Names it there, and orders what happened in one millisecond.
    pub id: Uuid,
    /// What: an [`envelope`](crate::envelope).
    pub body: Vec<u8>,
}

impl Entry {
    /// To go on after it, or before it.
    pub const fn position(&self) -> EntryPosition {
        EntryPosition { at: self.at, id: self.id }
    }
}

/// The order of a series: by time, then by the bytes of the id. It need not be that of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryPosition {
    /// The time.
    pub at: Timestamp,
    /// Breaks ties.
    pub id: Uuid,
}

/// Entries that are added by time and never changed.
#[async_trait]
pub trait Series: Send + Sync + 'static {
    /// Adds an entry, durable when it is answered. The same position again is the same entry, with the same body, and
    /// there once.
    ///
    /// # Errors
    ///
    /// [`StoreError`]: the entry may have been written, and the caller may append the same again.
    async fn append(&self, key: &SeriesKey, entry: Entry) -> Result<(), StoreError>;

    /// The newest entries before `before`, newest first, at most `limit` and [`PAGE_MAX`](crate::PAGE_MAX). Has what
    /// was acknowledged before the call, and perhaps entries that need not be kept any more.
    ///
    /// # Errors
    ///
    /// [`StoreError`]: nothing is known; the caller tries again later, unless the store is [`StoreError::Corrupt`].
    async fn newest(
        &self,
        key: &SeriesKey,
        before: Option<EntryPosition>,
        limit: usize,
    ) -> Result<Vec<Entry>, StoreError>;

    /// The oldest entries after `after`, oldest first, at most `limit` and [`PAGE_MAX`](crate::PAGE_MAX): for a reader that
    /// follows a series. An entry that is written late, or by a clock that is behind, may lie before entries that were
    /// already read. So the reader asks again from before the last entry that it saw, by as much as an entry may be late.
    ///
    /// # Errors
    ///
    /// [`StoreError`]: nothing is known; the caller tries again later, unless the store is [`StoreError::Corrupt`].
    async fn following(
        &self,
        key: &SeriesKey,
        after: Option<EntryPosition>,
        limit: usize,
    ) -> Result<Vec<Entry>, StoreError>;

    /// Removes at most `limit` entries that need not be kept at `now`, and returns how many it removed. A backend whose
    /// entries go by themselves returns 0.
    ///
    /// # Errors
    ///
    /// [`StoreError`]: some may be gone, and the caller may call again.
    async fn expire(&self, now: Timestamp, limit: usize) -> Result<usize, StoreError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_counted_in_days() {
        let now = Timestamp::from_ms(100 * DAY_MS);
        assert_eq!(SeriesKind::PageView.kept_since(now), Timestamp::from_ms(10 * DAY_MS));
        assert_eq!(SeriesKind::Audit.kept_since(now), Timestamp::from_ms(0));
    }
}
