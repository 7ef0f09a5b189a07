//! The sockets that have said hello on this node, and the way to each from outside its task.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use dashmap::DashMap;
use identity::{Identity, Revoked, SessionId};
use tokio::sync::Notify;
use tokio::sync::broadcast::error::RecvError;

use super::close::Close;
use crate::rates::Key;

/// All sockets that have said hello on this node: to hold each person to their number of them, and to close them all.
#[derive(Default)]
pub struct Sockets {
    by_person: DashMap<Key, Vec<Arc<Handle>>>,
    next_id: AtomicU64,
    count: AtomicUsize,
    /// Once the server stops: when a socket that still comes in is to come back, in milliseconds.
    restarting_ms: OnceLock<u64>,
}

/// The way to one socket from outside its task.
pub(super) struct Handle {
    id: u64,
    orders: Mutex<Orders>,
    given: Notify,
}

#[derive(Default)]
struct Orders {
    /// Of an agent's socket, which ends with the log-in whose token it took last.
    session: Option<SessionId>,
    close: Option<Close>,
    recheck: bool,
}

/// What a socket is told to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// Close.
    Close(Close),
    /// Ask whether the caller still is who they were.
    Recheck,
}

impl Handle {
    /// The socket took a token of this log-in.
    pub(super) fn took(&self, session: SessionId) {
        self.lock().session = Some(session);
        // What was revoked before reached only the sockets of that log-in.
        self.give(Order::Recheck);
    }

    fn session(&self) -> Option<SessionId> {
        self.lock().session
    }

    fn lock(&self) -> MutexGuard<'_, Orders> {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn give(&self, order: Order) {
        let mut orders = self.lock();
        match order {
            Order::Close(close) => orders.close = orders.close.or(Some(close)),
            Order::Recheck => orders.recheck = true,
        }
        self.given.notify_one();
    }

    /// Waits for the next order; a close is told again and again.
    pub(super) async fn next_order(&self) -> Order {
        loop {
            {
                let mut orders = self.lock();
                if let Some(close) = orders.close {
                    return Order::Close(close);
                }
                if std::mem::take(&mut orders.recheck) {
                    return Order::Recheck;
                }
            }
            self.given.notified().await;
        }
    }
}

/// A socket's entry; it goes when this is dropped.
pub(super) struct Entry {
    sockets: Arc<Sockets>,
    person: Key,
    pub(super) handle: Arc<Handle>,
}

impl Sockets {
    /// Enters a socket of `person`; with more than `max` (0: any number) the oldest goes.
    pub(super) fn enter(self: &Arc<Self>, person: Key, session: Option<SessionId>, max: usize) -> Entry {
        let handle = Arc::new(Handle {
            id: self.next_id.fetch_add(1, Ordering::Relaxed),
            // What was revoked between its hello and now reached only the sockets that had entered.
            orders: Mutex::new(Orders { session, close: None, recheck: true }),
            given: Notify::new(),
        });
        let mut of_person = self.by_person.entry(person).or_default();
        of_person.push(Arc::clone(&handle));
        if let Some(&retry_after_ms) = self.restarting_ms.get() {
            handle.give(Order::Close(Close::Restart { retry_after_ms }));
        }
        let excess = if max == 0 { 0 } else { of_person.len().saturating_sub(max) };
        for oldest in of_person.drain(..excess) {
            oldest.give(Order::Close(Close::Replaced));
        }
        drop(of_person);
        self.count.fetch_add(1, Ordering::Relaxed);
        Entry { sockets: Arc::clone(self), person, handle }
    }

    /// How many are open.
    pub fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// Closes all of them with 1012, each to come back at another moment within `spread_ms`.
    pub fn restart_all(&self, spread_ms: u64) {
        // First this, so that a socket that comes in now either reads it or is found below. A second call changes nothing.
        let _ = self.restarting_ms.set(spread_ms);
        let count = self.count().max(1) as u64;
        let mut place = 0;
        for of_person in self.by_person.iter() {
            for handle in of_person.iter() {
                let retry_after_ms = spread_ms * place / count;
                handle.give(Order::Close(Close::Restart { retry_after_ms }));
                place += 1;
            }
        }
    }

    /// Has the sockets that a revocation may concern ask whether their callers still are who they were.
    fn recheck(&self, revoked: Revoked) {
        let person = match revoked {
            Revoked::Agent(id) => Some(Key::of_agent(id)),
            Revoked::Visitor(id) => Some(Key::of_visitor(id)),
            Revoked::Session(_) | Revoked::Site(_) | Revoked::Teams(_) => None,
        };
        if let Some(person) = person {
            for handle in self.by_person.get(&person).iter().flat_map(|of_person| of_person.iter()) {
                handle.give(Order::Recheck);
            }
            return;
        }
        for of_person in self.by_person.iter() {
            for handle in of_person.iter() {
                let concerned = match revoked {
                    Revoked::Session(id) => handle.session() == Some(id),
                    // Visitors' sockets end with their site, agents' sight changes with the teams.
                    Revoked::Site(_) => handle.session().is_none(),
                    Revoked::Teams(_) => handle.session().is_some(),
                    Revoked::Agent(_) | Revoked::Visitor(_) => false,
                };
                if concerned {
                    handle.give(Order::Recheck);
                }
            }
        }
    }

    /// Follows the revocations of this node for as long as `identity` lives.
    pub async fn follow(self: Arc<Self>, identity: Arc<Identity>) {
        let mut revocations = identity.revocations();
        drop(identity);
        loop {
            match revocations.recv().await {
                Ok(revoked) => self.recheck(revoked),
                Err(RecvError::Closed) => return,
                Err(RecvError::Lagged(_)) => {
                    for of_person in self.by_person.iter() {
                        of_person.iter().for_each(|handle| handle.give(Order::Recheck));
                    }
                }
            }
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        if let dashmap::mapref::entry::Entry::Occupied(mut entry) = self.sockets.by_person.entry(self.person)
        {
            entry.get_mut().retain(|other| other.id != self.handle.id);
            if entry.get().is_empty() {
                entry.remove();
            }
        }
        self.sockets.count.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_oldest_socket_of_a_person_goes_when_they_have_too_many() {
        let sockets = Arc::new(Sockets::default());
        let ann = Key::of_address([192, 0, 2, 1].into());
        let first = sockets.enter(ann, None, 2);
        let second = sockets.enter(ann, None, 2);
        let _third = sockets.enter(ann, None, 2);
        assert_eq!(first.handle.next_order().await, Order::Close(Close::Replaced));
        drop(first);
        assert_eq!(sockets.count(), 2);
        sockets.restart_all(100);
        let order = second.handle.next_order().await;
        assert!(matches!(order, Order::Close(Close::Restart { retry_after_ms: 0..=100 })), "{order:?}");
        // A socket that was being greeted meanwhile is closed as well.
        let late = sockets.enter(ann, None, 0);
        let order = late.handle.next_order().await;
        assert_eq!(order, Order::Close(Close::Restart { retry_after_ms: 100 }));
    }

    #[test]
    fn nothing_is_kept_of_who_has_no_socket() {
        let sockets = Arc::new(Sockets::default());
        for n in 0..10 {
            drop(sockets.enter(Key::of_address([192, 0, 2, n].into()), None, 1));
        }
        assert!(sockets.by_person.is_empty() && sockets.count() == 0);
    }
}
