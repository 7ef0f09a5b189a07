//! The wall clock, read here alone. What waits uses tokio's monotonic time; this one is for display and for expiry.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use domain::Timestamp;

/// A wall clock: the machine's, or one that a test sets.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    /// Milliseconds since 1970-01-01 UTC; none: the machine's.
    set_by_hand: Option<Arc<AtomicU64>>,
}

impl Clock {
    /// The machine's.
    pub fn system() -> Self {
        Self { set_by_hand: None }
    }

    /// One that stands still until [`Clock::advance_ms`].
    pub fn by_hand(at: Timestamp) -> Self {
        Self { set_by_hand: Some(Arc::new(AtomicU64::new(at.as_ms()))) }
    }

    /// Moves a clock set by hand; the machine's is not moved.
    pub fn advance_ms(&self, ms: u64) {
        if let Some(clock) = &self.set_by_hand {
            clock.fetch_add(ms, Ordering::Relaxed);
        }
    }

    /// Now. May jump when the machine's clock is set; logs take the later of this and their last event's time.
    #[expect(clippy::disallowed_methods, reason = "this is the one place")]
    pub fn now(&self) -> Timestamp {
        let ms = match &self.set_by_hand {
            Some(clock) => clock.load(Ordering::Relaxed),
            // A machine whose clock stands before 1970 is told that it is 1970.
            None => SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64),
        };
        Timestamp::from_ms(ms)
    }
}
