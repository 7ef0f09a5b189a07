//! What goes wrong: by chance, by script, by a hold.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::{oneshot, watch};

use crate::StoreError;

use super::dice::Dice;

/// What an append comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing is wrong.
    None,
    /// [`StoreError::Unavailable`]; nothing is written.
    Unavailable,
    /// It is written at once and answered so many milliseconds later.
    AnsweredLate(u64),
    /// It reaches the log so many milliseconds later, and is answered then.
    WrittenLate(u64),
    /// It is written, the answer is [`Append::Unknown`](crate::Append::Unknown), and the lanes have failed.
    FailedWritten,
    /// It is never written, the answer is [`Append::Unknown`](crate::Append::Unknown), and the lanes have failed.
    FailedLost,
}

/// How likely each fault is, from 0.0 (never, the default) to 1.0. Those of one append add up to at most 1.0.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Faults {
    /// Any call that can fail: the store is not there, nothing is done.
    pub unavailable: f64,
    /// An append: [`Fault::AnsweredLate`].
    pub answered_late: f64,
    /// An append: [`Fault::WrittenLate`].
    pub written_late: f64,
    /// How late these two are at most, in milliseconds of tokio's time.
    pub late_ms_max: u64,
    /// Lanes are opened, sealed or closed: it is done, and the answer is an error.
    pub answer_lost: f64,
    /// Lanes are confirmed: nothing is known.
    pub unconfirmed: f64,
    /// Any call that can fail: it takes up to this long, in milliseconds of tokio's time.
    pub delay_ms_max: u64,
}

/// What goes wrong, for the log and all its lanes.
pub(super) struct Trouble {
    state: Mutex<State>,
    /// Appends through all lanes.
    pub(super) on_their_way: Count,
}

struct State {
    faults: Faults,
    dice: Dice,
    script: VecDeque<Fault>,
    held: VecDeque<Barrier>,
}

struct Barrier {
    reached: oneshot::Sender<()>,
    released: oneshot::Receiver<()>,
}

/// Holds back one append; dropping it lets the append go.
#[derive(Debug)]
pub struct Held {
    reached: oneshot::Receiver<()>,
    released: oneshot::Sender<()>,
}

impl Held {
    /// Waits until the append is there. It has not touched the log.
    pub async fn reached(&mut self) {
        (&mut self.reached).await.expect("the log outlives its tests");
    }

    /// Lets it go on.
    pub fn release(self) {
        // An append that was given up meanwhile waits for nothing.
        let _ = self.released.send(());
    }
}

impl Trouble {
    pub(super) fn new(seed: u64, faults: Faults) -> Self {
        let dice = Dice::new(seed);
        let state = Mutex::new(State { faults, dice, script: VecDeque::new(), held: VecDeque::new() });
        Self { state, on_their_way: Count::default() }
    }

    pub(super) fn set(&self, faults: Faults) {
        self.state().faults = faults;
    }

    pub(super) fn script(&self, faults: impl IntoIterator<Item = Fault>) {
        self.state().script.extend(faults);
    }

    pub(super) fn hold(&self) -> Held {
        let (reached_by, reached) = oneshot::channel();
        let (released, released_by) = oneshot::channel();
        self.state().held.push_back(Barrier { reached: reached_by, released: released_by });
        Held { reached, released }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody panics while holding it")
    }

    /// Before any call that can fail: its delay, and whether the store is there.
    pub(super) async fn arrive(&self) -> Result<(), StoreError> {
        let (delay_ms, unavailable) = {
            let State { dice, faults, .. } = &mut *self.state();
            (dice.up_to(faults.delay_ms_max), dice.chance(faults.unavailable))
        };
        pass(delay_ms).await;
        if unavailable { Err(unavailable_now()) } else { Ok(()) }
    }

    /// After a call whose answer may get lost.
    pub(super) fn lose_answer(&self) -> Result<(), StoreError> {
        let State { dice, faults, .. } = &mut *self.state();
        if dice.chance(faults.answer_lost) { Err(unavailable_now()) } else { Ok(()) }
    }

    /// Whether the lanes may be confirmed now.
    pub(super) fn allow_confirming(&self) -> Result<(), StoreError> {
        let State { dice, faults, .. } = &mut *self.state();
        if dice.chance(faults.unconfirmed) { Err(unavailable_now()) } else { Ok(()) }
    }

    /// Stops an append that is to be held.
    pub(super) async fn hold_back(&self) {
        let barrier = self.state().held.pop_front();
        if let Some(barrier) = barrier {
            // A test that dropped its hold, or does not look, holds nothing back.
            let _ = barrier.reached.send(());
            let _ = barrier.released.await;
        }
    }

    /// What this append comes to.
    pub(super) fn fate(&self) -> Fault {
        let State { faults, dice, script, .. } = &mut *self.state();
        if let Some(fault) = script.pop_front() {
            return fault;
        }
        let (drawn, late_ms) = (dice.fraction(), dice.up_to(faults.late_ms_max));
        if drawn < faults.answered_late {
            Fault::AnsweredLate(late_ms)
        } else if drawn < faults.answered_late + faults.written_late {
            Fault::WrittenLate(late_ms)
        } else {
            Fault::None
        }
    }
}

pub(super) fn unavailable_now() -> StoreError {
    StoreError::Unavailable("a fault was drawn".into())
}

/// Lets so much of tokio's time pass.
pub(super) async fn pass(ms: u64) {
    if ms > 0 {
        tokio::time::sleep(Duration::from_millis(ms)).await;
    }
}

/// How many of something there are now.
#[derive(Default)]
pub(super) struct Count(watch::Sender<usize>);

impl Count {
    pub(super) fn add(&self) {
        self.0.send_modify(|count| *count += 1);
    }

    pub(super) fn remove(&self) {
        self.0.send_modify(|count| *count -= 1);
    }

    pub(super) fn now(&self) -> usize {
        *self.0.borrow()
    }

    /// Waits until there is none.
    pub(super) async fn none(&self) {
        let none = self.0.subscribe().wait_for(|&count| count == 0).await.map(drop);
        none.expect("the sender is this one");
    }
}
