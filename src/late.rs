//! Timers that fire far too late: the process was stopped, or had no core. Whatever waited for a client must not hold
//! that against the client, who may have done all in time; it gives one more interval.

use std::time::Duration;

use tokio::time::Instant;

/// Later than a busy machine makes a timer.
const LATE: Duration = Duration::from_secs(1);

/// Whether what was due at `due` comes so late that the process cannot have run meanwhile.
pub(crate) fn fired_late(due: Instant) -> bool {
    Instant::now().saturating_duration_since(due) >= LATE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_timer_is_late_only_when_it_is_far_too_late() {
        let due = Instant::now();
        tokio::time::advance(Duration::from_millis(999)).await;
        assert!(!fired_late(due));
        tokio::time::advance(Duration::from_millis(1)).await;
        assert!(fired_late(due) && !fired_late(due + LATE));
    }
}
