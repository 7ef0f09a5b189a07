//! The persistent socket of visitors and agents: one task for each, which reads, writes, and owns the sink.
//!
//! Positions make delivery exact: of each conversation a socket knows the last `seq` that it wrote. What comes next
//! is written, what came before is skipped, what is missing is read from the store. So a lost push costs a read,
//! never a message.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use dashmap::DashMap;
use tokio::sync::Notify;
use tokio::sync::broadcast::error::RecvError;

use crate::http::rate::Key;
use crate::identity::{Identity, Revoked, SessionId};

mod counted;
mod frames;
mod greeting;
mod places;
mod pushed;
mod replay;
mod requests;
mod session;
mod side;
mod subscriptions;
pub mod upgrade;
mod viewing;
mod watches;
mod watching;
mod welcome;

pub use greeting::serve;

/// Why the server closes a socket. The codes are part of the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Close {
    /// 1000: the other side said so first.
    Normal,
    /// 1002: it does not speak WebSocket as it should.
    Protocol,
    /// 1003: a binary frame.
    Binary,
    /// 1007: a text frame that is not UTF-8.
    Utf8,
    /// 1009: a frame over the limit.
    TooBig,
    /// 1011: our own fault.
    Internal,
    /// 1012: the server restarts; come back after so many milliseconds.
    Restart {
        /// Spread over the time that the drain takes.
        retry_after_ms: u64,
    },
    /// 1013: too many say hello, or what it asks for cannot be looked up for the moment.
    Overloaded,
    /// 4400: not JSON, not an object, no `type`, or a first frame that is no hello.
    BadFrame,
    /// 4401: no valid token, or it was revoked or not renewed in time.
    Unauthenticated,
    /// 4403: the page's origin is not on the list of the visitor's site.
    Origin,
    /// 4408: no hello in time, or silence.
    Timeout,
    /// 4409: a newer socket of the same person took its place.
    Replaced,
    /// 4413: it reads too slowly; resume.
    TooSlow,
    /// 4429: too many frames.
    TooManyFrames,
}

impl Close {
    fn code(self) -> u16 {
        match self {
            Close::Normal => 1000,
            Close::Protocol => 1002,
            Close::Binary => 1003,
            Close::Utf8 => 1007,
            Close::TooBig => 1009,
            Close::Internal => 1011,
            Close::Restart { .. } => 1012,
            Close::Overloaded => 1013,
            Close::BadFrame => 4400,
            Close::Unauthenticated => 4401,
            Close::Origin => 4403,
            Close::Timeout => 4408,
            Close::Replaced => 4409,
            Close::TooSlow => 4413,
            Close::TooManyFrames => 4429,
        }
    }

    fn reason(self) -> String {
        match self {
            Close::Normal => "bye".into(),
            Close::Protocol => "protocol error".into(),
            Close::Binary => "text frames only".into(),
            Close::Utf8 => "not UTF-8".into(),
            Close::TooBig => "frame too big".into(),
            Close::Internal => "internal error".into(),
            Close::Restart { retry_after_ms } => format!("restart; retry_after_ms={retry_after_ms}"),
            Close::Overloaded => "overloaded; try again later".into(),
            Close::BadFrame => "bad frame".into(),
            Close::Unauthenticated => "unauthenticated".into(),
            Close::Origin => "origin not allowed".into(),
            Close::Timeout => "timed out".into(),
            Close::Replaced => "replaced by a newer socket".into(),
            Close::TooSlow => "too slow; resume".into(),
            Close::TooManyFrames => "too many frames".into(),
        }
    }
}

/// All sockets that have said hello on this node: to hold each person to his number of them, and to close them all.
#[derive(Default)]
pub struct Sockets {
    by_person: DashMap<Key, Vec<Arc<Handle>>>,
    next_id: AtomicU64,
    count: AtomicUsize,
    /// Once the server stops: when whoever still comes in is to come back, in milliseconds.
    restarting_ms: OnceLock<u64>,
}

/// The way to one socket from outside its task.
pub(crate) struct Handle {
    id: u64,
    /// Of an agent's socket, which ends with his log-in.
    session: Option<SessionId>,
    orders: Mutex<Orders>,
    given: Notify,
}

#[derive(Default)]
struct Orders {
    close: Option<Close>,
    recheck: bool,
}

/// What a socket is told to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// Close.
    Close(Close),
    /// Ask whether the one whose socket it is still is who he was.
    Recheck,
}

impl Handle {
    fn give(&self, order: Order) {
        let mut orders = self.orders.lock().unwrap_or_else(PoisonError::into_inner);
        match order {
            Order::Close(close) => orders.close = orders.close.or(Some(close)),
            Order::Recheck => orders.recheck = true,
        }
        self.given.notify_one();
    }

    /// Waits for the next order; a close is told again and again.
    pub(crate) async fn next_order(&self) -> Order {
        loop {
            {
                let mut orders = self.orders.lock().unwrap_or_else(PoisonError::into_inner);
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
pub(crate) struct Entry {
    sockets: Arc<Sockets>,
    person: Key,
    pub(crate) handle: Arc<Handle>,
}

impl Sockets {
    /// Enters a socket of `person`; with more than `max` (0: any number) the oldest goes.
    pub(crate) fn enter(self: &Arc<Self>, person: Key, session: Option<SessionId>, max: usize) -> Entry {
        let handle = Arc::new(Handle {
            id: self.next_id.fetch_add(1, Ordering::Relaxed),
            session,
            // What was revoked between its hello and now was told to those who had entered.
            orders: Mutex::new(Orders { close: None, recheck: true }),
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
        // First this, so that who comes in now is either told by it or found below. A second call changes nothing.
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

    /// Has those whom a revocation may concern ask whether they still are who they were.
    pub(crate) fn recheck(&self, revoked: Revoked) {
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
                    Revoked::Session(id) => handle.session == Some(id),
                    // Visitors' sockets end with their site, agents' sight changes with the teams.
                    Revoked::Site(_) => handle.session.is_none(),
                    Revoked::Teams(_) => handle.session.is_some(),
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
    async fn the_oldest_socket_of_a_person_goes_when_he_has_too_many() {
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
        // Who was being greeted meanwhile is told as well.
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
