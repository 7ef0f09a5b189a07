//! Who is alive: our own registry, for ractor's is process-wide and several nodes may share a process in tests.
//!
//! A key has at most one entry, and its actor is started once, however many callers wait for it.

use std::hash::Hash;
use std::sync::Arc;

use dashmap::DashMap;
use tokio::sync::OnceCell;

/// An actor that can be asked whether it still lives.
pub(crate) trait Handle: Clone + Send + Sync + 'static {
    /// It takes messages.
    fn lives(&self) -> bool;
}

pub(crate) struct Registry<K, H> {
    entries: DashMap<K, Arc<OnceCell<H>>>,
}

impl<K: Hash + Ord + Copy, H: Handle> Registry<K, H> {
    pub(crate) fn new() -> Self {
        Self { entries: DashMap::new() }
    }

    /// The living actor of this key, started with `start` when there is none. Of many callers at once one starts it;
    /// if that fails, or its caller goes away, the next one tries.
    pub(crate) async fn get_or_start<E, F>(&self, key: K, start: impl FnOnce() -> F) -> Result<H, E>
    where
        F: Future<Output = Result<H, E>>,
    {
        let cell = self.living_cell(key);
        match cell.get_or_try_init(start).await {
            Ok(handle) => Ok(handle.clone()),
            Err(error) => {
                // An entry that nobody is starting must not stay: a refused key would cost memory for ever.
                self.entries
                    .remove_if(&key, |_, kept| Arc::ptr_eq(kept, &cell) && Arc::strong_count(kept) <= 2);
                Err(error)
            }
        }
    }

    fn living_cell(&self, key: K) -> Arc<OnceCell<H>> {
        let mut entry = self.entries.entry(key).or_default();
        if entry.get().is_some_and(|handle| !handle.lives()) {
            *entry = Arc::default();
        }
        Arc::clone(&entry)
    }

    /// The living actor of this key, if there is one now.
    pub(crate) fn get(&self, key: &K) -> Option<H> {
        self.entries.get(key).and_then(|cell| cell.get().filter(|handle| handle.lives()).cloned())
    }

    /// Takes the entry out, if it is still the one that `is_it` knows: from here on the key starts anew.
    pub(crate) fn forget(&self, key: &K, is_it: impl Fn(&H) -> bool) {
        self.entries.remove_if(key, |_, cell| cell.get().is_some_and(&is_it));
    }

    /// All that live now, by key.
    pub(crate) fn living(&self) -> Vec<(K, H)> {
        let mut living: Vec<(K, H)> =
            self.entries.iter().filter_map(|entry| Some((*entry.key(), entry.get()?.clone()))).collect();
        living.sort_unstable_by_key(|(key, _)| *key);
        living
    }

    /// How many entries there are, those being started included.
    pub(crate) fn count(&self) -> usize {
        self.entries.len()
    }

    /// Drops the entries of the dead.
    pub(crate) fn sweep(&self) {
        self.entries.retain(|_, cell| cell.get().is_none_or(Handle::lives));
    }
}
