//! What goes wrong in a schedule, and when.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::control::StoreFaults;
use super::node::{self, name, short};
use super::rules;
use super::world::{Life, SLOTS, World};

/// A fault whose time until the member is out of the view is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Kill,
    Freeze,
    PairCut,
    PairCutOneWay,
    CutFromOthers,
    StoreCut,
}

pub(super) struct Schedule {
    world: Arc<World>,
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

impl Schedule {
    pub(super) fn new(world: Arc<World>) -> Self {
        Self { world }
    }

    fn below(&self, end: u64) -> u64 {
        self.world.chance.up_to(end - 1)
    }

    fn between(&self, from: u64, to: u64) -> Duration {
        ms(from + self.world.chance.up_to(to - from))
    }

    /// A living node.
    fn any(&self) -> usize {
        let living = self.world.living();
        living[self.below(living.len() as u64) as usize]
    }

    /// A living node and another one.
    fn pair(&self) -> Option<(usize, usize)> {
        let one = self.any();
        let others: Vec<usize> = self.world.living().into_iter().filter(|slot| *slot != one).collect();
        (!others.is_empty()).then(|| (one, others[self.below(others.len() as u64) as usize]))
    }

    /// One fault on a quiet cluster: how long until its member is out of the view.
    pub(super) async fn one_fault(&self) -> Option<(Kind, Duration)> {
        let kinds = [
            Kind::Kill,
            Kind::Freeze,
            Kind::PairCut,
            Kind::PairCutOneWay,
            Kind::CutFromOthers,
            Kind::StoreCut,
        ];
        let kind = kinds[self.below(6) as usize];
        // Two that cannot reach each other are no pair of three.
        let nodes = 3 + self.below(3) as usize;
        (0..nodes).for_each(|slot| node::start(&self.world, slot));
        // All watch for long enough that one may be evicted by its counter.
        let quiet = if kind == Kind::StoreCut { 11_000 } else { 3_000 };
        sleep(self.between(quiet, quiet + 1_000)).await;
        let (one, other) = self.pair().expect("three at least");
        let target = if matches!(kind, Kind::PairCut | Kind::PairCutOneWay) { one.max(other) } else { one };
        let boot = rules::boot_of(&self.world, target).expect("all are members by now");
        self.world.note(format!("{kind:?}: {} ({other})", short(boot)));
        match kind {
            Kind::Kill => self.world.kill(target),
            Kind::Freeze => self.world.control(target).freeze(),
            Kind::PairCut => self.cut(&[(one, other), (other, one)], true),
            Kind::PairCutOneWay => self.cut(&[(one, other)], true),
            Kind::CutFromOthers => self.cut(&from_all(target), true),
            Kind::StoreCut => {
                self.world.control(target).set_store(StoreFaults { is_cut: true, ..StoreFaults::default() });
            }
        }
        let begun = Instant::now();
        while rules::is_member(&self.world, boot).await {
            if begun.elapsed() > Duration::from_secs(20) {
                self.world.broken(format!("{kind:?}: {} is a member still", short(boot)));
                return None;
            }
            sleep(ms(20)).await;
        }
        let after = begun.elapsed();
        sleep(self.between(0, 4_000)).await;
        Some((kind, after))
    }

    pub(super) async fn many_faults(&self) {
        let nodes = 2 + self.below(SLOTS as u64 - 1) as usize;
        (0..nodes).for_each(|slot| node::start(&self.world, slot));
        sleep(self.between(1_000, 4_000)).await;
        for _ in 0..4 + self.below(8) {
            self.fault();
            let is_long = self.world.chance.chance(0.2);
            sleep(self.between(50, if is_long { 9_000 } else { 2_500 })).await;
        }
        if self.world.living().iter().all(|slot| self.world.state().slots[*slot].wants_out) {
            self.boot();
        }
    }

    fn fault(&self) {
        if self.world.living().is_empty() {
            return self.boot();
        }
        let lasts = self.between(1_500, 9_000);
        let short = self.between(1_700, 3_200);
        match self.below(16) {
            0 | 1 if self.world.living().len() > 1 => {
                let slot = self.any();
                self.world.note(format!("node {slot} is killed"));
                self.world.kill(slot);
            }
            // Mostly about as long as others take to notice.
            2 => self.freeze(self.any(), self.between(1_200, 2_200)),
            3 => self.freeze(self.any(), self.between(300, 7_000)),
            14 => {
                // As when the machine under them stands still.
                let awake = self.any();
                let all = self.world.living().into_iter().filter(|slot| *slot != awake);
                all.for_each(|slot| self.freeze(slot, lasts / 2));
            }
            4 => self.cut_pair(lasts, true),
            5 => self.cut_pair(lasts, false),
            6 => self.cut_pair(short, true),
            7 => {
                let slot = self.any();
                self.world.note(format!("node {slot} is cut off for {lasts:?}"));
                self.cut_for(from_all(slot), lasts);
            }
            8 => {
                let faults = StoreFaults { is_cut: true, ..StoreFaults::default() };
                self.store(vec![self.any(), self.any()], faults, self.between(500, 14_000));
            }
            9 | 15 => {
                // Two accuse each other, and then nobody can take it back for a while.
                self.cut_pair(self.between(2_600, 4_500), true);
                self.store_for_all(ms(2_500), self.between(1_000, 12_000));
            }
            10 => {
                let faults = StoreFaults { slow_ms: self.below(800), unknown: 0.2, is_cut: false };
                self.store(self.world.living(), faults, lasts * 2);
            }
            11 | 12 => self.boot(),
            13 if self.staying().len() > 1 => {
                let staying = self.staying();
                let slot = staying[self.below(staying.len() as u64) as usize];
                self.world.note(format!("node {slot} drains"));
                self.world.state().slots[slot].wants_out = true;
            }
            _ => self.store_for_all(ms(0), self.between(1_000, 12_000)),
        }
    }

    /// Living nodes that do not drain.
    fn staying(&self) -> Vec<usize> {
        let living = self.world.living();
        let state = self.world.state();
        living.into_iter().filter(|slot| !state.slots[*slot].wants_out).collect()
    }

    fn boot(&self) {
        let empty = (0..SLOTS).find(|slot| self.world.state().slots[*slot].life != Life::Lives);
        if let Some(slot) = empty {
            self.world.note(format!("{} starts", name(slot)));
            let mut state = self.world.state();
            state.slots[slot].control = Arc::default();
            state.slots[slot].unsound_at = Instant::now();
            drop(state);
            node::start(&self.world, slot);
        }
    }

    fn freeze(&self, slot: usize, lasts: Duration) {
        self.world.note(format!("node {slot} freezes for {lasts:?}"));
        let control = self.world.control(slot);
        control.freeze();
        tokio::spawn(async move {
            sleep(lasts).await;
            control.wake();
        });
    }

    fn cut_pair(&self, lasts: Duration, both: bool) {
        let Some((one, other)) = self.pair() else { return };
        self.world.note(format!("{one} to {other} is cut for {lasts:?}; the way back: {both}"));
        let mut ways = vec![(one, other)];
        ways.extend(both.then_some((other, one)));
        self.cut_for(ways, lasts);
    }

    fn cut(&self, ways: &[(usize, usize)], is_cut: bool) {
        cut(&self.world, ways, is_cut);
    }

    fn cut_for(&self, ways: Vec<(usize, usize)>, lasts: Duration) {
        self.cut(&ways, true);
        let world = Arc::clone(&self.world);
        tokio::spawn(async move {
            sleep(lasts).await;
            cut(&world, &ways, false);
        });
    }

    fn store(&self, slots: Vec<usize>, faults: StoreFaults, lasts: Duration) {
        self.world.note(format!("the store of {slots:?} has {faults:?} for {lasts:?}"));
        for slot in slots {
            let control = self.world.control(slot);
            control.set_store(faults);
            tokio::spawn(async move {
                sleep(lasts).await;
                control.set_store(StoreFaults::default());
            });
        }
    }

    /// It comes back for one after the other.
    fn store_for_all(&self, after: Duration, lasts: Duration) {
        self.world.note(format!("after {after:?} nobody reaches the store for {lasts:?}"));
        for slot in self.world.living() {
            let control = self.world.control(slot);
            let back = lasts + self.between(0, 2_000);
            let world = Arc::clone(&self.world);
            tokio::spawn(async move {
                sleep(after).await;
                if world.is_calm() {
                    return;
                }
                control.set_store(StoreFaults { is_cut: true, ..StoreFaults::default() });
                sleep(back).await;
                control.set_store(StoreFaults::default());
            });
        }
    }
}

fn from_all(slot: usize) -> Vec<(usize, usize)> {
    let others = (0..SLOTS).filter(|other| *other != slot);
    others.flat_map(|other| [(slot, other), (other, slot)]).collect()
}

fn cut(world: &World, ways: &[(usize, usize)], is_cut: bool) {
    let mut state = world.state();
    for &(from, to) in ways {
        state.cut[from][to] = is_cut;
    }
}
