//! The boots that this process knows. A boot is sealed within the process: the lock of the folder keeps others away, and a
//! boot does not outlive its process.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use tokio::sync::watch;

use crate::Incarnation;

/// Those that were opened or sealed.
#[derive(Default)]
pub(super) struct Boots(Mutex<HashMap<Incarnation, Arc<Boot>>>);

/// One of them.
#[derive(Default)]
pub(super) struct Boot {
    sealed: watch::Sender<bool>,
    /// By its own node: an end that nobody is told.
    closed: AtomicBool,
}

impl Boots {
    pub(super) fn get(&self, incarnation: Incarnation) -> Arc<Boot> {
        let mut boots = self.0.lock().expect("nobody panics while holding it");
        Arc::clone(boots.entry(incarnation).or_default())
    }
}

impl Boot {
    pub(super) fn seal(&self) {
        self.sealed.send_replace(true);
    }

    pub(super) fn is_sealed(&self) -> bool {
        *self.sealed.borrow()
    }

    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    /// Turns true, once.
    pub(super) fn sealed(&self) -> watch::Receiver<bool> {
        self.sealed.subscribe()
    }
}
