//! The feed on CQL: after each append the log's owner writes a row which says that the log grew. Many owners write at once,
//! by clocks that differ, so a row may appear behind a later one: a reader that has come to the end goes back a little and
//! reads the last seconds again.
//!
//! An owner that dies between an append and its row leaves at most that one append without a row, since it makes the next
//! append only after the row. The next node that claims the log writes a row for the last events again
//! ([`Shared::tell_again`]).

use domain::{ConversationId, Seq, Timestamp, WorkspaceId};
use uuid::Uuid;

use crate::series::Standing;
use crate::{ConversationKey, FEED_KEEP_DAYS, FeedEntry, FeedPage, FeedPosition, GROUP_MAX, StoreError};

use super::session::unreadable;
use super::shared::Shared;
use super::timeline::{Order, Timeline, WINDOWS_PAGE, window, window_start};
use super::value::{bigint, id, number, rows};

/// The length of a window: a workspace with a thousand appends a second has partitions of some 40 MB.
const WINDOW_MS: u64 = 10 * 60 * 1000;
const KEEP_MS: u64 = FEED_KEEP_DAYS as u64 * 24 * 60 * 60 * 1000;
/// The row of an append has the time of its last event, which no later owner's clock can be behind: a log's times never
/// fall. An append that took longer than this gets the present time, or readers would have passed its row.
const FRESH_MS: u64 = 2_000;
/// A row that was not written within this of its time is written again: the process may have been frozen meanwhile.
const TOLD_MS: u64 = 6_000;
/// How often a row is written before the append counts as not told.
const TELLINGS_MAX: u32 = 3;
/// How far a reader goes back from the present: over [`TOLD_MS`], by clocks that are 4 s apart.
const LATE_MS: u64 = 10_000;

/// Where a reader stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Reader {
    /// Behind this row.
    at: Timestamp,
    conversation: Uuid,
    last: Seq,
    /// Nothing new comes before this time, and all of it was read. From the end the reader goes back to it.
    settled: Timestamp,
}

impl Reader {
    fn before_all_at(at: Timestamp) -> Self {
        Self { at, conversation: Uuid::nil(), last: Seq::ZERO, settled: at }
    }

    fn at(position: Option<FeedPosition>) -> Self {
        match position {
            Some(FeedPosition(Standing::Moment { at, conversation, last, settled })) => {
                Self { at, conversation, last, settled }
            }
            Some(FeedPosition(Standing::Place(_))) | None => Self::before_all_at(Timestamp::from_ms(0)),
        }
    }

    fn position(self) -> FeedPosition {
        let Self { at, conversation, last, settled } = self;
        FeedPosition(Standing::Moment { at, conversation, last, settled })
    }

    /// Where it goes back to, once it has read on at `now` and come to the end. If it has passed what may still change,
    /// that is where it began to.
    fn back(self, now: Timestamp) -> Timestamp {
        if self.at > self.settled {
            return self.settled;
        }
        self.settled.max(Timestamp::from_ms(now.as_ms().saturating_sub(LATE_MS)))
    }

    /// Behind this row, and maybe not at the end.
    fn behind(at: Timestamp, conversation: Uuid, last: Seq, back: Timestamp) -> Self {
        Self { at, conversation, last, settled: back.min(at) }
    }
}

fn timeline(workspace: WorkspaceId) -> Timeline {
    Timeline { workspace: workspace.uuid(), kind: 0, subject: Uuid::nil() }
}

/// The time of the row of an append whose last event is of `at`.
fn told_at(at: Timestamp, now: Timestamp) -> Timestamp {
    if now.ms_since(at) > FRESH_MS { now } else { at }
}

impl Shared {
    /// Tells that a log has the events `first` to `last`, the last of them of the time `at`. To be done after they were
    /// appended and before anything that lets the conversation be forgotten.
    pub(super) async fn tell(
        &self,
        key: ConversationKey,
        first: Seq,
        last: Seq,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let (workspace, conversation) = (key.workspace, key.conversation.uuid());
        let (first, last) = (bigint(first.0), bigint(last.0));
        for _ in 0..TELLINGS_MAX {
            let told = told_at(at, (self.now)());
            let at = bigint(told.as_ms());
            let window = window(at, WINDOW_MS);
            self.list_window(timeline(workspace), window, WINDOW_MS, KEEP_MS).await?;
            let values = (workspace.uuid(), window, at, conversation.as_bytes().as_slice(), last, first);
            self.cql.write(&self.feed.tell, values).await?;
            if (self.now)().ms_since(told) <= TOLD_MS {
                return Ok(());
            }
        }
        Err(StoreError::Unavailable("the feed is told too slowly".into()))
    }

    /// Tells the last events again, as many as one append may have left untold.
    pub(super) async fn tell_again(&self, key: ConversationKey, last: Seq) -> Result<(), StoreError> {
        let first = Seq((last.0 + 1).saturating_sub(GROUP_MAX as u64).max(1));
        self.tell(key, first, last, (self.now)()).await
    }

    pub(super) async fn feed_page(
        &self,
        workspace: WorkspaceId,
        after: Option<FeedPosition>,
        limit: usize,
    ) -> Result<FeedPage, StoreError> {
        let mut reader = Reader::at(after);
        // Before anything is read: what is written from now on lies behind it.
        let back = reader.back((self.now)());
        let first = window(bigint(reader.at.as_ms()), WINDOW_MS);
        let windows = self.windows(timeline(workspace), first, Order::OldestFirst).await?;
        let mut entries = Vec::new();
        for &window in &windows {
            let wanted = limit - entries.len();
            if wanted == 0 {
                break;
            }
            let Reader { at, conversation, last, .. } = reader;
            let behind = (bigint(at.as_ms()), conversation.as_bytes().as_slice(), bigint(last.0));
            let values = (workspace.uuid(), window, behind.0, behind.1, behind.2, rows(wanted));
            let found = self.cql.read(&self.feed.read, values).await?;
            for row in found.rows::<(i64, &[u8], i64, i64)>().map_err(unreadable)? {
                let (at, conversation, first, last) = row.map_err(unreadable)?;
                let (at, conversation) = (Timestamp::from_ms(number(at)?), id(conversation)?);
                let (first, last) = (Seq(number(first)?), Seq(number(last)?));
                entries.push(FeedEntry {
                    conversation: ConversationId::from_uuid(conversation),
                    first,
                    last,
                });
                reader = Reader::behind(at, conversation, last, back);
            }
        }
        if entries.len() == limit {
            return Ok(FeedPage { entries, next: reader.position(), more: true });
        }
        if let Some(&last) = windows.last().filter(|_| windows.len() == WINDOWS_PAGE) {
            // All that is before the last of these windows was read.
            let start = window_start(last, WINDOW_MS);
            if start > reader.at {
                reader = Reader::behind(start, Uuid::nil(), Seq::ZERO, back);
            }
            return Ok(FeedPage { entries, next: reader.position(), more: true });
        }
        Ok(FeedPage { entries, next: Reader::before_all_at(back).position(), more: false })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Timestamp {
        Timestamp::from_ms(ms)
    }

    #[test]
    fn an_append_is_told_under_its_own_time_while_readers_look_there() {
        assert_eq!(told_at(at(5_000), at(5_400)), at(5_000));
        assert_eq!(told_at(at(5_000), at(4_000)), at(5_000), "the clock of an owner before was ahead");
        assert_eq!(told_at(at(5_000), at(9_000)), at(9_000), "it took long");
    }

    #[test]
    fn a_reader_goes_back_over_all_that_may_have_come_late() {
        let begun = Reader::at(None);
        assert_eq!(begun.back(at(100_000)), at(90_000), "what is older is settled");
        let old = Reader::behind(at(50_000), Uuid::nil(), Seq(1), at(90_000));
        assert_eq!(old.back(at(101_000)), at(91_000), "it has not come to what may change");
        let new = Reader::behind(at(95_000), Uuid::nil(), Seq(1), at(91_000));
        assert_eq!(new.back(at(200_000)), at(91_000), "what it passed may have changed since");
        let ended = Reader::before_all_at(new.back(at(200_000)));
        assert_eq!(ended.back(at(201_000)), at(191_000), "and was read again");
        assert_eq!(ended.back(at(1_000)), at(91_000), "a clock that is set back changes nothing");
    }

    #[test]
    fn a_position_of_another_store_is_none() {
        let place = FeedPosition(Standing::Place(7));
        assert_eq!(Reader::at(Some(place)), Reader::at(None));
        let reader = Reader::behind(at(9), Uuid::max(), Seq(3), at(8));
        assert_eq!(Reader::at(Some(reader.position())), reader);
    }
}
