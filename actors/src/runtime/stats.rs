//! Counters that actors keep for the operator. Nothing is decided by them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Upper bounds of the append latency's buckets, in microseconds; the last bucket has none.
pub const LATENCY_BOUNDS_US: [u64; 12] =
    [100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 500_000, 2_500_000];

/// Upper bounds of the buckets of what conversations waited, in seconds; the last bucket has none.
pub const WAIT_BOUNDS_S: [u64; 12] = [1, 2, 5, 10, 20, 30, 60, 120, 300, 900, 3_600, 14_400];

/// Counters of one node.
#[derive(Debug, Default)]
pub(crate) struct Stats {
    pub(crate) events: AtomicU64,
    pub(crate) appends: AtomicU64,
    pub(crate) appends_failed: AtomicU64,
    pub(crate) activations: AtomicU64,
    pub(crate) passivations: AtomicU64,
    pub(crate) overloads: AtomicU64,
    pub(crate) crashes: AtomicU64,
    pub(crate) notices_dropped: AtomicU64,
    pub(crate) offers: AtomicU64,
    pub(crate) offers_missed: AtomicU64,
    pub(crate) given: AtomicU64,
    pub(crate) agents_lost: AtomicU64,
    sweeps: AtomicU64,
    sweep_us: AtomicU64,
    open: AtomicU64,
    append_us: AtomicU64,
    append_buckets: [AtomicU64; LATENCY_BOUNDS_US.len() + 1],
    waited_ms: AtomicU64,
    wait_buckets: [AtomicU64; WAIT_BOUNDS_S.len() + 1],
}

/// The counters at one moment, all since the node started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StatsView {
    /// Events that became durable.
    pub events: u64,
    /// Appends that wrote them.
    pub appends: u64,
    /// Appends that were fenced, failed, or ended unknown.
    pub appends_failed: u64,
    /// Conversations read into memory.
    pub activations: u64,
    /// Conversations that left it again.
    pub passivations: u64,
    /// Requests refused because too many waited.
    pub overloads: u64,
    /// Actors that panicked.
    pub crashes: u64,
    /// Notices that found the outbox full; reconciling makes up for them.
    pub notices_dropped: u64,
    /// Conversations offered to an agent.
    pub offers: u64,
    /// Offers that were not answered.
    pub offers_missed: u64,
    /// Conversations that routers gave to agents.
    pub given: u64,
    /// How often an agent who held something stopped being present.
    pub agents_lost: u64,
    /// How often the live index was read through.
    pub sweeps: u64,
    /// What that took together, in microseconds.
    pub sweep_us: u64,
    /// How many conversations were open when it last was.
    pub open: u64,
    /// The appends' time together, in microseconds.
    pub append_us: u64,
    /// How many appends took at most each of [`LATENCY_BOUNDS_US`], and more than the last; not cumulative.
    pub append_buckets: [u64; LATENCY_BOUNDS_US.len() + 1],
    /// What conversations waited until they were assigned, together, in milliseconds.
    pub waited_ms: u64,
    /// How many waited at most each of [`WAIT_BOUNDS_S`], and longer than the last; not cumulative.
    pub wait_buckets: [u64; WAIT_BOUNDS_S.len() + 1],
}

impl Stats {
    pub(crate) fn add(counter: &AtomicU64, count: u64) {
        counter.fetch_add(count, Ordering::Relaxed);
    }

    pub(crate) fn appended(&self, events: usize, took: Duration) {
        let took_us = took.as_micros() as u64;
        let bucket = LATENCY_BOUNDS_US.partition_point(|&bound| bound < took_us);
        Self::add(&self.events, events as u64);
        Self::add(&self.appends, 1);
        Self::add(&self.append_us, took_us);
        Self::add(&self.append_buckets[bucket], 1);
    }

    /// A conversation waited so long in a queue, and an agent has it now.
    pub(crate) fn waited(&self, ms: u64) {
        let bucket = WAIT_BOUNDS_S.partition_point(|&bound| bound * 1_000 < ms);
        Self::add(&self.waited_ms, ms);
        Self::add(&self.wait_buckets[bucket], 1);
    }

    pub(crate) fn swept(&self, open: usize, took: Duration) {
        Self::add(&self.sweeps, 1);
        Self::add(&self.sweep_us, took.as_micros() as u64);
        self.open.store(open as u64, Ordering::Relaxed);
    }

    pub(crate) fn view(&self) -> StatsView {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        StatsView {
            events: of(&self.events),
            appends: of(&self.appends),
            appends_failed: of(&self.appends_failed),
            activations: of(&self.activations),
            passivations: of(&self.passivations),
            overloads: of(&self.overloads),
            crashes: of(&self.crashes),
            notices_dropped: of(&self.notices_dropped),
            offers: of(&self.offers),
            offers_missed: of(&self.offers_missed),
            given: of(&self.given),
            agents_lost: of(&self.agents_lost),
            sweeps: of(&self.sweeps),
            sweep_us: of(&self.sweep_us),
            open: of(&self.open),
            append_us: of(&self.append_us),
            append_buckets: std::array::from_fn(|bucket| of(&self.append_buckets[bucket])),
            waited_ms: of(&self.waited_ms),
            wait_buckets: std::array::from_fn(|bucket| of(&self.wait_buckets[bucket])),
        }
    }
}
