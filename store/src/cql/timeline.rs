//! Series are cut into windows of time. Pure.

use domain::Timestamp;
use uuid::Uuid;

/// How many windows are asked for at once.
pub(super) const WINDOWS_PAGE: usize = 32;
/// The longest time to live that servers take, in seconds.
const TTL_MAX_S: u64 = 20 * 365 * 24 * 60 * 60;

/// What is cut into windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Timeline {
    pub(super) workspace: Uuid,
    /// [`crate::SeriesKind`].
    pub(super) kind: u8,
    pub(super) subject: Uuid,
}

/// Which windows come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    OldestFirst,
    NewestFirst,
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
