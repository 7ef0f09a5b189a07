//! Turns: of the requests about one thing, one at a time. For what a request reads and then writes upon.

use std::hash::{BuildHasher, Hash, RandomState};

use tokio::sync::{Mutex, MutexGuard};

/// So many things can be in turn at once; others wait a moment with one of them.
const SLOTS: usize = 1024;

/// A table of fixed size: a thing has the slot that its hash says. A request takes one turn and no second, so none
/// waits for itself; the hash is keyed anew at each start, so nobody can choose whose slot they share.
pub struct Turns {
    slots: Box<[Mutex<()>]>,
    hash: RandomState,
}

impl Default for Turns {
    fn default() -> Self {
        Self { slots: (0..SLOTS).map(|_| Mutex::new(())).collect(), hash: RandomState::new() }
    }
}

impl Turns {
    /// Waits until no other request has a turn for `thing`; first come, first served. It is over when dropped.
    pub async fn take(&self, thing: impl Hash) -> MutexGuard<'_, ()> {
        let slot = usize::try_from(self.hash.hash_one(thing) % SLOTS as u64).unwrap_or(0);
        self.slots[slot].lock().await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test]
    async fn of_one_thing_one_at_a_time_and_of_different_things_many() {
        let (turns, inside, most) =
            (Arc::new(Turns::default()), Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let tasks = (0..50).map(|_| {
            let (turns, inside, most) = (Arc::clone(&turns), Arc::clone(&inside), Arc::clone(&most));
            tokio::spawn(async move {
                let _turn = turns.take("one").await;
                most.fetch_max(inside.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                tokio::task::yield_now().await;
                inside.fetch_sub(1, Ordering::SeqCst);
            })
        });
        for task in tasks.collect::<Vec<_>>() {
            task.await.unwrap();
        }
        assert_eq!((inside.load(Ordering::SeqCst), most.load(Ordering::SeqCst)), (0, 1));
        // While one is held, most others are free.
        let _held = turns.take("one").await;
        let free = (0..100).filter(|n| {
            let slot = usize::try_from(turns.hash.hash_one(n) % SLOTS as u64).unwrap();
            turns.slots[slot].try_lock().is_ok()
        });
        assert!(free.count() > 90);
    }
}
