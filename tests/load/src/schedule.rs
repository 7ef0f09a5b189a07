//! When which message is due. One schedule is shared by all senders, so that a server that is slow to one of them
//! does not make the next message late in silence: its latency counts from when it was due, not from when a sender
//! came round to it (no coordinated omission).

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The messages of a run, numbered, each with its moment.
#[derive(Debug)]
pub(crate) struct Schedule {
    begin: Instant,
    /// None: closed loop, a message is due as soon as a sender is free.
    rate: Option<f64>,
    warm: Duration,
    end: Duration,
    next: AtomicU64,
}

/// A message to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Due {
    pub(crate) number: u64,
    /// Since the run began.
    pub(crate) at: Duration,
}

impl Schedule {
    /// `rate` messages a second (0: closed loop), of which those due after `warm` and for `measured` count.
    pub(crate) fn new(rate: u32, warm: Duration, measured: Duration) -> Self {
        let rate = (rate > 0).then_some(f64::from(rate));
        Self { begin: Instant::now(), rate, warm, end: warm + measured, next: AtomicU64::new(0) }
    }

    /// Waits until the next message is due and gives it. None: the run is over, or this message comes too late to be
    /// sent within it.
    pub(crate) fn next(&self) -> Option<Due> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let at = match self.rate {
            Some(rate) => Duration::from_secs_f64(number as f64 / rate),
            None => self.now(),
        };
        if at >= self.end {
            return None;
        }
        let now = self.now();
        if now >= self.end {
            return None;
        }
        std::thread::sleep(at.saturating_sub(now));
        Some(Due { number, at })
    }

    /// How many messages of the measured time there were to send; none in a closed loop, which asks for no number.
    pub(crate) fn asked(&self) -> Option<u64> {
        let due_before = |at: Duration, rate: f64| (at.as_secs_f64() * rate).ceil() as u64;
        self.rate.map(|rate| due_before(self.end, rate) - due_before(self.warm, rate))
    }

    /// Since the run began.
    pub(crate) fn now(&self) -> Duration {
        self.begin.elapsed()
    }

    /// Whether this moment is in the measured time.
    pub(crate) fn is_measured(&self, at: Duration) -> bool {
        (self.warm..self.end).contains(&at)
    }

    /// Waits for the measured time to begin.
    pub(crate) fn sleep_until_warm(&self) {
        std::thread::sleep(self.warm.saturating_sub(self.now()));
    }

    /// Waits for the end.
    pub(crate) fn sleep_until_end(&self) {
        std::thread::sleep(self.end.saturating_sub(self.now()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_due_at_the_rate_however_late_their_sender_comes() {
        let schedule = Schedule::new(1_000, Duration::ZERO, Duration::from_secs(60));
        std::thread::sleep(Duration::from_millis(5));
        let due: Vec<Due> = (0..3).filter_map(|_| schedule.next()).collect();
        let ms = Duration::from_millis;
        let expected = [(0, ms(0)), (1, ms(1)), (2, ms(2))].map(|(number, at)| Due { number, at });
        assert_eq!(due, expected);
    }

    #[test]
    fn only_what_is_due_after_the_warm_up_counts() {
        let schedule = Schedule::new(10, Duration::from_secs(1), Duration::from_secs(2));
        assert!(!schedule.is_measured(Duration::from_millis(999)));
        assert!(schedule.is_measured(Duration::from_secs(1)));
        assert!(!schedule.is_measured(Duration::from_secs(3)));
        assert_eq!(schedule.asked(), Some(20));
    }

    #[test]
    fn a_run_that_is_over_has_no_message() {
        assert_eq!(Schedule::new(0, Duration::ZERO, Duration::ZERO).next(), None);
        assert_eq!(Schedule::new(10, Duration::ZERO, Duration::ZERO).next(), None);
    }
}
