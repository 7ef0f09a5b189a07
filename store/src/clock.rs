//! The wall clock, read here alone. What waits uses tokio's monotonic time; this one is for display and for expiry.
//!
//! Machines' clocks are set wrong for a moment now and then. So the wall clock is held against the monotonic one: after a jump
//! of more than an hour time goes on as if there had been none, for ten minutes; then the clock is believed, and what has
//! expired by it has expired.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use domain::Timestamp;

mod steady;

use steady::{Noticed, Steady};

/// A wall clock: the machine's, or one that a test sets. Clones are the same clock.
#[derive(Clone, Debug)]
pub struct Clock(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    source: Source,
    steady: Mutex<Steady>,
}

#[derive(Debug)]
enum Source {
    /// Counts from here where the system has no better monotonic clock.
    Machine(std::time::Instant),
    /// Milliseconds since 1970-01-01 UTC, and of a monotonic clock.
    ByHand { wall_ms: AtomicU64, monotonic_ms: AtomicU64 },
    /// Tokio's time since the clock was made, which a test pauses.
    #[cfg(any(test, feature = "testing"))]
    Tokio(tokio::time::Instant),
}

impl Clock {
    /// The machine's.
    pub fn system() -> Self {
        Self::of(Source::Machine(std::time::Instant::now()))
    }

    /// One that stands still until [`Clock::advance_ms`] or [`Clock::jump_ms`].
    pub fn by_hand(at: Timestamp) -> Self {
        Self::of(Source::ByHand { wall_ms: AtomicU64::new(at.as_ms()), monotonic_ms: AtomicU64::new(0) })
    }

    /// Goes as tokio's time goes.
    #[cfg(any(test, feature = "testing"))]
    pub fn of_tokio() -> Self {
        Self::of(Source::Tokio(tokio::time::Instant::now()))
    }

    fn of(source: Source) -> Self {
        let clock = Self(Arc::new(Inner { source, steady: Mutex::default() }));
        // Later jumps are held against this first reading.
        clock.now();
        clock
    }

    /// Lets time pass on a clock set by hand; the machine's is not moved.
    pub fn advance_ms(&self, ms: u64) {
        if let Source::ByHand { wall_ms, monotonic_ms } = &self.0.source {
            wall_ms.fetch_add(ms, Ordering::Relaxed);
            monotonic_ms.fetch_add(ms, Ordering::Relaxed);
        }
    }

    /// Sets a clock set by hand to another time, forwards or backwards, while none passes.
    pub fn jump_ms(&self, by_ms: i64) {
        if let Source::ByHand { wall_ms, .. } = &self.0.source {
            let jumped = wall_ms.load(Ordering::Relaxed).saturating_add_signed(by_ms);
            wall_ms.store(jumped, Ordering::Relaxed);
        }
    }

    /// Now. It does not follow a jump of the machine's clock of more than an hour before that has lasted for ten minutes;
    /// a smaller one it does. Logs take the later of this and their last event's time.
    pub fn now(&self) -> Timestamp {
        let (wall_ms, monotonic_ms) = (self.wall_ms(), self.monotonic_ms());
        let (now_ms, noticed) = self.steady().now(wall_ms, monotonic_ms);
        match noticed {
            Noticed::Nothing => {}
            Noticed::Jumped { by_ms } => tracing::warn!(
                by_s = by_ms / 1000,
                "the machine's clock jumped: it is not followed, and nothing expires by it, for ten minutes"
            ),
            Noticed::Returned => tracing::info!("the machine's clock is back"),
            Noticed::Believed => {
                tracing::warn!("the machine's clock stayed where it jumped to: it is followed")
            }
        }
        Timestamp::from_ms(now_ms)
    }

    /// Whether the machine's clock has jumped lately: nothing is to be removed because its time is over.
    pub fn is_doubted(&self) -> bool {
        self.now();
        self.steady().doubts()
    }

    /// Milliseconds that passed since some moment before this clock was made; never set, and of this machine alone.
    pub fn monotonic_ms(&self) -> u64 {
        match &self.0.source {
            Source::Machine(began) => machine_monotonic_ms(*began),
            Source::ByHand { monotonic_ms, .. } => monotonic_ms.load(Ordering::Relaxed),
            #[cfg(any(test, feature = "testing"))]
            Source::Tokio(began) => began.elapsed().as_millis() as u64,
        }
    }

    #[expect(clippy::disallowed_methods, reason = "this is the one place")]
    fn wall_ms(&self) -> u64 {
        match &self.0.source {
            Source::ByHand { wall_ms, .. } => wall_ms.load(Ordering::Relaxed),
            #[cfg(any(test, feature = "testing"))]
            Source::Tokio(began) => began.elapsed().as_millis() as u64,
            // On a machine whose clock stands before 1970 it is 1970.
            Source::Machine(_) => {
                SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
            }
        }
    }

    fn steady(&self) -> std::sync::MutexGuard<'_, Steady> {
        self.0.steady.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Goes on while the machine sleeps, as the wall clock does: waking up is no jump.
#[cfg(target_os = "linux")]
fn machine_monotonic_ms(_: std::time::Instant) -> u64 {
    let since_boot = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    since_boot.tv_sec as u64 * 1000 + since_boot.tv_nsec as u64 / 1_000_000
}

#[cfg(not(target_os = "linux"))]
fn machine_monotonic_ms(began: std::time::Instant) -> u64 {
    began.elapsed().as_millis() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jump_of_the_clock_is_not_followed_and_time_goes_on_meanwhile() {
        let start = 1_700_000_000_000;
        for by_ms in [400 * 86_400_000, -400 * 86_400_000] {
            let clock = Clock::by_hand(Timestamp::from_ms(start));
            clock.jump_ms(by_ms);
            assert!(clock.is_doubted());
            clock.advance_ms(60_000);
            assert_eq!(clock.now().as_ms(), start + 60_000);
            clock.jump_ms(-by_ms);
            assert_eq!((clock.is_doubted(), clock.now().as_ms()), (false, start + 60_000));
            clock.jump_ms(by_ms);
            assert!(clock.is_doubted());
            clock.advance_ms(10 * 60_000);
            let believed = start.checked_add_signed(by_ms).unwrap() + 11 * 60_000;
            assert_eq!((clock.is_doubted(), clock.now().as_ms()), (false, believed));
        }
    }

    #[test]
    fn the_machine_s_clock_is_believed_at_first() {
        let clock = Clock::system();
        assert!(!clock.is_doubted());
        assert!(clock.now().as_ms() > 1_700_000_000_000 && clock.monotonic_ms() > 0);
    }
}
