//! A bounded map of what was read lately, each entry for a short time. The cache saves reads and decides nothing: the code
//! that makes a cache says how long an entry may be stale.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Two generations of at most `capacity` entries: when the young one is full it becomes the old one, and the entries of the
/// old one are forgotten. So the cache is bounded without a scan. An entry that is asked for often is read again once in a
/// lifetime in any case.
pub(super) struct Cache<K, V> {
    /// Counted from the moment before the read: an entry is never older than this.
    lifetime: Duration,
    capacity: usize,
    entries: Mutex<Entries<K, V>>,
}

struct Entries<K, V> {
    young: HashMap<K, (Instant, V)>,
    old: HashMap<K, (Instant, V)>,
    /// How often something was changed here: a read that began before a change must not put back what it saw.
    changes: u64,
}

/// Taken before a read, so that [`Cache::keep`] knows what happened meanwhile.
pub(super) struct Reading {
    began: Instant,
    changes: u64,
}

impl<K: Eq + Hash, V: Clone> Cache<K, V> {
    pub(super) fn new(lifetime: Duration, capacity: usize) -> Self {
        let entries = Entries { young: HashMap::new(), old: HashMap::new(), changes: 0 };
        Self { lifetime, capacity, entries: Mutex::new(entries) }
    }

    pub(super) fn get(&self, key: &K) -> Option<V> {
        let entries = self.lock();
        let (since, value) = entries.young.get(key).or_else(|| entries.old.get(key))?;
        (since.elapsed() < self.lifetime).then(|| value.clone())
    }

    /// To be called before the read whose result is to be kept.
    pub(super) fn reading(&self) -> Reading {
        Reading { began: Instant::now(), changes: self.lock().changes }
    }

    /// Keeps what was read, unless something was changed since the read began.
    pub(super) fn keep(&self, reading: &Reading, key: K, value: V) {
        let mut entries = self.lock();
        if entries.changes == reading.changes {
            self.insert(&mut entries, reading.began, key, value);
        }
    }

    /// Keeps what was written here just now.
    pub(super) fn replace(&self, key: K, value: V) {
        let mut entries = self.lock();
        entries.changes += 1;
        self.insert(&mut entries, Instant::now(), key, value);
    }

    /// The next [`Cache::get`] reads again.
    pub(super) fn forget(&self, key: &K) {
        let mut entries = self.lock();
        entries.changes += 1;
        entries.young.remove(key);
        entries.old.remove(key);
    }

    fn insert(&self, entries: &mut Entries<K, V>, since: Instant, key: K, value: V) {
        if entries.young.len() >= self.capacity {
            entries.old = std::mem::take(&mut entries.young);
        }
        entries.young.insert(key, (since, value));
    }

    fn lock(&self) -> MutexGuard<'_, Entries<K, V>> {
        // Nothing under the lock leaves the maps half changed, so a panic elsewhere does not spoil them.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn an_entry_is_never_older_than_its_lifetime_counted_from_before_the_read() {
        let cache = Cache::new(SECOND, 10);
        let reading = cache.reading();
        tokio::time::advance(Duration::from_millis(600)).await;
        cache.keep(&reading, 1, "a");
        assert_eq!(cache.get(&1), Some("a"));
        tokio::time::advance(Duration::from_millis(400)).await;
        assert_eq!(cache.get(&1), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_read_that_began_before_a_change_does_not_undo_it() {
        let cache = Cache::new(SECOND, 10);
        let reading = cache.reading();
        cache.forget(&1);
        cache.keep(&reading, 1, "before");
        assert_eq!(cache.get(&1), None);

        let reading = cache.reading();
        cache.replace(1, "after");
        cache.keep(&reading, 1, "before");
        assert_eq!(cache.get(&1), Some("after"));
    }

    #[tokio::test(start_paused = true)]
    async fn it_never_holds_more_than_two_generations() {
        let cache = Cache::new(SECOND, 10);
        for n in 0..1000 {
            cache.keep(&cache.reading(), n, n);
            let entries = cache.lock();
            assert!(entries.young.len() + entries.old.len() <= 20);
        }
        assert_eq!(cache.get(&999), Some(999));
        assert_eq!(cache.get(&0), None);
    }
}
