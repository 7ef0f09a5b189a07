//! The bounds of lanes, segments and statements.

use std::time::Duration;

/// How lanes work. The defaults are for a database; the model takes tiny ones.
#[derive(Clone, Debug)]
pub(crate) struct LaneOptions {
    /// Lanes of each boot, 1 to 16: few, since what waits at one time then goes out in few batches.
    pub(crate) lanes: u8,
    /// Groups that may wait before one lane.
    pub(crate) queue_groups_max: usize,
    /// Bytes that may wait before one lane.
    pub(crate) queue_bytes_max: usize,
    /// Events of one batch. The time of a batch is flat up to here.
    pub(crate) batch_events_max: usize,
    /// Bytes of one batch, unless it is one group alone.
    pub(crate) batch_bytes_max: usize,
    /// Of the groups with more events than this one batch takes one alone, so that a flood waits for itself.
    pub(crate) turn_events_max: usize,
    /// Bytes at which a segment ends.
    pub(crate) segment_bytes_max: u64,
    /// Rows at which a segment ends.
    pub(crate) segment_rows_max: u64,
    /// The age at which a segment with events ends.
    pub(crate) segment_age: Duration,
    /// How long a sealed segment stays after it was sealed: the reach of the journals.
    pub(crate) segment_keep: Duration,
    /// How long the first attempt of a write or a look may take. A frozen server would stop all that wait in a lane.
    pub(crate) write_attempt: Duration,
    /// How long the first attempt of a read may take.
    pub(crate) read_attempt: Duration,
    /// Each attempt may take twice as long as the one before, up to this.
    pub(crate) attempt_max: Duration,
    /// The longest pause after the first attempt, growing in the same way.
    pub(crate) pause: Duration,
    /// The longest pause.
    pub(crate) pause_max: Duration,
    /// Attempts of what somebody waits for, before they hear that the store is away.
    pub(crate) tries: u32,
    /// How long [`super::OpenLanes::close`] waits for what is on its way.
    pub(crate) close: Duration,
}

impl Default for LaneOptions {
    fn default() -> Self {
        Self {
            lanes: 4,
            queue_groups_max: 4096,
            queue_bytes_max: 16 * 1024 * 1024,
            batch_events_max: 256,
            batch_bytes_max: 512 * 1024,
            turn_events_max: 16,
            segment_bytes_max: 32 * 1024 * 1024,
            segment_rows_max: 50_000,
            segment_age: Duration::from_hours(24),
            segment_keep: Duration::from_hours(u64::from(crate::JOURNAL_KEEP_HOURS)),
            write_attempt: Duration::from_millis(300),
            read_attempt: Duration::from_millis(1500),
            attempt_max: Duration::from_secs(5),
            pause: Duration::from_millis(30),
            pause_max: Duration::from_secs(1),
            tries: 5,
            close: Duration::from_secs(10),
        }
    }
}
