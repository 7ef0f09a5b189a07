//! What this process has written and need not write again.

use std::collections::HashSet;
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard};

/// How much one set remembers. Then it forgets all, and what it meets is written again.
const MAX: usize = 10_000;

/// Rows that stand, as this process has put them.
pub(super) struct Seen<K>(Mutex<HashSet<K>>);

impl<K> Default for Seen<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Eq + Hash> Seen<K> {
    pub(super) fn contains(&self, key: &K) -> bool {
        self.lock().contains(key)
    }

    pub(super) fn insert(&self, key: K) {
        let mut seen = self.lock();
        if seen.len() >= MAX {
            seen.clear();
        }
        seen.insert(key);
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<K>> {
        self.0.lock().expect("nobody panics while holding it")
    }
}
