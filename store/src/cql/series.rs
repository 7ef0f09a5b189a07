//! Series on CQL: a table for each kind, since each is kept for a time of its own and goes by whole files. What is over
//! goes by its time to live.

use async_trait::async_trait;
use domain::Timestamp;
use uuid::Uuid;

use crate::{Entry, EntryPosition, PAGE_MAX, Series, SeriesKey, SeriesKind, StoreError};

use super::session::unreadable;
use super::shared::Shared;
use super::timeline::{Order, Timeline, WINDOWS_PAGE, ttl_s, window};
use super::value::{bigint, id, number, rows};

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// How long a window is: so that one series has few in the time that it is kept, and none of them grows large.
fn window_ms(kind: SeriesKind) -> u64 {
    let days = match kind {
        SeriesKind::Audit => 10,
        SeriesKind::PageView => 30,
        SeriesKind::Revocation => 5,
    };
    days * DAY_MS
}

fn timeline(key: &SeriesKey) -> Timeline {
    Timeline { workspace: key.workspace.uuid(), kind: key.kind as u8, subject: key.subject }
}

impl Shared {
    /// The next entries behind a position, in windows from its own on.
    async fn entries(
        &self,
        key: &SeriesKey,
        (at, after): (i64, Uuid),
        limit: usize,
        order: Order,
    ) -> Result<Vec<Entry>, StoreError> {
        let statements = self.series.of(key.kind);
        let (statement, step) = match order {
            Order::OldestFirst => (&statements.following, 1),
            Order::NewestFirst => (&statements.newest, -1),
        };
        let mut entries = Vec::new();
        let mut from = window(at, window_ms(key.kind));
        loop {
            let windows = self.windows(timeline(key), from, order).await?;
            for &window in &windows {
                let wanted = limit.min(PAGE_MAX) - entries.len();
                if wanted == 0 {
                    return Ok(entries);
                }
                let partition = (key.workspace.uuid(), key.subject, window);
                let (workspace, subject, window) = partition;
                let values = (workspace, subject, window, at, after.as_bytes().as_slice(), rows(wanted));
                let found = self.cql.read(statement, values).await?;
                for row in found.rows::<(i64, &[u8], Vec<u8>)>().map_err(unreadable)? {
                    let (at, bytes, body) = row.map_err(unreadable)?;
                    entries.push(Entry { at: Timestamp::from_ms(number(at)?), id: id(bytes)?, body });
                }
            }
            match windows.last() {
                Some(last) if windows.len() == WINDOWS_PAGE => from = last.saturating_add(step),
                Some(_) | None => return Ok(entries),
            }
        }
    }
}

/// A position as the columns have it.
fn place(position: EntryPosition) -> (i64, Uuid) {
    (bigint(position.at.as_ms()), position.id)
}

#[async_trait]
impl Series for Shared {
    async fn append(&self, key: &SeriesKey, entry: Entry) -> Result<(), StoreError> {
        let keep_ms = u64::from(key.kind.keep_days()) * DAY_MS;
        // What is over before it is written is not there either.
        let Some(ttl_s) = ttl_s(self.clock.now(), entry.at.plus_ms(keep_ms)) else { return Ok(()) };
        let at = bigint(entry.at.as_ms());
        let window = window(at, window_ms(key.kind));
        self.list_window(timeline(key), window, window_ms(key.kind), keep_ms).await?;
        let id = entry.id.as_bytes().as_slice();
        let values = (key.workspace.uuid(), key.subject, window, at, id, entry.body, ttl_s);
        Ok(self.cql.write(&self.series.of(key.kind).append, values).await?)
    }

    async fn newest(
        &self,
        key: &SeriesKey,
        before: Option<EntryPosition>,
        limit: usize,
    ) -> Result<Vec<Entry>, StoreError> {
        let before = before.map_or((i64::MAX, Uuid::max()), place);
        self.entries(key, before, limit, Order::NewestFirst).await
    }

    async fn following(
        &self,
        key: &SeriesKey,
        after: Option<EntryPosition>,
        limit: usize,
    ) -> Result<Vec<Entry>, StoreError> {
        let after = after.map_or((-1, Uuid::nil()), place);
        self.entries(key, after, limit, Order::OldestFirst).await
    }

    /// The servers remove it.
    async fn expire(&self, _now: Timestamp, _limit: usize) -> Result<usize, StoreError> {
        Ok(0)
    }
}
