//! A team's queue in two numbers, which its router keeps up and others read without asking it.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use domain::Timestamp;

/// How many conversations wait, and since when the first of them does.
#[derive(Debug, Default)]
pub(crate) struct QueueGauges {
    waiting: AtomicUsize,
    /// In milliseconds since 1970; means nothing while none waits.
    since: AtomicU64,
}

impl QueueGauges {
    pub(crate) fn set(&self, waiting: usize, since: Option<Timestamp>) {
        self.since.store(since.unwrap_or_default().as_ms(), Ordering::Relaxed);
        self.waiting.store(waiting, Ordering::Relaxed);
    }

    pub(crate) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// How long the first of them has waited at `now`; 0 when none waits.
    pub(crate) fn longest_wait_ms(&self, now: Timestamp) -> u64 {
        if self.waiting() == 0 {
            return 0;
        }
        now.ms_since(Timestamp::from_ms(self.since.load(Ordering::Relaxed)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_queue_has_no_wait() {
        let (gauges, at) = (QueueGauges::default(), Timestamp::from_ms);
        assert_eq!((gauges.waiting(), gauges.longest_wait_ms(at(9_000))), (0, 0));
        gauges.set(2, Some(at(4_000)));
        assert_eq!((gauges.waiting(), gauges.longest_wait_ms(at(9_000))), (2, 5_000));
        assert_eq!(gauges.longest_wait_ms(at(3_000)), 0, "a clock that was set back");
        gauges.set(0, None);
        assert_eq!((gauges.waiting(), gauges.longest_wait_ms(at(9_000))), (0, 0));
    }
}
