//! Order and time: [`Seq`] orders, [`Timestamp`] is for display.

use serde::{Deserialize, Serialize};

/// A position in a conversation's log: 1, 2, 3 ... without holes; 0 is "before the first".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seq(pub u64);

impl Seq {
    /// Before the first event.
    pub const ZERO: Seq = Seq(0);

    /// The position after this one.
    #[must_use]
    pub const fn next(self) -> Seq {
        // No log is so long; what a client asks for may be.
        Seq(self.0.saturating_add(1))
    }
}

/// Milliseconds since 1970-01-01 UTC, as some node's wall clock gave them. Never decreases within one log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(u64);

impl Timestamp {
    /// From milliseconds since 1970-01-01 UTC.
    pub const fn from_ms(ms: u64) -> Self {
        Self(ms)
    }

    /// Milliseconds since 1970-01-01 UTC.
    pub const fn as_ms(self) -> u64 {
        self.0
    }

    /// Whole milliseconds from `earlier` to here; 0 when it is not earlier.
    pub const fn ms_since(self, earlier: Timestamp) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// This time and `ms` milliseconds.
    #[must_use]
    pub const fn plus_ms(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms))
    }
}
