//! A log that fails as real ones do, by seed or by script: for tests of the code that must survive it.
//!
//! [`FaultyLog`] stands in front of any log. By itself it is transparent; [`Faults`] makes it fail by chance, always
//! the same for one seed and one order of calls, [`FaultyLog::script`] sets the outcomes of the next writes, and
//! [`FaultyLog::hold`] stops the next append until the test lets it go.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use domain::{Event, Head, Seq};
use tokio::sync::oneshot;

use crate::{
    Append, Claim, ClaimError, ClaimToken, ConversationKey, Created, EventLog, Owner, Peek, StoreError,
};

/// What a create or an append comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing is wrong.
    None,
    /// [`StoreError::Unavailable`]; nothing is written.
    Unavailable,
    /// The answer is unknown, and it was written.
    UnknownApplied,
    /// The answer is unknown, and it is never written.
    UnknownLost,
    /// The answer is unknown, and it reaches the log after a later call of anybody: one to three calls later by
    /// chance, right after the next call by script.
    UnknownLate,
}

/// How likely each fault is, from 0.0 (never, the default) to 1.0. Those of one call add up to at most 1.0.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Faults {
    /// Any call: the store is not there, nothing is done.
    pub unavailable: f64,
    /// A create or an append: [`Fault::UnknownApplied`].
    pub unknown_applied: f64,
    /// A create or an append: [`Fault::UnknownLost`].
    pub unknown_lost: f64,
    /// A create or an append: [`Fault::UnknownLate`].
    pub unknown_late: f64,
    /// A claim: it is made, and the answer is an error.
    pub claim_answer_lost: f64,
    /// Any call: it takes up to this long, in milliseconds of tokio's time.
    pub delay_ms_max: u64,
}

/// A log that fails.
pub struct FaultyLog {
    inner: Arc<dyn EventLog>,
    state: Mutex<State>,
}

struct State {
    faults: Faults,
    dice: Dice,
    script: VecDeque<Fault>,
    late: Vec<Late>,
    held: VecDeque<Barrier>,
}

/// A write that was answered as unknown and is still on its way.
struct Late {
    calls_left: u64,
    write: Write,
}

enum Write {
    Create { key: ConversationKey, owner: Owner, events: Vec<Event>, head: Box<Head> },
    Append { claim: Claim, tail: Seq, events: Vec<Event>, head: Box<Head> },
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

impl FaultyLog {
    /// `inner`, failing by chance.
    pub fn new(inner: Arc<dyn EventLog>, seed: u64, faults: Faults) -> Self {
        let dice = Dice::new(seed);
        let state = State { faults, dice, script: VecDeque::new(), late: Vec::new(), held: VecDeque::new() };
        Self { inner, state: Mutex::new(state) }
    }

    /// `inner`, failing only by script.
    pub fn scripted(inner: Arc<dyn EventLog>) -> Self {
        Self::new(inner, 0, Faults::default())
    }

    /// From now on it fails so.
    pub fn trouble(&self, faults: Faults) {
        self.state().faults = faults;
    }

    /// From now on nothing fails; what is late is still to come.
    pub fn calm(&self) {
        self.trouble(Faults::default());
    }

    /// What the next creates and appends come to, one each, before chance has its say again.
    pub fn script(&self, faults: impl IntoIterator<Item = Fault>) {
        self.state().script.extend(faults);
    }

    /// Stops the next append that no other hold stops, before it touches the log.
    pub fn hold(&self) -> Held {
        let (reached_by, reached) = oneshot::channel();
        let (released, released_by) = oneshot::channel();
        self.state().held.push_back(Barrier { reached: reached_by, released: released_by });
        Held { reached, released }
    }

    /// How many writes are still on their way.
    pub fn late(&self) -> usize {
        self.state().late.len()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody panics while holding it")
    }

    /// Before any call: its delay, and whether the store is there.
    async fn arrive(&self) -> Result<(), StoreError> {
        let (delay_ms, unavailable) = {
            let State { dice, faults, .. } = &mut *self.state();
            (dice.up_to(faults.delay_ms_max), dice.chance(faults.unavailable))
        };
        if delay_ms > 0 {
            tokio::time::sleep(Duration::from_millis(delay_ms)).await;
        }
        if unavailable { Err(unavailable_now()) } else { Ok(()) }
    }

    /// After any call: what was late and is due now reaches the log.
    async fn leave(&self) {
        let due: Vec<Write> = {
            let late = &mut self.state().late;
            late.iter_mut().for_each(|late| late.calls_left -= 1);
            late.extract_if(.., |late| late.calls_left == 0).map(|late| late.write).collect()
        };
        for write in due {
            // Its outcome does not matter: no caller waits for it any more.
            match write {
                Write::Create { key, owner, events, head } => {
                    let _ = self.inner.create(key, &owner, &events, &head).await;
                }
                Write::Append { claim, tail, events, head } => {
                    let _ = self.inner.append(&claim, tail, &events, &head).await;
                }
            }
        }
    }

    /// What this write comes to, and how many calls late it is if it is late.
    fn fate(&self) -> (Fault, u64) {
        let state = &mut *self.state();
        if let Some(fault) = state.script.pop_front() {
            return (fault, 1);
        }
        let drawn = state.dice.fraction();
        let fates = [
            (state.faults.unknown_applied, Fault::UnknownApplied),
            (state.faults.unknown_lost, Fault::UnknownLost),
            (state.faults.unknown_late, Fault::UnknownLate),
        ];
        let mut below = 0.0;
        for (probability, fault) in fates {
            below += probability;
            if drawn < below {
                return (fault, 1 + state.dice.up_to(2));
            }
        }
        (Fault::None, 0)
    }

    /// Runs a write, or not, as fate has it; none when the answer is unknown.
    async fn write<T>(
        &self,
        write: impl Future<Output = Result<T, StoreError>>,
        again: impl FnOnce() -> Write,
    ) -> Result<Option<T>, StoreError> {
        let (fault, calls_late) = self.fate();
        match fault {
            Fault::None => write.await.map(Some),
            Fault::Unavailable => Err(unavailable_now()),
            Fault::UnknownApplied => write.await.map(|_| None),
            Fault::UnknownLost => Ok(None),
            Fault::UnknownLate => {
                // This call itself is counted when it leaves.
                self.state().late.push(Late { calls_left: calls_late + 1, write: again() });
                Ok(None)
            }
        }
    }
}

fn unavailable_now() -> StoreError {
    StoreError::Unavailable("a fault was drawn".into())
}

#[async_trait]
impl EventLog for FaultyLog {
    async fn create(
        &self,
        key: ConversationKey,
        owner: &Owner,
        events: &[Event],
        head: &Head,
    ) -> Result<Created, StoreError> {
        self.arrive().await?;
        let late = || Write::Create {
            key,
            owner: owner.clone(),
            events: events.to_vec(),
            head: Box::new(head.clone()),
        };
        let created = self.write(self.inner.create(key, owner, events, head), late).await;
        self.leave().await;
        created.map(|known| known.unwrap_or(Created::Unknown))
    }

    async fn peek(&self, key: ConversationKey) -> Result<Option<Peek>, StoreError> {
        self.arrive().await?;
        let peek = self.inner.peek(key).await;
        self.leave().await;
        peek
    }

    async fn claim(
        &self,
        key: ConversationKey,
        owner: &Owner,
        expected: Option<ClaimToken>,
    ) -> Result<Claim, ClaimError> {
        self.arrive().await?;
        let claim = self.inner.claim(key, owner, expected).await;
        self.leave().await;
        let answer_lost = {
            let State { dice, faults, .. } = &mut *self.state();
            dice.chance(faults.claim_answer_lost)
        };
        if answer_lost { Err(ClaimError::Store(unavailable_now())) } else { claim }
    }

    async fn append(
        &self,
        claim: &Claim,
        tail: Seq,
        events: &[Event],
        head: &Head,
    ) -> Result<Append, StoreError> {
        self.arrive().await?;
        let barrier = self.state().held.pop_front();
        if let Some(barrier) = barrier {
            // A test that dropped its hold, or does not look, holds nothing back.
            let _ = barrier.reached.send(());
            let _ = barrier.released.await;
        }
        let late = || Write::Append {
            claim: claim.clone(),
            tail,
            events: events.to_vec(),
            head: Box::new(head.clone()),
        };
        let appended = self.write(self.inner.append(claim, tail, events, head), late).await;
        self.leave().await;
        appended.map(|known| known.unwrap_or(Append::Unknown))
    }

    async fn read(&self, key: ConversationKey, after: Seq, limit: usize) -> Result<Vec<Event>, StoreError> {
        self.arrive().await?;
        let events = self.inner.read(key, after, limit).await;
        self.leave().await;
        events
    }

    async fn read_before(
        &self,
        key: ConversationKey,
        before: Seq,
        limit: usize,
    ) -> Result<Vec<Event>, StoreError> {
        self.arrive().await?;
        let events = self.inner.read_before(key, before, limit).await;
        self.leave().await;
        events
    }

    async fn passivate(&self, claim: Claim) -> Result<(), StoreError> {
        self.arrive().await?;
        let passivated = self.inner.passivate(claim).await;
        self.leave().await;
        passivated
    }
}

/// Random numbers by seed (SplitMix64): the same on every machine, which a failing test's seed must be.
#[derive(Debug)]
pub struct Dice(u64);

impl Dice {
    /// The same numbers for the same seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// From 0.0 to below 1.0.
    fn fraction(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// True with this probability, from 0.0 to 1.0.
    pub fn chance(&mut self, probability: f64) -> bool {
        self.fraction() < probability
    }

    /// From 0 to `max`, both included.
    pub fn up_to(&mut self, max: u64) -> u64 {
        if max == u64::MAX { self.next() } else { self.next() % (max + 1) }
    }
}
