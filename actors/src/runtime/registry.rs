//! The living actors by their keys. Our own, since ractor's registry is process-wide and several nodes share a process in
//! tests.
//!
//! A key has at most one entry, and its actor is started once, however many callers wait for it.

use std::hash::Hash;
use std::sync::Arc;

use dashmap::DashMap;
use ractor::Message;
use tokio::sync::OnceCell;

use crate::mail::Handle;

pub(crate) struct Registry<K, M: Message, S> {
    entries: DashMap<K, Arc<OnceCell<Handle<M, S>>>>,
}

impl<K: Hash + Ord + Copy, M: Message, S> Registry<K, M, S> {
    pub(crate) fn new() -> Self {
        Self { entries: DashMap::new() }
    }

    /// The living actor of this key, started with `start` when there is none. Of many callers at once one starts it;
    /// if that fails, or its caller goes away, the next one tries.
    pub(crate) async fn get_or_start<E, F>(
        &self,
        key: K,
        start: impl FnOnce() -> F,
    ) -> Result<Handle<M, S>, E>
    where
        F: Future<Output = Result<Handle<M, S>, E>>,
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

    fn living_cell(&self, key: K) -> Arc<OnceCell<Handle<M, S>>> {
        let mut entry = self.entries.entry(key).or_default();
        if entry.get().is_some_and(|handle| !handle.lives()) {
            *entry = Arc::default();
        }
        Arc::clone(&entry)
    }

    /// The living actor of this key, if there is one now.
    pub(crate) fn get(&self, key: &K) -> Option<Handle<M, S>> {
        self.entries.get(key).and_then(|cell| cell.get().filter(|handle| handle.lives()).cloned())
    }

    /// An actor of this key is being started.
    pub(crate) fn is_starting(&self, key: &K) -> bool {
        self.entries.get(key).is_some_and(|cell| !cell.initialized())
    }

    /// Takes the entry out, if it is still that of the actor which shows `shown`: from here on the key starts anew.
    pub(crate) fn forget(&self, key: &K, shown: &Arc<S>) {
        let is_it = |handle: &Handle<M, S>| Arc::ptr_eq(&handle.shown, shown);
        self.entries.remove_if(key, |_, cell| cell.get().is_some_and(is_it));
    }

    /// All that live now, by key.
    pub(crate) fn living(&self) -> Vec<(K, Handle<M, S>)> {
        let mut living: Vec<(K, Handle<M, S>)> =
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
