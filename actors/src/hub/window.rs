//! The bounded window of one socket, for all that it listens to.
//!
//! Events are never dropped: when the window is full the socket is too slow, is closed, and resumes from the store.
//! Soft pushes (typing, read marks) are dropped first, when half of the window is taken. An empty window costs no memory but
//! its own: most of the sockets that are held are idle.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::words::Push;

/// Places that an emptied window keeps, so that a busy socket does not allocate for each push.
const PLACES_KEPT: usize = 8;

/// The window is full: the socket is to be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooSlow;

#[derive(Debug)]
struct Window {
    pushes_max: usize,
    bytes_max: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    queue: VecDeque<Push>,
    /// The weight of what waits.
    bytes: usize,
    overflowed: bool,
    receiver_is_gone: bool,
    /// The receiver's task, while it waits.
    waiting: Option<Waker>,
}

/// The actors' end. Cheap to clone; never waits.
#[derive(Clone, Debug)]
pub struct PushSender(Arc<Window>);

/// The socket's end. It is for one task, which alone is woken.
#[derive(Debug)]
pub struct PushReceiver(Arc<Window>);

/// A window of at most `pushes_max` pushes (at least 1) and `bytes_max` bytes that were not yet written.
pub fn window(pushes_max: usize, bytes_max: usize) -> (PushSender, PushReceiver) {
    let window = Arc::new(Window { pushes_max: pushes_max.max(1), bytes_max, state: Mutex::default() });
    (PushSender(Arc::clone(&window)), PushReceiver(window))
}

impl Window {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands `push` over if it is a `soft` one or fits.
    fn push(&self, push: Push, soft: bool) -> Result<(), TooSlow> {
        let weight = push.weight();
        let mut state = self.state();
        if state.overflowed || state.receiver_is_gone {
            return Err(TooSlow);
        }
        if soft && (state.queue.len() * 2 >= self.pushes_max || state.bytes * 2 >= self.bytes_max) {
            return Ok(());
        }
        // One push always fits, so that a single large event does not close an idle socket.
        let fits = state.queue.len() < self.pushes_max
            && (state.bytes == 0 || state.bytes + weight <= self.bytes_max);
        if fits {
            state.bytes += weight;
            state.queue.push_back(push);
        } else {
            state.overflowed = true;
        }
        let waiting = state.waiting.take();
        drop(state);
        if let Some(waiting) = waiting {
            waiting.wake();
        }
        if fits { Ok(()) } else { Err(TooSlow) }
    }
}

impl PushSender {
    /// Hands it over, or marks the window as overflowed; after that nothing more is taken.
    ///
    /// # Errors
    /// [`TooSlow`] when it overflowed, now or before, and when the socket is gone.
    pub fn push(&self, push: Push) -> Result<(), TooSlow> {
        self.0.push(push, false)
    }

    /// Hands it over if the window is less than half full; else it is dropped, for it is out of date soon.
    pub fn push_soft(&self, push: Push) {
        // A failure is an overflow, which the socket sees by itself.
        let _ = self.0.push(push, true);
    }

    /// The socket is gone or too slow.
    pub fn is_closed(&self) -> bool {
        let state = self.0.state();
        state.receiver_is_gone || state.overflowed
    }
}

impl State {
    fn take(&mut self) -> Option<Push> {
        let push = self.queue.pop_front()?;
        self.bytes -= push.weight();
        if self.queue.is_empty() && self.queue.capacity() > PLACES_KEPT {
            self.queue = VecDeque::new();
        }
        Some(push)
    }

    fn wait(&mut self, cx: &Context<'_>) {
        if !self.waiting.as_ref().is_some_and(|waiting| waiting.will_wake(cx.waker())) {
            self.waiting = Some(cx.waker().clone());
        }
    }
}

impl PushReceiver {
    /// The next push, whose place in the window is free from now on; none once the window has overflowed. A wait that is given
    /// up loses nothing.
    pub async fn next(&mut self) -> Option<Push> {
        poll_fn(|cx| {
            let mut state = self.0.state();
            if state.overflowed {
                return Poll::Ready(None);
            }
            let push = state.take();
            if push.is_none() {
                state.wait(cx);
                return Poll::Pending;
            }
            Poll::Ready(push)
        })
        .await
    }

    /// The next push, if there is one now, whether the window has overflowed or not.
    pub fn try_next(&mut self) -> Option<Push> {
        self.0.state().take()
    }

    /// Completes once the window has overflowed.
    pub async fn overflowed(&self) {
        poll_fn(|cx| {
            let mut state = self.0.state();
            if state.overflowed {
                return Poll::Ready(());
            }
            state.wait(cx);
            Poll::Pending
        })
        .await;
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.0.state().queue.len()
    }

    /// None waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Drop for PushReceiver {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.receiver_is_gone = true;
        let left = std::mem::take(&mut state.queue);
        drop(state);
        drop(left);
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
        receiver.overflowed().await;
        assert!(receiver.next().await.is_none(), "the socket is to be closed");
        assert_eq!(
            (receiver.try_next().is_some(), receiver.len()),
            (true, 1),
            "what fitted can still be had"
        );
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

    #[tokio::test]
    async fn who_waits_is_woken_by_a_push_and_by_an_overflow() {
        let (sender, mut receiver) = window(1, 10_000);
        let socket = tokio::spawn(async move {
            let first = receiver.next().await;
            let overflow = async { receiver.overflowed().await };
            (first.is_some(), overflow.await)
        });
        tokio::task::yield_now().await;
        assert_eq!(sender.push(status()), Ok(()));
        while !sender.0.state().queue.is_empty() {
            tokio::task::yield_now().await;
        }
        assert_eq!([sender.push(status()), sender.push(status())], [Ok(()), Err(TooSlow)]);
        assert_eq!(socket.await.unwrap(), (true, ()));
    }

    #[test]
    fn a_window_whose_socket_is_gone_takes_nothing_and_holds_nothing() {
        let (sender, receiver) = window(4, 10_000);
        assert_eq!(sender.push(status()), Ok(()));
        drop(receiver);
        assert_eq!((sender.push(status()), sender.is_closed()), (Err(TooSlow), true));
        assert_eq!(sender.0.state().queue.capacity(), 0);
    }

    #[test]
    fn an_emptied_window_lets_go_of_what_a_burst_needed() {
        let (sender, mut receiver) = window(100, 100_000);
        for _ in 0..100 {
            sender.push(status()).unwrap();
        }
        while receiver.try_next().is_some() {}
        let state = sender.0.state();
        assert!(state.queue.capacity() <= PLACES_KEPT && state.bytes == 0);
    }
}
