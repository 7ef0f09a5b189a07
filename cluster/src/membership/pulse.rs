//! Whether the node itself runs: when it ticked, when a heartbeat passed, whether it has read the view since its last pause.
//! The links read it for the pongs that they send, and custody before it starts anything.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

#[cfg(test)]
use super::mutant::{self, Mutant};
use super::timing::{PAUSE, TICK_EVERY, WEDGED_AFTER};

/// A node's own pulse. Clones are the same one.
#[derive(Clone, Debug)]
pub struct Pulse(Arc<Mutex<Beats>>);

#[derive(Debug)]
struct Beats {
    ticked_at: Instant,
    /// When the last pause was noticed.
    noticed_at: Instant,
    heartbeat_at: Option<Instant>,
    pauses: u64,
    /// How many pauses there had been when the view was asked for that was read last.
    read_after: u64,
}

/// A reading of the view that was begun.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reading {
    pauses: u64,
}

impl Pulse {
    /// Of a node that has read the view right now.
    pub(crate) fn new() -> Self {
        let now = Instant::now();
        let beats = Beats { ticked_at: now, noticed_at: now, heartbeat_at: None, pauses: 0, read_after: 0 };
        Self(Arc::new(Mutex::new(beats)))
    }

    /// How long ago the main runtime ticked.
    pub fn tick_age(&self) -> Duration {
        self.beats().ticked_at.elapsed()
    }

    /// How long ago a heartbeat passed; none: none did yet.
    pub fn heartbeat_age(&self) -> Option<Duration> {
        self.beats().heartbeat_at.map(|at| at.elapsed())
    }

    /// Whether the node may answer pings: a server that is wedged must not look alive.
    pub fn answers(&self) -> bool {
        self.tick_age() < WEDGED_AFTER
    }

    /// Whether the view that the node has was read since its last pause. If not, nothing may be done by it.
    pub fn is_current(&self) -> bool {
        #[cfg(test)]
        if mutant::is(Mutant::ViewNotRead) {
            return true;
        }
        let beats = self.noticed();
        beats.read_after == beats.pauses
    }

    /// The runtime ticked. Returns how late.
    pub(super) fn tick(&self) -> Duration {
        let mut beats = self.noticed();
        let late = beats.ticked_at.elapsed().saturating_sub(TICK_EVERY);
        beats.ticked_at = Instant::now();
        late
    }

    pub(super) fn heartbeat_passed(&self) {
        self.beats().heartbeat_at = Some(Instant::now());
    }

    pub(super) fn begin_reading(&self) -> Reading {
        Reading { pauses: self.noticed().pauses }
    }

    /// The view was read; not since the last pause, if the reading was begun before.
    pub(super) fn end_reading(&self, reading: Reading) {
        let mut beats = self.noticed();
        beats.read_after = beats.read_after.max(reading.pauses);
    }

    /// The first look after a pause notices it, before the tick does.
    fn noticed(&self) -> MutexGuard<'_, Beats> {
        let mut beats = self.beats();
        if beats.ticked_at.max(beats.noticed_at).elapsed() > TICK_EVERY + PAUSE {
            beats.pauses += 1;
            beats.noticed_at = Instant::now();
        }
        beats
    }

    fn beats(&self) -> MutexGuard<'_, Beats> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
