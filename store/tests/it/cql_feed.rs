//! What CQL promises of series beyond the suite: a feed that many tell, by clocks that differ, leaves nothing out.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use domain::{Seq, Timestamp, WorkspaceId};
use store::cql::CqlStore;
use store::{Entry, FeedEntry, FeedPage, FeedPosition, GROUP_MAX, Owner, SeriesKey, SeriesKind, Store};
use uuid::Uuid;

use crate::cql::{NOW, open_with};
use crate::play::Play;
use crate::play::some_workspace;

const MINUTE_MS: u64 = 60 * 1000;

/// A node: its store, and the clock it goes by.
struct Node {
    store: Store,
    clock: Arc<AtomicU64>,
    _cql: CqlStore,
}

impl Node {
    /// None: there is no server.
    async fn start(now: Timestamp) -> Option<Self> {
        let clock = Arc::new(AtomicU64::new(now.as_ms()));
        let read = Arc::clone(&clock);
        let cql = open_with(Arc::new(move || Timestamp::from_ms(read.load(Ordering::Relaxed)))).await?;
        Some(Self { store: cql.store(), clock, _cql: cql })
    }

    fn advance_ms(&self, ms: u64) {
        self.clock.fetch_add(ms, Ordering::Relaxed);
    }

    /// All there is behind a position, and where that ends.
    async fn hear(
        &self,
        workspace: WorkspaceId,
        after: Option<FeedPosition>,
        limit: usize,
    ) -> (Vec<FeedEntry>, FeedPosition) {
        let (mut heard, mut position) = (Vec::new(), after);
        loop {
            let FeedPage { entries, next, more } =
                self.store.series.feed(workspace, position, limit).await.unwrap();
            heard.extend(entries);
            position = Some(next);
            if !more {
                return (heard, next);
            }
        }
    }
}

fn entry(play: &Play, first: u64, last: u64) -> FeedEntry {
    FeedEntry { conversation: play.key.conversation, first: Seq(first), last: Seq(last) }
}

fn earlier(ms: u64) -> Timestamp {
    Timestamp::from_ms(NOW.as_ms() - ms)
}

#[tokio::test]
async fn what_is_told_by_a_clock_that_is_behind_is_heard() {
    let Some(ahead) = Node::start(NOW).await else { return };
    let Some(behind) = Node::start(earlier(4_000)).await else { return };
    let workspace = some_workspace();
    let first = Play::start(&ahead.store.log, workspace).await.unwrap();
    let (heard, position) = ahead.hear(workspace, None, 10).await;
    assert_eq!(heard, [entry(&first, 1, 1)]);

    let late = Play::start(&behind.store.log, workspace).await.unwrap();
    let (mut heard, position) = ahead.hear(workspace, Some(position), 1).await;
    assert_eq!(heard.remove(0), entry(&late, 1, 1), "it stands before what was heard");
    assert_eq!(heard, [entry(&first, 1, 1)], "which is told again");

    ahead.advance_ms(MINUTE_MS);
    let (_, position) = ahead.hear(workspace, Some(position), 10).await;
    let (heard, _) = ahead.hear(workspace, Some(position), 10).await;
    assert_eq!(heard, [], "what is settled is not told for ever");
}

#[tokio::test]
async fn what_came_late_while_somebody_read_page_by_page_is_heard() {
    let Some(reader) = Node::start(NOW).await else { return };
    let Some(behind) = Node::start(earlier(3_000)).await else { return };
    let workspace = some_workspace();
    let mut play = Play::start(&reader.store.log, workspace).await.unwrap();
    for _ in 0..3 {
        play.post("hi").await.unwrap();
    }
    let page = reader.store.series.feed(workspace, None, 2).await.unwrap();
    assert_eq!((page.entries.len(), page.more), (2, true));
    // Before the place where the page ended; then the reader takes a minute for the entries that it has.
    let late = Play::start(&behind.store.log, workspace).await.unwrap();
    reader.advance_ms(MINUTE_MS);
    let (heard, position) = reader.hear(workspace, Some(page.next), 2).await;
    assert_eq!(heard, [entry(&play, 3, 3), entry(&play, 4, 4)]);
    let (heard, _) = reader.hear(workspace, Some(position), 2).await;
    assert!(heard.contains(&entry(&late, 1, 1)), "{heard:?}");
}

#[tokio::test]
async fn the_next_owner_tells_what_the_last_one_may_have_left_untold() {
    const EVENTS: u64 = 70;
    let Some(reader) = Node::start(NOW).await else { return };
    // Told in a window that no reader looks at any more: as good as not told.
    let Some(lost) = Node::start(earlier(60 * MINUTE_MS)).await else { return };
    let workspace = some_workspace();
    let (_, position) = reader.hear(workspace, None, 10).await;
    let mut play = Play::start(&lost.store.log, workspace).await.unwrap();
    for _ in 1..EVENTS {
        play.post("hi").await.unwrap();
    }
    let (heard, position) = reader.hear(workspace, Some(position), 10).await;
    assert_eq!(heard, []);

    let claim = reader.store.log.claim(play.key, &Owner("b#1".into()), None).await.unwrap();
    reader.store.heads.restore(&claim, &play.head).await.unwrap();
    let (heard, position) = reader.hear(workspace, Some(position), 10).await;
    assert_eq!(heard, [entry(&play, EVENTS + 1 - GROUP_MAX as u64, EVENTS)], "as much as one append has");

    let other = Play::start(&lost.store.log, workspace).await.unwrap();
    let claim = reader.store.log.claim(other.key, &Owner("b#1".into()), None).await.unwrap();
    reader.store.heads.restore(&claim, &other.head).await.unwrap();
    let (heard, _) = reader.hear(workspace, Some(position), 10).await;
    assert!(heard.contains(&entry(&other, 1, 1)), "no more than there is: {heard:?}");
}

#[tokio::test]
async fn what_is_told_after_a_pause_is_told_again() {
    let Some(reader) = Node::start(NOW).await else { return };
    // An hour passes after it first looked.
    let asked = AtomicU64::new(0);
    let clock =
        move || if asked.fetch_add(1, Ordering::Relaxed) == 0 { earlier(60 * MINUTE_MS) } else { NOW };
    let Some(frozen) = open_with(Arc::new(clock)).await else { return };
    let workspace = some_workspace();
    let (_, position) = reader.hear(workspace, None, 10).await;
    let play = Play::start(&frozen.store().log, workspace).await.unwrap();
    let (heard, _) = reader.hear(workspace, Some(position), 10).await;
    assert_eq!(heard, [entry(&play, 1, 1)]);
}

#[tokio::test]
async fn a_feed_is_followed_over_many_windows_of_time() {
    const EVENTS: u64 = 80;
    let Some(node) = Node::start(NOW).await else { return };
    let (workspace, quiet) = (some_workspace(), some_workspace());
    let mut play = Play::start(&node.store.log, workspace).await.unwrap();
    let (_, left) = node.hear(quiet, None, 10).await;
    for _ in 1..EVENTS {
        node.advance_ms(9 * MINUTE_MS);
        play.post("hi").await.unwrap();
    }
    let all: Vec<FeedEntry> = (1..=EVENTS).map(|seq| entry(&play, seq, seq)).collect();
    for limit in [1, 7, 500] {
        let (heard, _) = node.hear(workspace, None, limit).await;
        assert_eq!(heard, all, "in pages of {limit}");
    }
    let own = Play::start(&node.store.log, quiet).await.unwrap();
    let page = node.store.series.feed(quiet, Some(left), 10).await.unwrap();
    assert_eq!((page.entries, page.more), (vec![entry(&own, 1, 1)], false), "empty windows cost nothing");
}

#[tokio::test]
async fn the_servers_let_go_what_need_not_be_kept() {
    let Some(node) = Node::start(NOW).await else { return };
    let series = &node.store.series;
    for kind in SeriesKind::ALL {
        let key = SeriesKey { workspace: some_workspace(), kind, subject: Uuid::nil() };
        let kept = kind.kept_since(NOW);
        for at in [NOW, kept, kept.plus_ms(1), kept.plus_ms(2_000)] {
            let entry = Entry { at, id: Uuid::new_v4(), body: vec![1] };
            series.append(&key, entry).await.unwrap();
        }
        let left = async {
            while series.newest(&key, None, 10).await.unwrap().len() > 1 {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), left).await.expect("its time is over in 2 s");
        let left = series.newest(&key, None, 10).await.unwrap();
        assert_eq!(left.iter().map(|entry| entry.at).collect::<Vec<_>>(), [NOW]);
    }
}
