//! Windows of time: a series lies in partitions of one window each, and a table says which there are. A window
//! is listed before anything is put into it, so what is not listed is empty.

use crate::StoreError;

use super::session::unreadable;
use super::shared::Shared;
use super::timeline::{Order, Timeline, WINDOWS_PAGE, ttl_s, window_start};

/// How much longer than what is in it a window is listed, for clocks that differ, in milliseconds.
const LISTED_LONGER_MS: u64 = 24 * 60 * 60 * 1000;

impl Shared {
    /// Lists the window of what is kept for `keep_ms` after its time, unless this process has done so.
    pub(super) async fn list_window(
        &self,
        timeline: Timeline,
        window: i32,
        length_ms: u64,
        keep_ms: u64,
    ) -> Result<(), StoreError> {
        if self.listed_windows.contains(&(timeline, window)) {
            return Ok(());
        }
        let end = window_start(window, length_ms).plus_ms(length_ms + keep_ms + LISTED_LONGER_MS);
        let Some(ttl_s) = ttl_s(self.clock.now(), end) else { return Ok(()) };
        let values = (timeline.workspace, timeline.kind as i8, timeline.subject, window, ttl_s);
        self.cql.write(&self.windows.list, values).await?;
        self.listed_windows.insert((timeline, window));
        Ok(())
    }

    /// The next windows from `from` on, at most [`WINDOWS_PAGE`].
    pub(super) async fn windows(
        &self,
        timeline: Timeline,
        from: i32,
        order: Order,
    ) -> Result<Vec<i32>, StoreError> {
        let statement = match order {
            Order::OldestFirst => &self.windows.up,
            Order::NewestFirst => &self.windows.down,
        };
        let values = (timeline.workspace, timeline.kind as i8, timeline.subject, from, WINDOWS_PAGE as i32);
        let found = self.cql.read(statement, values).await?;
        let windows = found.rows::<(i32,)>().map_err(unreadable)?;
        windows.map(|row| Ok(row.map_err(unreadable)?.0)).collect()
    }
}
