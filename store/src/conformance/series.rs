//! What every [`Series`] promises.

use std::sync::Arc;

use domain::Timestamp;
use uuid::Uuid;

use crate::{Entry, EntryPosition, PAGE_MAX, Series, SeriesKey, SeriesKind, envelope};

use super::some_key;

/// Checks the whole contract; `fresh` gives a store, and `now` is the time by its clock.
pub async fn check(fresh: impl AsyncFn() -> Arc<dyn Series>, now: Timestamp) {
    let fresh = async || Checked(fresh().await);
    entries_are_in_the_order_of_time(&fresh().await, now).await;
    series_are_apart(&fresh().await, now).await;
    a_page_goes_on_where_the_last_one_ended(&fresh().await, now).await;
    entries_lie_as_far_apart_as_they_are_kept(&fresh().await, now).await;
    a_repeated_append_is_one_entry(&fresh().await, now).await;
    what_is_to_be_kept_does_not_expire(&fresh().await, now).await;
}

struct Checked(Arc<dyn Series>);

impl Checked {
    async fn add(&self, key: &SeriesKey, entry: &Entry) {
        self.0.append(key, entry.clone()).await.expect("the store is there");
    }

    async fn newest(&self, key: &SeriesKey, before: Option<EntryPosition>, limit: usize) -> Vec<Entry> {
        self.0.newest(key, before, limit).await.expect("the store is there")
    }

    async fn following(&self, key: &SeriesKey, after: Option<EntryPosition>, limit: usize) -> Vec<Entry> {
        self.0.following(key, after, limit).await.expect("the store is there")
    }

    /// All of a series, asked for in both directions.
    async fn assert_holds(&self, key: &SeriesKey, mut entries: Vec<Entry>, why: &str) {
        assert_eq!(self.following(key, None, PAGE_MAX).await, entries, "{why}, oldest first");
        entries.reverse();
        assert_eq!(self.newest(key, None, PAGE_MAX).await, entries, "{why}, newest first");
    }
}

fn some_series(kind: SeriesKind) -> SeriesKey {
    SeriesKey { workspace: some_key().workspace, kind, subject: Uuid::nil() }
}

fn entry(at: Timestamp, id: Uuid) -> Entry {
    Entry { at, id, body: envelope::seal(&format!("{at:?} {id}")) }
}

/// Some entries, in their order, over the time that all kinds are kept.
fn some_entries(now: Timestamp) -> Vec<Entry> {
    const HOUR_MS: u64 = 60 * 60 * 1000;
    // In their order as bytes, which is not the order of UUIDs everywhere: of several versions, and of none.
    let ids = [
        "00000000-0000-0000-0000-000000000000",
        "01890000-0000-7000-8000-000000000000",
        "10000000-0000-4000-8000-000000000000",
        "7f000000-0000-1000-8000-000000000000",
        "7f000000-0000-8000-8000-000000000000",
        "80000000-0000-1000-8000-000000000000",
        "ffffffff-ffff-ffff-ffff-ffffffffffff",
    ]
    .map(|id| Uuid::parse_str(id).expect("an id of a case is one"));
    let at = |hours: u64| Timestamp::from_ms(now.as_ms() - hours * HOUR_MS);
    let times = [30 * 24, 20 * 24, 20 * 24 - 1, 25, 24, 1, 0].map(at);
    times.into_iter().flat_map(|at| ids.map(|id| entry(at, id))).collect()
}

async fn entries_are_in_the_order_of_time(series: &Checked, now: Timestamp) {
    for kind in SeriesKind::ALL {
        let key = some_series(kind);
        series.assert_holds(&key, Vec::new(), "at first it is empty").await;
        let entries = some_entries(now);
        // In some other order: by the checksum of their envelope.
        let mut shuffled: Vec<&Entry> = entries.iter().collect();
        shuffled.sort_by_key(|entry| (&entry.body[3..7], entry.id));
        for entry in shuffled {
            series.add(&key, entry).await;
        }
        series.assert_holds(&key, entries, "as they were given").await;
    }
}

async fn series_are_apart(series: &Checked, now: Timestamp) {
    let workspace = some_key().workspace;
    let mut all = Vec::new();
    for workspace in [workspace, some_key().workspace] {
        for kind in SeriesKind::ALL {
            for subject in [Uuid::nil(), Uuid::new_v4(), Uuid::new_v4()] {
                all.push((SeriesKey { workspace, kind, subject }, entry(now, Uuid::new_v4())));
            }
        }
    }
    for (key, entry) in &all {
        series.add(key, entry).await;
    }
    for (key, entry) in all {
        series.assert_holds(&key, vec![entry], "its own and nothing else").await;
    }
}

async fn a_page_goes_on_where_the_last_one_ended(series: &Checked, now: Timestamp) {
    let key = some_series(SeriesKind::PageView);
    let entries = some_entries(now);
    for entry in &entries {
        series.add(&key, entry).await;
    }
    for limit in [1, 4, entries.len()] {
        let (mut forward, mut backward): (Vec<Entry>, Vec<Entry>) = (Vec::new(), Vec::new());
        for asked in 0.. {
            let page = series.following(&key, forward.last().map(Entry::position), limit).await;
            let older = series.newest(&key, backward.last().map(Entry::position), limit).await;
            let left = entries.len().saturating_sub(asked * limit).min(limit);
            assert_eq!((page.len(), older.len()), (left, left), "a full page while there is enough");
            if left == 0 {
                break;
            }
            forward.extend(page);
            backward.extend(older);
        }
        backward.reverse();
        assert_eq!(forward, entries, "oldest first, in pages of {limit}");
        assert_eq!(backward, entries, "newest first, in pages of {limit}");
    }

    let between = EntryPosition { at: entries[10].at, id: Uuid::from_u128(entries[10].id.as_u128() + 1) };
    assert_eq!(series.following(&key, Some(between), 1).await, entries[11..12], "after what is not there");
    assert_eq!(series.newest(&key, Some(between), 1).await, entries[10..11], "before what is not there");
}

async fn entries_lie_as_far_apart_as_they_are_kept(series: &Checked, now: Timestamp) {
    const ENTRIES: u64 = 100;
    for kind in SeriesKind::ALL {
        let key = some_series(kind);
        let step_ms = now.ms_since(kind.kept_since(now)) / ENTRIES;
        let at = |steps| Timestamp::from_ms(now.as_ms() - steps * step_ms);
        let entries: Vec<Entry> = (0..ENTRIES).rev().map(|n| entry(at(n), Uuid::new_v4())).collect();
        for entry in &entries {
            series.add(&key, entry).await;
        }
        series.assert_holds(&key, entries, "whatever lies between").await;
    }
}

async fn a_repeated_append_is_one_entry(series: &Checked, now: Timestamp) {
    let key = some_series(SeriesKind::Audit);
    let entry = entry(now, Uuid::new_v4());
    for _ in 0..3 {
        series.add(&key, &entry).await;
    }
    series.assert_holds(&key, vec![entry], "it is there once").await;
}

async fn what_is_to_be_kept_does_not_expire(series: &Checked, now: Timestamp) {
    let mut all = Vec::new();
    for kind in SeriesKind::ALL {
        // Far enough from its end that a server's clock may be another.
        let oldest = kind.kept_since(now).plus_ms(60 * 60 * 1000);
        let entries = [oldest, now].map(|at| entry(at, Uuid::new_v4()));
        all.push((some_series(kind), entries));
    }
    for (key, entries) in &all {
        for entry in entries {
            series.add(key, entry).await;
        }
    }
    for limit in [1, 1000] {
        let gone = series.0.expire(now, limit).await.expect("the store is there");
        assert!(gone <= limit, "at most so many as asked for");
    }
    for (key, entries) in all {
        series.assert_holds(&key, entries.to_vec(), "its time is not over").await;
    }
}
