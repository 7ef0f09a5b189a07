//! What a test does to one node: it stops it for a while, and breaks its way to the store.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::Mutex;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::time::Instant;

use super::super::timing::{PAUSE, TICK_EVERY};

/// The way of a node to the store.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct StoreFaults {
    pub(super) is_cut: bool,
    /// How long a call takes at most, in milliseconds, above the usual.
    pub(super) slow_ms: u64,
    /// How likely the outcome of a write is not known.
    pub(super) unknown: f64,
}

#[derive(Debug, Default)]
struct Inner {
    frozen_at: Option<Instant>,
    waker: Option<Waker>,
    store: StoreFaults,
    is_joined: bool,
    beat_at: Option<Instant>,
    /// The node ran again after a pause, and has not asked for the view yet.
    woke: bool,
}

/// One node's switches.
#[derive(Debug, Default)]
pub(super) struct Control(Mutex<Inner>);

impl Control {
    pub(super) fn freeze(&self) {
        self.0.lock().unwrap().frozen_at.get_or_insert_with(Instant::now);
    }

    pub(super) fn wake(&self) {
        let mut inner = self.0.lock().unwrap();
        let Some(at) = inner.frozen_at.take() else { return };
        if inner.is_joined && at.elapsed() > PAUSE + TICK_EVERY * 2 {
            inner.woke = true;
        }
        if let Some(waker) = inner.waker.take() {
            waker.wake();
        }
    }

    pub(super) fn is_frozen(&self) -> bool {
        self.0.lock().unwrap().frozen_at.is_some()
    }

    pub(super) fn joined(&self, is_joined: bool) {
        let mut inner = self.0.lock().unwrap();
        (inner.is_joined, inner.woke) = (is_joined, false);
    }

    /// A heartbeat of the node reached the store.
    pub(super) fn beat(&self) {
        self.0.lock().unwrap().beat_at = Some(Instant::now());
    }

    pub(super) fn beat_at(&self) -> Option<Instant> {
        self.0.lock().unwrap().beat_at
    }

    pub(super) fn store(&self) -> StoreFaults {
        self.0.lock().unwrap().store
    }

    pub(super) fn set_store(&self, faults: StoreFaults) {
        self.0.lock().unwrap().store = faults;
    }

    /// Says whether the node does something else before it reads the view.
    pub(super) fn is_hasty(&self, reads_view: bool) -> bool {
        let mut inner = self.0.lock().unwrap();
        std::mem::take(&mut inner.woke) && !reads_view
    }
}

/// Runs only while its node is not frozen.
pub(super) struct Freezable<F> {
    pub(super) inner: Pin<Box<F>>,
    pub(super) control: Arc<Control>,
}

impl<F: Future<Output = ()>> Future for Freezable<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        {
            let mut inner = self.control.0.lock().unwrap();
            if inner.frozen_at.is_some() {
                inner.waker = Some(cx.waker().clone());
                return Poll::Pending;
            }
        }
        self.inner.as_mut().poll(cx)
    }
}

/// As long as an answer of the store takes that does not come.
pub(super) const UNAVAILABLE_AFTER: Duration = Duration::from_millis(300);
