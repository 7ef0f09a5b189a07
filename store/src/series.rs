//! Series: entries that are only ever added, and read by time: the audit, page views, revocations. And the feed, from which
//! readers of conversations' events (search, webhooks, reports) learn which logs grew.

use std::fmt;
use std::str::FromStr;

use async_trait::async_trait;
use domain::{ConversationId, Seq, Timestamp, WorkspaceId};
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

/// A log has these events, `first` to `last`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeedEntry {
    /// Whose log.
    pub conversation: ConversationId,
    /// The first of them.
    pub first: Seq,
    /// The last of them.
    pub last: Seq,
}

/// A piece of a feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedPage {
    /// What was appended; maybe nothing, also when there is more.
    pub entries: Vec<FeedEntry>,
    /// Where the next page begins. It moves also when nothing was found, so the reader keeps it in any case.
    pub next: FeedPosition,
    /// Whether there was more when the page was read: then the reader asks again at once, otherwise after a while.
    pub more: bool,
}

/// Where a reader of a feed stands. Opaque; as a text it is short and can be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeedPosition(pub(crate) Standing);

/// The content of a position, which each backend chooses for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// In the order of commits: behind this many.
    Place(u64),
    /// In the order of clocks: behind this entry.
    Moment {
        at: Timestamp,
        conversation: Uuid,
        last: Seq,
        /// Nothing before this time changes any more.
        settled: Timestamp,
    },
}

/// The longest text of a position.
const POSITION_BYTES_MAX: usize = 102;

impl fmt::Display for FeedPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Standing::Place(place) => write!(f, "place-{place}"),
            Standing::Moment { at, conversation, last, settled } => {
                let (at, last, settled) = (at.as_ms(), last.0, settled.as_ms());
                write!(f, "moment-{at}-{}-{last}-{settled}", conversation.simple())
            }
        }
    }
}

/// The text is no position of a feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is no position of a feed")]
pub struct NoFeedPosition;

impl FromStr for FeedPosition {
    type Err = NoFeedPosition;

    fn from_str(text: &str) -> Result<Self, NoFeedPosition> {
        if text.len() > POSITION_BYTES_MAX {
            return Err(NoFeedPosition);
        }
        let number = |text: &str| text.parse::<u64>().map_err(|_| NoFeedPosition);
        let time = |text: &str| number(text).map(Timestamp::from_ms);
        let position = match text.split('-').collect::<Vec<_>>()[..] {
            ["place", place] => Self(Standing::Place(number(place)?)),
            ["moment", at, conversation, last, settled] => Self(Standing::Moment {
                at: time(at)?,
                conversation: Uuid::try_parse(conversation).map_err(|_| NoFeedPosition)?,
                last: Seq(number(last)?),
                settled: time(settled)?,
            }),
            _ => return Err(NoFeedPosition),
        };
        // One position has one text: no sign, no zeros before it.
        if position.to_string() == text { Ok(position) } else { Err(NoFeedPosition) }
    }
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

    /// What was appended to the workspace's conversations after `after`, or as far back as it is kept, at most `limit`
    /// and [`PAGE_MAX`](crate::PAGE_MAX) entries. The feed has every event that was acknowledged, at least once, soon after
    /// that, and keeps it for [`FEED_KEEP_DAYS`] at least: a reader that is further behind starts again from the logs. An
    /// entry may come again. Where many nodes append, this holds while their clocks are at most 4 s apart.
    ///
    /// The entries of one conversation come in its order. Only if its owner died, or an append took many seconds, an entry
    /// may come before an earlier one. So a reader that must neither miss an event nor see one out of order reads the log
    /// from the last event that it knows, or from `first`, to `last`.
    ///
    /// A position that another kind of store gave counts as none.
    ///
    /// # Errors
    ///
    /// [`StoreError`]: nothing is known; the caller tries again later, unless the store is [`StoreError::Corrupt`].
    async fn feed(
        &self,
        workspace: WorkspaceId,
        after: Option<FeedPosition>,
        limit: usize,
    ) -> Result<FeedPage, StoreError>;

    /// Removes at most `limit` entries that need not be kept at `now`, and returns how many it removed. A backend whose
    /// entries go by themselves returns 0.
    ///
    /// # Errors
    ///
    /// [`StoreError`]: some may be gone, and the caller may call again.
    async fn expire(&self, now: Timestamp, limit: usize) -> Result<usize, StoreError>;
}

/// How long a feed is kept at least.
pub const FEED_KEEP_DAYS: u32 = 14;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_read_as_it_is_written_and_nothing_else_is() {
        let (first, last) = (Timestamp::from_ms(0), Timestamp::from_ms(u64::MAX));
        let some = [
            Standing::Place(0),
            Standing::Place(u64::MAX),
            Standing::Moment { at: first, conversation: Uuid::nil(), last: Seq::ZERO, settled: first },
            Standing::Moment { at: last, conversation: Uuid::max(), last: Seq(u64::MAX), settled: last },
        ];
        for position in some.map(FeedPosition) {
            assert_eq!(position.to_string().parse(), Ok(position));
        }
        let nil = Uuid::nil().simple();
        let wrong = [
            "",
            "place",
            "place-",
            "place-01",
            "place-+1",
            "place--1",
            "place-1 ",
            "place-1-1",
            "place-18446744073709551616",
            "moment-1",
            &format!("moment-1-{nil}-1"),
            &format!("moment-1-{nil}-1-01"),
            &format!("moment-1-{nil}-1-1-1"),
            &format!("moment-1-{{{nil}}}-1-1"),
            &format!("x-1-{nil}-1-1"),
        ];
        for text in wrong {
            assert_eq!(text.parse::<FeedPosition>(), Err(NoFeedPosition), "{text:?}");
        }
    }

    #[test]
    fn what_is_kept_is_counted_in_days() {
        let now = Timestamp::from_ms(100 * DAY_MS);
        assert_eq!(SeriesKind::PageView.kept_since(now), Timestamp::from_ms(10 * DAY_MS));
        assert_eq!(SeriesKind::Audit.kept_since(now), Timestamp::from_ms(0));
    }
}
