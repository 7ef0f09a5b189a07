//! The wall clock, read here alone. What waits uses tokio's monotonic time; this one is for display and for expiry.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use domain::Timestamp;

/// A wall clock: the machine's, or one that a test sets.
#[derive(Clone, Debug, Default)]
pub struct Clock(Source);

#[derive(Clone, Debug, Default)]
enum Source {
    #[default]
    Machine,
    /// Milliseconds since 1970-01-01 UTC.
    ByHand(Arc<AtomicU64>),
    /// Tokio's time since the clock was made, which a test pauses.
    #[cfg(test)]
    Tokio(tokio::time::Instant),
}

impl Clock {
    /// The machine's.
    pub fn system() -> Self {
        Self(Source::Machine)
    }

    /// One that stands still until [`Clock::advance_ms`].
    pub fn by_hand(at: Timestamp) -> Self {
        Self(Source::ByHand(Arc::new(AtomicU64::new(at.as_ms()))))
    }

    /// Goes as tokio's time goes.
    #[cfg(test)]
    pub(crate) fn of_tokio() -> Self {
        Self(Source::Tokio(tokio::time::Instant::now()))
    }

    /// Moves a clock set by hand; the machine's is not moved.
    pub fn advance_ms(&self, ms: u64) {
        match &self.0 {
            Source::ByHand(clock) => drop(clock.fetch_add(ms, Ordering::Relaxed)),
            Source::Machine => {}
            #[cfg(test)]
            Source::Tokio(_) => {}
        }
    }

    /// Now. May jump when the machine's clock is set; logs take the later of this and their last event's time.
    #[expect(clippy::disallowed_methods, reason = "this is the one place")]
    pub fn now(&self) -> Timestamp {
        let ms = match &self.0 {
            Source::ByHand(clock) => clock.load(Ordering::Relaxed),
            #[cfg(test)]
            Source::Tokio(began) => began.elapsed().as_millis() as u64,
            // A machine whose clock stands before 1970 is told that it is 1970.
            Source::Machine => {
                SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
            }
        };
        Timestamp::from_ms(ms)
    }
}
