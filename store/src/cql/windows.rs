//! Windows of time: a series and a feed lie in partitions of one window each, and a table says which there are. A window
//! is listed before anything is put into it, so what is not listed is empty.

use std::collections::HashSet;
use std::sync::Mutex;

use domain::Timestamp;
use uuid::Uuid;

use crate::StoreError;

use super::session::{Cql, Statement, Way, unreadable};
use super::{OpenError, Shared};

/// How many windows are asked for at once.
pub(super) const WINDOWS_PAGE: usize = 32;
/// How many windows a process remembers to have listed. Then it forgets them all, and lists again what it meets.
const LISTED_MAX: usize = 10_000;
/// How much longer than what is in it a window is listed, for clocks that differ, in milliseconds.
const LISTED_LONGER_MS: u64 = 24 * 60 * 60 * 1000;
/// The longest time to live that servers take, in seconds.
const TTL_MAX_S: u64 = 20 * 365 * 24 * 60 * 60;

/// What is cut into windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Lane {
    pub(super) workspace: Uuid,
    /// [`crate::SeriesKind`], or 0 for the feed.
    pub(super) kind: u8,
    pub(super) subject: Uuid,
}

/// Which windows come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    OldestFirst,
    NewestFirst,
}

pub(super) struct WindowStatements {
    list: Statement,
    up: Statement,
    down: Statement,
    listed: Mutex<HashSet<(Lane, i32)>>,
}

impl WindowStatements {
    pub(super) async fn prepare(cql: &Cql) -> Result<Self, OpenError> {
        let key = "workspace = ? AND kind = ? AND subject = ?";
        Ok(Self {
            list: cql
                .prepare(
                    "window_list",
                    Way::Write,
                    "INSERT INTO series_window (workspace, kind, subject, window) VALUES (?, ?, ?, ?) USING TTL ?",
                )
                .await?,
            up: cql
                .prepare(
                    "windows_up",
                    Way::Read,
                    &format!(
                        "SELECT window FROM series_window WHERE {key} AND window >= ? ORDER BY window ASC LIMIT ?"
                    ),
                )
                .await?,
            down: cql
                .prepare(
                    "windows_down",
                    Way::Read,
                    &format!("SELECT window FROM series_window WHERE {key} AND window <= ? LIMIT ?"),
                )
                .await?,
            listed: Mutex::default(),
        })
    }
}

/// The window of a time, both in milliseconds.
pub(super) fn window(at_ms: i64, length_ms: u64) -> i32 {
    let number = u64::try_from(at_ms).unwrap_or(0) / length_ms;
    i32::try_from(number).unwrap_or(i32::MAX)
}

/// The first millisecond of a window.
pub(super) fn window_start(window: i32, length_ms: u64) -> Timestamp {
    Timestamp::from_ms(u64::from(window.unsigned_abs()) * length_ms)
}

/// The time to live of what is to be kept until `end`, in seconds; none: that is over.
pub(super) fn ttl_s(now: Timestamp, end: Timestamp) -> Option<i32> {
    let left_s = end.ms_since(now).div_ceil(1000).min(TTL_MAX_S);
    i32::try_from(left_s).ok().filter(|&left_s| left_s > 0)
}

impl Shared {
    /// Lists the window of what is kept for `keep_ms` after its time, unless this process has done so.
    pub(super) async fn list_window(
        &self,
        lane: Lane,
        window: i32,
        length_ms: u64,
        keep_ms: u64,
    ) -> Result<(), StoreError> {
        let listed = || self.windows.listed.lock().expect("nobody panics while holding it");
        if listed().contains(&(lane, window)) {
            return Ok(());
        }
        let end = window_start(window, length_ms).plus_ms(length_ms + keep_ms + LISTED_LONGER_MS);
        let Some(ttl_s) = ttl_s((self.now)(), end) else { return Ok(()) };
        let values = (lane.workspace, lane.kind as i8, lane.subject, window, ttl_s);
        self.cql.write(&self.windows.list, values).await?;
        let mut listed = listed();
        if listed.len() >= LISTED_MAX {
            listed.clear();
        }
        listed.insert((lane, window));
        Ok(())
    }

    /// The next windows from `from` on, at most [`WINDOWS_PAGE`].
    pub(super) async fn windows(&self, lane: Lane, from: i32, order: Order) -> Result<Vec<i32>, StoreError> {
        let statement = match order {
            Order::OldestFirst => &self.windows.up,
            Order::NewestFirst => &self.windows.down,
        };
        let values = (lane.workspace, lane.kind as i8, lane.subject, from, WINDOWS_PAGE as i32);
        let found = self.cql.read(statement, values).await?;
        let windows = found.rows::<(i32,)>().map_err(unreadable)?;
        windows.map(|row| Ok(row.map_err(unreadable)?.0)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_time_has_a_window() {
        let window = |at_ms| window(at_ms, 1000);
        assert_eq!([-1, 0, 999, 1000, i64::MAX].map(window), [0, 0, 0, 1, i32::MAX]);
        assert_eq!(window_start(3, 1000), Timestamp::from_ms(3000));
    }

    #[test]
    fn what_is_over_has_no_time_to_live() {
        let at = Timestamp::from_ms;
        assert_eq!(ttl_s(at(5000), at(5000)), None);
        assert_eq!(ttl_s(at(5000), at(4000)), None);
        assert_eq!(ttl_s(at(5000), at(5001)), Some(1));
        assert_eq!(ttl_s(at(5000), at(u64::MAX)), Some(630_720_000));
    }
}
