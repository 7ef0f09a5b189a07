//! The bounded window of one socket, for all that it listens to.
//!
//! Events are never dropped: when the window is full the socket is too slow, is closed, and resumes from the store.
//! Soft pushes (typing, read marks) are dropped first, when half of the window is taken.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::sync::{Notify, mpsc};

use crate::words::Push;

/// The window is full: the socket is to be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooSlow;

#[derive(Debug)]
struct Shared {
    bytes: AtomicUsize,
    bytes_max: usize,
    overflowed: AtomicBool,
    overflow: Notify,
}

/// The actors' end. Cheap to clone; never waits.
#[derive(Clone, Debug)]
pub struct PushSender {
    queue: mpsc::Sender<Push>,
    shared: Arc<Shared>,
}

/// The socket's end.
#[derive(Debug)]
pub struct PushReceiver {
    queue: mpsc::Receiver<Push>,
    shared: Arc<Shared>,
}

/// A window of at most `pushes_max` pushes (at least 1) and `bytes_max` bytes that were not yet written.
pub fn window(pushes_max: usize, bytes_max: usize) -> (PushSender, PushReceiver) {
    let (sender, receiver) = mpsc::channel(pushes_max.max(1));
    let shared = Arc::new(Shared {
        bytes: AtomicUsize::new(0),
        bytes_max,
        overflowed: AtomicBool::new(false),
        overflow: Notify::new(),
    });
    (PushSender { queue: sender, shared: Arc::clone(&shared) }, PushReceiver { queue: receiver, shared })
}

impl PushSender {
    /// Hands it over, or marks the window as overflowed; after that nothing more is taken.
    pub fn push(&self, push: Push) -> Result<(), TooSlow> {
        if self.shared.overflowed.load(Ordering::Relaxed) {
            return Err(TooSlow);
        }
        let weight = push.weight();
        let bytes = self.shared.bytes.fetch_add(weight, Ordering::Relaxed);
        // One push always fits, so that a single large event does not close an idle socket.
        let fits = bytes == 0 || bytes + weight <= self.shared.bytes_max;
        match if fits { self.queue.try_send(push).map_err(|_| TooSlow) } else { Err(TooSlow) } {
            Ok(()) => Ok(()),
            Err(TooSlow) => {
                self.shared.bytes.fetch_sub(weight, Ordering::Relaxed);
                self.shared.overflowed.store(true, Ordering::Relaxed);
                self.shared.overflow.notify_one();
                Err(TooSlow)
            }
        }
    }

    /// Hands it over if the window is less than half full; else it is dropped, for it is out of date soon.
    pub fn push_soft(&self, push: Push) {
        if self.queue.capacity() * 2 > self.queue.max_capacity()
            && self.shared.bytes.load(Ordering::Relaxed) * 2 < self.shared.bytes_max
        {
            // A failure is an overflow, which the socket sees by itself.
            let _ = self.push(push);
        }
    }

    /// The socket is gone or too slow.
    pub fn is_closed(&self) -> bool {
        self.queue.is_closed() || self.shared.overflowed.load(Ordering::Relaxed)
    }
}

/// Tells when a window overflowed.
#[derive(Clone, Debug)]
pub struct Overflow(Arc<Shared>);

impl Overflow {
    /// Completes once the window has overflowed. For one waiter at a time.
    pub async fn happened(&self) {
        while !self.0.overflowed.load(Ordering::Relaxed) {
            self.0.overflow.notified().await;
        }
    }
}

impl PushReceiver {
    /// The next push; none when all senders are gone. Its place in the window is free from now on.
    pub async fn next(&mut self) -> Option<Push> {
        let push = self.queue.recv().await?;
        self.shared.bytes.fetch_sub(push.weight(), Ordering::Relaxed);
        Some(push)
    }

    /// The next push, if there is one now.
    pub fn try_next(&mut self) -> Option<Push> {
        let push = self.queue.try_recv().ok()?;
        self.shared.bytes.fetch_sub(push.weight(), Ordering::Relaxed);
        Some(push)
    }

    /// Tells when the window overflowed, also while [`Self::next`] is waited for.
    pub fn overflow(&self) -> Overflow {
        Overflow(Arc::clone(&self.shared))
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.queue.len()
    }

    /// None waits.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use domain::Status;

    use super::*;

    fn status() -> Push {
        Push::Status(Status::Away)
    }

    #[tokio::test]
    async fn a_full_window_overflows_and_takes_no_more() {
        let (sender, mut receiver) = window(2, 10_000);
        assert_eq!([sender.push(status()), sender.push(status())], [Ok(()), Ok(())]);
        assert_eq!(sender.push(status()), Err(TooSlow));
        receiver.overflow().happened().await;
        assert!(receiver.next().await.is_some());
        assert_eq!(sender.push(status()), Err(TooSlow));
    }

    #[tokio::test]
    async fn bytes_count_until_they_are_taken_and_one_push_always_fits() {
        let (sender, mut receiver) = window(100, 100);
        assert_eq!(sender.push(status()), Ok(()));
        receiver.next().await.unwrap();
        assert_eq!(sender.push(status()), Ok(()));
        assert_eq!(sender.push(status()), Err(TooSlow));
    }

    #[tokio::test]
    async fn soft_pushes_are_dropped_when_half_is_taken() {
        let (sender, receiver) = window(4, 10_000);
        for _ in 0..10 {
            sender.push_soft(status());
        }
        assert_eq!((receiver.len(), sender.is_closed()), (2, false));
    }
}
