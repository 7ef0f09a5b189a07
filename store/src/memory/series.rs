//! Series in memory.

use std::ops::Bound;

use async_trait::async_trait;
use domain::Timestamp;
use uuid::Uuid;

use crate::{Entry, EntryPosition, PAGE_MAX, Series, SeriesKey, StoreError};

use super::MemoryStore;

const FIRST: EntryPosition = EntryPosition { at: Timestamp::from_ms(0), id: Uuid::nil() };
const LAST: EntryPosition = EntryPosition { at: Timestamp::from_ms(u64::MAX), id: Uuid::max() };

impl MemoryStore {
    /// The entries between, oldest first.
    fn between(&self, key: &SeriesKey, from: Bound<EntryPosition>, to: Bound<EntryPosition>) -> Vec<Entry> {
        let entries = self.entries.lock().expect("nobody panics while holding it");
        let range = (from.map(|position| (*key, position)), to.map(|position| (*key, position)));
        entries
            .range(range)
            .map(|((_, position), body)| Entry { at: position.at, id: position.id, body: body.clone() })
            .collect()
    }
}

#[async_trait]
impl Series for MemoryStore {
    async fn append(&self, key: &SeriesKey, entry: Entry) -> Result<(), StoreError> {
        let mut entries = self.entries.lock().expect("nobody panics while holding it");
        entries.entry((*key, entry.position())).or_insert(entry.body);
        Ok(())
    }

    async fn newest(
        &self,
        key: &SeriesKey,
        before: Option<EntryPosition>,
        limit: usize,
    ) -> Result<Vec<Entry>, StoreError> {
        let to = before.map_or(Bound::Included(LAST), Bound::Excluded);
        let mut found = self.between(key, Bound::Included(FIRST), to);
        found.reverse();
        found.truncate(limit.min(PAGE_MAX));
        Ok(found)
    }

    async fn following(
        &self,
        key: &SeriesKey,
        after: Option<EntryPosition>,
        limit: usize,
    ) -> Result<Vec<Entry>, StoreError> {
        let from = after.map_or(Bound::Included(FIRST), Bound::Excluded);
        let mut found = self.between(key, from, Bound::Included(LAST));
        found.truncate(limit.min(PAGE_MAX));
        Ok(found)
    }

    async fn expire(&self, now: Timestamp, limit: usize) -> Result<usize, StoreError> {
        let mut entries = self.entries.lock().expect("nobody panics while holding it");
        let over = |(key, position): &&(SeriesKey, EntryPosition)| position.at < key.kind.kept_since(now);
        let gone: Vec<_> = entries.keys().filter(over).take(limit).copied().collect();
        gone.iter().for_each(|key| drop(entries.remove(key)));
        Ok(gone.len())
    }
}
