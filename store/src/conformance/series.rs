//! What every [`Series`] promises, with the log that its feed tells of.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use domain::{ConversationId, Seq, Timestamp, WorkspaceId};
use uuid::Uuid;

use crate::{
    Append, Claim, ConversationKey, Created, Entry, EntryPosition, EventLog, FeedPage, FeedPosition,
    PAGE_MAX, Series, SeriesKey, SeriesKind, envelope,
};

use super::{Play, owner, some_key};

/// How long a feed may take to tell what was appended.
const SOON: Duration = Duration::from_secs(20);

/// Checks the whole contract; `fresh` gives a store, and `now` is the time by its clock.
pub async fn check(fresh: impl AsyncFn() -> (Arc<dyn EventLog>, Arc<dyn Series>), now: Timestamp) {
    let fresh = async || {
        let (log, series) = fresh().await;
        Stores { log, series }
    };
    entries_are_in_the_order_of_time(&fresh().await, now).await;
    series_are_apart(&fresh().await, now).await;
    a_page_goes_on_where_the_last_one_ended(&fresh().await, now).await;
    entries_lie_as_far_apart_as_they_are_kept(&fresh().await, now).await;
    a_repeated_append_is_one_entry(&fresh().await, now).await;
    what_is_to_be_kept_does_not_expire(&fresh().await, now).await;
    a_feed_tells_every_event_of_its_workspace(&fresh().await, now).await;
    a_feed_is_taken_up_where_it_was_left(&fresh().await, now).await;
    a_feed_is_whole_while_many_append(&fresh().await, now).await;
}

struct Stores {
    log: Arc<dyn EventLog>,
    series: Arc<dyn Series>,
}

impl Stores {
    async fn add(&self, key: &SeriesKey, entry: &Entry) {
        self.series.append(key, entry.clone()).await.expect("the store is there");
    }

    async fn newest(&self, key: &SeriesKey, before: Option<EntryPosition>, limit: usize) -> Vec<Entry> {
        self.series.newest(key, before, limit).await.expect("the store is there")
    }

    async fn following(&self, key: &SeriesKey, after: Option<EntryPosition>, limit: usize) -> Vec<Entry> {
        self.series.following(key, after, limit).await.expect("the store is there")
    }

    /// All of a series, asked for in both directions.
    async fn assert_holds(&self, key: &SeriesKey, mut entries: Vec<Entry>, why: &str) {
        assert_eq!(self.following(key, None, PAGE_MAX).await, entries, "{why}, oldest first");
        entries.reverse();
        assert_eq!(self.newest(key, None, PAGE_MAX).await, entries, "{why}, newest first");
    }

    async fn feed(&self, workspace: WorkspaceId, after: Option<FeedPosition>, limit: usize) -> FeedPage {
        let page = self.series.feed(workspace, after, limit).await.expect("the store is there");
        assert!(page.entries.len() <= limit, "at most so many as asked for");
        page
    }

    /// Makes the log of a conversation.
    async fn begin(&self, workspace: WorkspaceId, now: Timestamp) -> Growing {
        let some = Play::some();
        let key = ConversationKey { workspace, ..some.key };
        let play = Play::start(key, some.team, some.visitor, now.as_ms());
        match self.log.create(key, &owner("a"), &play.events, play.head()).await {
            Ok(Created::New(claim)) => Growing { log: self.log.clone(), claim, play, now },
            other => panic!("a new log is made, not {other:?}"),
        }
    }
}

/// A conversation that is appended to.
struct Growing {
    log: Arc<dyn EventLog>,
    claim: Claim,
    play: Play,
    now: Timestamp,
}

impl Growing {
    async fn grow(&mut self, events: usize) {
        let tail = self.play.tail();
        let events = self.play.says(self.now.as_ms(), events);
        let append = self.log.append(&self.claim, tail, &events, self.play.head()).await;
        assert_eq!(append.expect("the store is there"), Append::Applied, "nobody is in its way");
    }

    fn conversation(&self) -> ConversationId {
        self.play.key.conversation
    }
}

/// Follows a feed, and holds it to its order.
#[derive(Default)]
struct Follower {
    /// Kept as a text, as it may be.
    position: Option<String>,
    known: BTreeMap<ConversationId, Seq>,
}

impl Follower {
    /// Hears a page; false: there is no more for now.
    async fn hear(&mut self, stores: &Stores, workspace: WorkspaceId, limit: usize) -> bool {
        let after = self.position.as_ref().map(|text| text.parse().expect("it is a position"));
        let page = stores.feed(workspace, after, limit).await;
        for entry in page.entries {
            let known = self.known.entry(entry.conversation).or_insert(Seq::ZERO);
            assert!(entry.first <= entry.last, "an entry has an event: {entry:?}");
            assert!(entry.first <= known.next(), "nothing was left out before {entry:?} but {known:?}");
            *known = entry.last.max(*known);
        }
        self.position = Some(page.next.to_string());
        page.more
    }

    /// Follows until it knows exactly this, or for too long.
    async fn follow(
        &mut self,
        stores: &Stores,
        workspace: WorkspaceId,
        limit: usize,
        all: &BTreeMap<ConversationId, Seq>,
    ) {
        let heard = async {
            while self.hear(stores, workspace, limit).await || self.known != *all {
                let told = self.known.iter().all(|(of, last)| all.get(of).is_some_and(|tail| last <= tail));
                assert!(told, "nothing else is told: {:?}, and not {all:?}", self.known);
                tokio::task::yield_now().await;
            }
        };
        let heard = tokio::time::timeout(SOON, heard).await;
        assert!(heard.is_ok(), "soon all is told: {:?} of {all:?}", self.known);
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

async fn entries_are_in_the_order_of_time(stores: &Stores, now: Timestamp) {
    for kind in SeriesKind::ALL {
        let key = some_series(kind);
        stores.assert_holds(&key, Vec::new(), "at first it is empty").await;
        let entries = some_entries(now);
        // In some other order: by the checksum of their envelope.
        let mut shuffled: Vec<&Entry> = entries.iter().collect();
        shuffled.sort_by_key(|entry| (&entry.body[3..7], entry.id));
        for entry in shuffled {
            stores.add(&key, entry).await;
        }
        stores.assert_holds(&key, entries, "as they were given").await;
    }
}

async fn series_are_apart(stores: &Stores, now: Timestamp) {
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
        stores.add(key, entry).await;
    }
    for (key, entry) in all {
        stores.assert_holds(&key, vec![entry], "its own and nothing else").await;
    }
}

async fn a_page_goes_on_where_the_last_one_ended(stores: &Stores, now: Timestamp) {
    let key = some_series(SeriesKind::PageView);
    let entries = some_entries(now);
    for entry in &entries {
        stores.add(&key, entry).await;
    }
    for limit in [1, 4, entries.len()] {
        let (mut forward, mut backward): (Vec<Entry>, Vec<Entry>) = (Vec::new(), Vec::new());
        for asked in 0.. {
            let page = stores.following(&key, forward.last().map(Entry::position), limit).await;
            let older = stores.newest(&key, backward.last().map(Entry::position), limit).await;
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
    assert_eq!(stores.following(&key, Some(between), 1).await, entries[11..12], "after what is not there");
    assert_eq!(stores.newest(&key, Some(between), 1).await, entries[10..11], "before what is not there");
}

async fn entries_lie_as_far_apart_as_they_are_kept(stores: &Stores, now: Timestamp) {
    const ENTRIES: u64 = 100;
    for kind in SeriesKind::ALL {
        let key = some_series(kind);
        let step_ms = now.ms_since(kind.kept_since(now)) / ENTRIES;
        let at = |steps| Timestamp::from_ms(now.as_ms() - steps * step_ms);
        let entries: Vec<Entry> = (0..ENTRIES).rev().map(|n| entry(at(n), Uuid::new_v4())).collect();
        for entry in &entries {
            stores.add(&key, entry).await;
        }
        stores.assert_holds(&key, entries, "whatever lies between").await;
    }
}

async fn a_repeated_append_is_one_entry(stores: &Stores, now: Timestamp) {
    let key = some_series(SeriesKind::Audit);
    let entry = entry(now, Uuid::new_v4());
    for _ in 0..3 {
        stores.add(&key, &entry).await;
    }
    stores.assert_holds(&key, vec![entry], "it is there once").await;
}

async fn what_is_to_be_kept_does_not_expire(stores: &Stores, now: Timestamp) {
    let mut all = Vec::new();
    for kind in SeriesKind::ALL {
        // Far enough from its end that a server's clock may be another.
        let oldest = kind.kept_since(now).plus_ms(60 * 60 * 1000);
        let entries = [oldest, now].map(|at| entry(at, Uuid::new_v4()));
        all.push((some_series(kind), entries));
    }
    for (key, entries) in &all {
        for entry in entries {
            stores.add(key, entry).await;
        }
    }
    for limit in [1, 1000] {
        let gone = stores.series.expire(now, limit).await.expect("the store is there");
        assert!(gone <= limit, "at most so many as asked for");
    }
    for (key, entries) in all {
        stores.assert_holds(&key, entries.to_vec(), "its time is not over").await;
    }
}

async fn a_feed_tells_every_event_of_its_workspace(stores: &Stores, now: Timestamp) {
    let (workspace, elsewhere) = (some_key().workspace, some_key().workspace);
    let page = stores.feed(workspace, None, PAGE_MAX).await;
    assert_eq!((page.entries, page.more), (Vec::new(), false), "nothing happened yet");

    let mut first = stores.begin(workspace, now).await;
    let mut second = stores.begin(workspace, now).await;
    let mut other = stores.begin(elsewhere, now).await;
    for (times, growing) in [(1, 3), (2, 1), (3, 64)] {
        for _ in 0..times {
            first.grow(growing).await;
            other.grow(1).await;
            second.grow(growing).await;
            second.grow(1).await;
        }
    }
    let all = tails([&first, &second]);
    for limit in [1, 2, PAGE_MAX] {
        Follower::default().follow(stores, workspace, limit, &all).await;
    }
    Follower::default().follow(stores, elsewhere, 1, &tails([&other])).await;
    Follower::default().follow(stores, some_key().workspace, 1, &BTreeMap::new()).await;
}

async fn a_feed_is_taken_up_where_it_was_left(stores: &Stores, now: Timestamp) {
    let (workspace, elsewhere) = (some_key().workspace, some_key().workspace);
    let (mut early, mut late) = (Follower::default(), Follower::default());
    // Also from a position that was given when there was nothing.
    early.follow(stores, workspace, 1, &BTreeMap::new()).await;
    let mut growing = stores.begin(workspace, now).await;
    let mut other = stores.begin(elsewhere, now).await;
    for limit in [1, 2, 3] {
        early.follow(stores, workspace, limit, &tails([&growing])).await;
        growing.grow(limit).await;
        other.grow(1).await;
    }
    for follower in [&mut early, &mut late] {
        follower.follow(stores, workspace, 2, &tails([&growing])).await;
    }
}

async fn a_feed_is_whole_while_many_append(stores: &Stores, now: Timestamp) {
    const CONVERSATIONS: usize = 6;
    const APPENDS: usize = 30;
    let (workspace, elsewhere) = (some_key().workspace, some_key().workspace);
    let mut growing = Vec::new();
    for n in 0..CONVERSATIONS + 2 {
        let workspace = if n < CONVERSATIONS { workspace } else { elsewhere };
        growing.push(stores.begin(workspace, now).await);
    }
    let tasks: Vec<_> = growing
        .into_iter()
        .enumerate()
        .map(|(n, mut growing)| {
            tokio::spawn(async move {
                for append in 0..APPENDS {
                    growing.grow(1 + (n + append) % 3).await;
                    tokio::task::yield_now().await;
                }
                growing
            })
        })
        .collect();
    // It follows while they append.
    let mut follower = Follower::default();
    while tasks.iter().any(|task| !task.is_finished()) {
        follower.hear(stores, workspace, 7).await;
        tokio::task::yield_now().await;
    }
    let mut grown = Vec::new();
    for task in tasks {
        grown.push(task.await.expect("a case that fails has said why"));
    }
    let all = tails(&grown[..CONVERSATIONS]);
    follower.follow(stores, workspace, 7, &all).await;
    Follower::default().follow(stores, workspace, PAGE_MAX, &all).await;
}

/// What somebody knows who has heard everything.
fn tails<'a>(grown: impl IntoIterator<Item = &'a Growing>) -> BTreeMap<ConversationId, Seq> {
    grown.into_iter().map(|growing| (growing.conversation(), growing.play.tail())).collect()
}
