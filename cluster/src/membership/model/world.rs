//! The cluster: slots in which nodes live, the links between them, the store.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use store::Incarnation;
use store::memory::MemoryRecords;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::super::document::{Released, View};
use super::super::handle::Membership;
use super::super::pings::Pong;
use super::super::placement::Spread;
use super::super::shards::ShardId;
use super::control::{Control, StoreFaults};
use super::truth::{Chance, Truth};

/// At most so many nodes.
pub(super) const SLOTS: usize = 5;

/// What crosses a link.
#[derive(Clone)]
pub(super) enum Mail {
    /// Its sender owns these shards by the view, and waits for the receiver.
    Release {
        to: Incarnation,
        view: Arc<View>,
        shards: Vec<ShardId>,
    },
    Released {
        shards: Vec<(ShardId, Released)>,
    },
}

/// A boot that runs.
pub(super) struct Boot {
    pub(super) slot: usize,
    pub(super) membership: Membership,
    pub(super) inbox: Vec<Mail>,
}

/// What became of a slot's last node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Life {
    Empty,
    Lives,
    Killed,
}

pub(super) struct Slot {
    pub(super) life: Life,
    pub(super) control: Arc<Control>,
    pub(super) task: Option<JoinHandle<()>>,
    pub(super) wants_out: bool,
    /// When it was not sound last: dead, frozen, cut off from another node or, alone, from the store.
    pub(super) unsound_at: Instant,
}

pub(super) struct State {
    pub(super) slots: Vec<Slot>,
    pub(super) boots: BTreeMap<Incarnation, Boot>,
    /// `cut[from][to]`: nothing passes.
    pub(super) cut: [[bool; SLOTS]; SLOTS],
    pub(super) pongs: BTreeMap<(Incarnation, Incarnation), Pong>,
    pub(super) booted: u128,
    is_calm: bool,
}

pub(super) struct World {
    pub(super) spread: Spread,
    pub(super) chance: Arc<Chance>,
    pub(super) records: Arc<MemoryRecords>,
    pub(super) state: Mutex<State>,
    pub(super) steps: Mutex<Vec<String>>,
    pub(super) began: Instant,
    /// The view as it is stored, a moment ago.
    pub(super) view: Mutex<Arc<View>>,
}

impl World {
    pub(super) fn new(seed: u64, spread: Spread) -> Arc<Self> {
        let slot = || Slot {
            life: Life::Empty,
            control: Arc::default(),
            task: None,
            wants_out: false,
            unsound_at: Instant::now(),
        };
        let state = State {
            slots: (0..SLOTS).map(|_| slot()).collect(),
            boots: BTreeMap::new(),
            cut: [[false; SLOTS]; SLOTS],
            pongs: BTreeMap::new(),
            booted: 0,
            is_calm: false,
        };
        Arc::new(Self {
            spread,
            chance: Arc::new(Chance::new(seed)),
            records: Arc::default(),
            state: Mutex::new(state),
            steps: Mutex::default(),
            began: Instant::now(),
            view: Mutex::default(),
        })
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub(super) fn truth(&self) -> MutexGuard<'_, Truth> {
        self.chance.truth.lock().unwrap()
    }

    pub(super) fn note(&self, what: String) {
        self.steps.lock().unwrap().push(format!("{:>7.2} s  {what}", self.began.elapsed().as_secs_f64()));
    }

    pub(super) fn broken(&self, what: String) {
        self.note(format!("BROKEN: {what}"));
        self.chance.broken(&what);
    }

    pub(super) fn control(&self, slot: usize) -> Arc<Control> {
        Arc::clone(&self.state().slots[slot].control)
    }

    pub(super) fn living(&self) -> Vec<usize> {
        let state = self.state();
        (0..SLOTS).filter(|slot| state.slots[*slot].life == Life::Lives).collect()
    }

    pub(super) fn kill(&self, slot: usize) {
        let mut state = self.state();
        let of = &mut state.slots[slot];
        of.life = Life::Killed;
        of.wants_out = false;
        if let Some(task) = of.task.take() {
            task.abort();
        }
        state.boots.retain(|_, boot| boot.slot != slot);
    }

    /// Nothing fails any more.
    pub(super) fn calm(&self) {
        self.note("calm".into());
        let controls: Vec<_> = (0..SLOTS).map(|slot| self.control(slot)).collect();
        for control in controls {
            control.set_store(StoreFaults::default());
            control.wake();
        }
        let mut state = self.state();
        state.cut = [[false; SLOTS]; SLOTS];
        state.is_calm = true;
    }

    pub(super) fn is_calm(&self) -> bool {
        self.state().is_calm
    }

    pub(super) fn end(&self) {
        (0..SLOTS).for_each(|slot| self.kill(slot));
    }

    /// Gives mail to a boot, if the link lets it pass and the boot runs.
    pub(super) fn send(&self, from: usize, to: Incarnation, mail: Mail) {
        let mut state = self.state();
        let cut = state.cut[from];
        if let Some(boot) = state.boots.get_mut(&to)
            && !cut[boot.slot]
        {
            boot.inbox.push(mail);
        }
    }
}
