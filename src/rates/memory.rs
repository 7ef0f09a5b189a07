//! The memory that all bodies share. Nothing grows: an address has its share, and when memory is short the body that
//! comes slowest gives up its place to a quicker one, so that slow senders of large bodies hold up themselves alone.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use super::buckets::Key;

/// What all bodies that are being read may hold together.
const KIB_MAX: usize = 64 * 1024;
/// What those of one address may hold of it: of the largest that are no uploads, 64 at once.
const KIB_OF_ADDRESS_MAX: usize = KIB_MAX / 4;
/// A body is not called slow before it has had this long.
const YOUNG: Duration = Duration::from_secs(1);
/// How long a body waits for the place of those that were told to go.
const WAIT: Duration = Duration::from_secs(1);

/// The memory that all bodies share.
#[derive(Clone)]
pub struct BodyMemory(Arc<Memory>);

struct Memory {
    kib_of_address_max: usize,
    state: Mutex<State>,
    freed: Notify,
}

struct State {
    free_kib: usize,
    bodies: HashMap<u64, Taken>,
    next_id: u64,
}

/// What one body has taken.
struct Taken {
    address: Key,
    kib: usize,
    begun: Instant,
    received: u64,
    /// It was told to go, and will.
    displaced: bool,
    told: Arc<Notify>,
}

impl Taken {
    /// Bytes a second.
    fn pace(&self, now: Instant) -> f64 {
        pace(self.received, self.begun, now)
    }
}

fn pace(received: u64, begun: Instant, now: Instant) -> f64 {
    received as f64 / now.duration_since(begun).max(YOUNG).as_secs_f64()
}

impl Default for BodyMemory {
    fn default() -> Self {
        Self::of_kib(KIB_MAX, KIB_OF_ADDRESS_MAX)
    }
}

impl BodyMemory {
    pub(crate) fn of_kib(all: usize, of_address: usize) -> Self {
        let state = State { free_kib: all, bodies: HashMap::new(), next_id: 0 };
        Self(Arc::new(Memory {
            kib_of_address_max: of_address,
            state: Mutex::new(state),
            freed: Notify::new(),
        }))
    }

    /// For one body of this address, which has taken nothing yet.
    pub(crate) fn of(&self, address: Key) -> Held {
        Held {
            memory: self.clone(),
            address,
            begun: Instant::now(),
            received: 0,
            kib: 0,
            id: None,
            told: Arc::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub(crate) fn is_free(&self) -> bool {
        self.state().bodies.is_empty()
    }
}

/// What one body holds, given back when it is dropped.
pub(crate) struct Held {
    memory: BodyMemory,
    address: Key,
    begun: Instant,
    received: u64,
    kib: usize,
    /// Its place among those that hold anything.
    id: Option<u64>,
    told: Arc<Notify>,
}

/// There is not so much left of the address's share or of all, and none that has it is slower.
#[derive(Debug)]
pub(crate) struct Full;

/// What came of asking for more.
enum Asked {
    Granted,
    /// Others were told to go.
    Wait,
    Refused,
}

impl Held {
    /// So many bytes more have come.
    pub(crate) fn received(&mut self, bytes: usize) {
        self.received += bytes as u64;
        if let Some(id) = self.id
            && let Some(taken) = self.memory.state().bodies.get_mut(&id)
        {
            taken.received = self.received;
        }
    }

    /// Completes once a quicker body needs this one's place.
    pub(crate) async fn displaced(&self) {
        self.told.notified().await;
    }

    /// Holds `bytes` in all from now on, if it holds less.
    ///
    /// # Errors
    /// [`Full`]: the body cannot be read now.
    pub(crate) async fn grow_to(&mut self, bytes: usize) -> Result<(), Full> {
        let until = Instant::now() + WAIT;
        let memory = self.memory.clone();
        loop {
            // Before it is asked, so that what is freed in between is not missed.
            let mut freed = std::pin::pin!(memory.0.freed.notified());
            freed.as_mut().enable();
            match self.ask(bytes.div_ceil(1024)) {
                Asked::Granted => return Ok(()),
                Asked::Wait if timeout_at(until, freed).await.is_ok() => {}
                Asked::Wait | Asked::Refused => {
                    return Err(Full);
                }
            }
        }
    }

    fn ask(&mut self, kib: usize) -> Asked {
        let Some(more) = kib.checked_sub(self.kib).filter(|more| *more > 0) else { return Asked::Granted };
        let now = Instant::now();
        // A young one may be as quick as any, and is judged once it asks again.
        let is_young = now.duration_since(self.begun) < YOUNG;
        let own_pace = if is_young { f64::INFINITY } else { pace(self.received, self.begun, now) };
        let mut state = self.memory.state();
        let of_address = |state: &State| -> usize {
            let bodies = state.bodies.values().filter(|taken| taken.address == self.address);
            bodies.map(|taken| taken.kib).sum()
        };
        let over_share = (of_address(&state) + more).saturating_sub(self.memory.0.kib_of_address_max);
        let over_all = more.saturating_sub(state.free_kib);
        if over_share == 0 && over_all == 0 {
            state.free_kib -= more;
            let id = *self.id.get_or_insert(state.next_id);
            state.next_id = state.next_id.max(id + 1);
            let taken = state.bodies.entry(id).or_insert_with(|| Taken {
                address: self.address,
                kib: 0,
                begun: self.begun,
                received: self.received,
                displaced: false,
                told: Arc::clone(&self.told),
            });
            taken.kib += more;
            self.kib = kib;
            return Asked::Granted;
        }
        // Of the same address first: it is that one's share, or at least that one's fault.
        let (mut of_share, mut of_all) = (0, 0);
        let mut slower: Vec<(f64, u64)> = Vec::new();
        for (id, taken) in &state.bodies {
            let same = taken.address == self.address;
            if taken.displaced {
                of_share += if same { taken.kib } else { 0 };
                of_all += taken.kib;
            } else if (same || over_share == 0)
                && Some(*id) != self.id
                && now.duration_since(taken.begun) >= YOUNG
                && taken.pace(now) < own_pace
            {
                slower.push((taken.pace(now), *id));
            }
        }
        slower.sort_by(|one, other| one.0.total_cmp(&other.0));
        let mut slower = slower.into_iter();
        while of_share < over_share || of_all < over_all {
            let Some((_, id)) = slower.next() else { return Asked::Refused };
            let Some(taken) = state.bodies.get_mut(&id) else { continue };
            taken.displaced = true;
            taken.told.notify_one();
            of_share += if taken.address == self.address { taken.kib } else { 0 };
            of_all += taken.kib;
        }
        Asked::Wait
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(id) = self.id {
            let mut state = self.memory.state();
            if let Some(taken) = state.bodies.remove(&id) {
                state.free_kib += taken.kib;
            }
            drop(state);
            self.memory.0.freed.notify_waiters();
        }
    }
}
