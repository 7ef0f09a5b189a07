//! What reading costs: bytes, charged to the person who reads and to their address, and turns at the store.
//!
//! Nobody knows how large a page is before it was read, so an answer is charged when it is made, and a debt is paid
//! before the next one. What could be owed is bounded by the turns: one person has a few reads at the store at a
//! time, a workspace has several, and others wait for theirs in order, so that a crowd of one's own delays oneself.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use dashmap::DashMap;
use identity::Caller;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::rates::{Key, Limit, Rates, Verdict};

/// Reads of one person at once, from the store until their answer is made: fewer than a browser has connections, for it
/// is the cores that all share.
const TURNS_OF_PERSON: usize = 2;
/// Reads of one workspace at once: as many as SQLite has threads for. More would not be read sooner, and every page that
/// is made at the same time is in the way of each step of a message.
const TURNS_OF_WORKSPACE: usize = 4;
/// One who is refused is told so after this time. A program that asks again at once would else be answered as fast as the
/// cores can say no; each of its connections asks ten times a second so.
const REFUSAL_PAUSE: Duration = Duration::from_millis(100);
/// Charged for a subscription beside what it replays.
const SUBSCRIPTION_BYTES: usize = 4 * 1024;
/// Charged for each answer beside its bytes: asking is not free.
const ANSWER_BYTES: usize = 512;

/// Turns at the store, by person and by workspace.
#[derive(Default)]
pub struct Reads {
    turns: Arc<DashMap<Key, Arc<Semaphore>>>,
}

/// A read at the store, from its start until this is dropped.
pub(crate) struct Turn {
    _of_workspace: Option<ReadPermit>,
    _of_person: Option<ReadPermit>,
}

/// Nothing is kept of a key that nobody uses.
struct ReadPermit {
    turns: Arc<DashMap<Key, Arc<Semaphore>>>,
    key: Key,
    permit: Option<OwnedSemaphorePermit>,
}

impl Reads {
    /// Why the caller may not read now; none: they may.
    pub(crate) fn refusal(&self, rates: &Rates, caller: &Caller, address: IpAddr) -> Option<Verdict> {
        let of_person = person(caller).and_then(|key| rates.peek(Limit::ReadsOfPerson, key));
        let refuses = |verdict: &Verdict| verdict.retry_after.is_some();
        of_person
            .filter(refuses)
            .or_else(|| rates.peek(Limit::ReadsOfAddress, Key::of_address(address)).filter(refuses))
    }

    /// The same, of a request: one that is refused waits for it.
    pub(crate) async fn refusal_in_time(
        &self,
        rates: &Rates,
        caller: &Caller,
        address: IpAddr,
    ) -> Option<Verdict> {
        let verdict = self.refusal(rates, caller, address)?;
        tokio::time::sleep(REFUSAL_PAUSE).await;
        Some(verdict)
    }

    /// Waits for the caller's turn, and looks again whether something is left by then.
    ///
    /// # Errors
    /// The verdict that refuses, when those who were first have used it up.
    pub(crate) async fn turn(
        &self,
        rates: &Rates,
        caller: &Caller,
        address: IpAddr,
    ) -> Result<Turn, Verdict> {
        let turn = self.wait(caller).await;
        if self.refusal(rates, caller, address).is_none() {
            return Ok(turn);
        }
        // Others need not wait with them.
        drop(turn);
        match self.refusal_in_time(rates, caller, address).await {
            Some(verdict) => Err(verdict),
            // It was paid in this moment.
            None => Ok(self.wait(caller).await),
        }
    }

    /// Waits for the caller's turn.
    pub(crate) async fn wait(&self, caller: &Caller) -> Turn {
        // First the person's: a person who waits for their own other reads takes no turn of the workspace's.
        let of_person = match person(caller) {
            Some(key) => Some(self.place(key, TURNS_OF_PERSON).await),
            None => None,
        };
        let of_workspace = match caller.workspace() {
            Some(workspace) => Some(self.place(Key::of_workspace(workspace), TURNS_OF_WORKSPACE).await),
            None => None,
        };
        Turn { _of_workspace: of_workspace, _of_person: of_person }
    }

    async fn place(&self, key: Key, max: usize) -> ReadPermit {
        let semaphore = Arc::clone(&self.turns.entry(key).or_insert_with(|| Arc::new(Semaphore::new(max))));
        // Made before the wait, so that a wait that is given up leaves nothing behind.
        let mut place = ReadPermit { turns: Arc::clone(&self.turns), key, permit: None };
        place.permit = Some(semaphore.acquire_owned().await.expect("nobody closes it"));
        place
    }
}

impl Drop for ReadPermit {
    fn drop(&mut self) {
        drop(self.permit.take());
        // Those who wait or read hold it too.
        self.turns.remove_if(&self.key, |_, semaphore| Arc::strong_count(semaphore) == 1);
    }
}

/// Charges an answer of `bytes` to the caller and the address.
pub(crate) fn charge(rates: &Rates, caller: &Caller, address: IpAddr, bytes: usize) {
    if let Some(key) = person(caller) {
        rates.charge(Limit::ReadsOfPerson, key, bytes + ANSWER_BYTES);
    }
    rates.charge(Limit::ReadsOfAddress, Key::of_address(address), bytes + ANSWER_BYTES);
}

/// How long the caller's next read must wait until what was read is paid.
pub(crate) fn debt(reads: &Reads, rates: &Rates, caller: &Caller, address: IpAddr) -> Duration {
    reads.refusal(rates, caller, address).and_then(|verdict| verdict.retry_after).unwrap_or_default()
}

/// Charges `count` subscriptions: each may read a conversation that nobody had open.
pub(crate) fn charge_subscriptions(rates: &Rates, caller: &Caller, address: IpAddr, count: usize) {
    charge(rates, caller, address, count * SUBSCRIPTION_BYTES);
}

/// Whose bucket it is, of those who are somebody.
pub(crate) fn person(caller: &Caller) -> Option<Key> {
    match caller {
        Caller::Visitor { visitor, .. } => Some(Key::of_visitor(visitor.id)),
        Caller::Agent { agent, .. } => Some(Key::of_agent(agent.id)),
        Caller::Anonymous | Caller::Site { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_key_has_its_turns_in_order_and_nothing_is_kept_of_those_who_left() {
        let (reads, key) = (Reads::default(), Key::NODE);
        let first = reads.place(key, 2).await;
        let second = reads.place(key, 2).await;
        let mut third = Box::pin(reads.place(key, 2));
        assert!(futures_util::poll!(&mut third).is_pending());
        // Given up while it waits.
        let mut fourth = Box::pin(reads.place(key, 2));
        assert!(futures_util::poll!(&mut fourth).is_pending());
        drop(fourth);
        drop(first);
        let third = third.await;
        drop((second, third));
        assert!(reads.turns.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_is_refused_waits_for_its_answer_and_others_do_not() {
        let limits = crate::config::Limits {
            address_read_bytes_burst: 65_536,
            address_read_bytes_per_s: 65_536,
            ..Default::default()
        };
        let (rates, reads, caller) = (Rates::new(&limits), Reads::default(), Caller::Anonymous);
        let (reader, other) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2]));
        charge(&rates, &caller, reader, 3 * 65_536);
        let ask = |address| reads.refusal_in_time(&rates, &caller, address);
        let mut refused = Box::pin(ask(reader));
        assert!(futures_util::poll!(&mut refused).is_pending());
        assert!(matches!(futures_util::poll!(Box::pin(ask(other))), std::task::Poll::Ready(None)));
        tokio::time::advance(REFUSAL_PAUSE).await;
        assert!(refused.await.is_some_and(|verdict| verdict.retry_after.is_some()));
    }
}
