//! One run of this program, with an id of its own and a time that no clock of the machine changes.

use uuid::Uuid;

/// One run of this program, and the monotonic time at which it began.
#[derive(Clone, Copy, Debug)]
pub(super) struct Boot {
    pub(super) id: Uuid,
    pub(super) began_ms: u64,
}

impl Boot {
    /// Begins at `monotonic_ms`.
    pub(super) fn begin(monotonic_ms: u64) -> Self {
        Self { id: Uuid::from_bytes(rand::random()), began_ms: monotonic_ms }
    }
}
