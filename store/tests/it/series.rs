//! What SQLite promises of series beyond the contract: what is over goes, and a feed's page has a bound.

use domain::{Seq, Timestamp};
use store::{Entry, FeedPage, SeriesKey, SeriesKind};
use uuid::Uuid;

use crate::play::{Play, some_workspace};
use crate::sandbox::Sandbox;

#[tokio::test]
async fn entries_go_when_their_time_is_over() {
    let sandbox = Sandbox::open();
    let series = sandbox.store().series;
    let now = Timestamp::from_ms(1_800_000_000_000);
    let keys =
        SeriesKind::ALL.map(|kind| SeriesKey { workspace: some_workspace(), kind, subject: Uuid::nil() });
    for key in &keys {
        let kept = key.kind.kept_since(now);
        for at in [kept.as_ms() - 2, kept.as_ms() - 1, kept.as_ms(), now.as_ms()] {
            let entry = Entry { at: Timestamp::from_ms(at), id: Uuid::new_v4(), body: vec![1] };
            series.append(key, entry).await.unwrap();
        }
    }
    let mut gone = Vec::new();
    for limit in [1, 4, 100, 100] {
        gone.push(series.expire(now, limit).await.unwrap());
    }
    assert_eq!(gone, [1, 4, 1, 0], "two of each kind, so many at once as asked for");
    for key in &keys {
        let left: Vec<Timestamp> =
            series.following(key, None, 10).await.unwrap().iter().map(|entry| entry.at).collect();
        assert_eq!(left, [key.kind.kept_since(now), now]);
    }
}

#[tokio::test]
async fn a_quiet_workspace_beside_a_busy_one_gets_on_by_pages_that_have_a_bound() {
    const BUSY: u64 = 5_000;
    let sandbox = Sandbox::open();
    let store = sandbox.store();
    let quiet = some_workspace();
    let mut own = Play::start(&store.log, quiet).await.unwrap();
    let busy = Play::start(&store.log, some_workspace()).await.unwrap();
    // Much, quickly: the bodies do not matter.
    sandbox
        .raw()
        .execute(
            "WITH RECURSIVE n(seq) AS (SELECT 2 UNION ALL SELECT seq + 1 FROM n WHERE seq < ?2)
             INSERT INTO event (conversation, seq, body)
             SELECT conversation.key, n.seq, x'00' FROM n JOIN conversation WHERE conversation.id = ?1",
            rusqlite::params![busy.key.conversation.uuid(), BUSY as i64],
        )
        .unwrap();
    own.post("at last").await.unwrap();

    let mut pages: Vec<FeedPage> = Vec::new();
    while pages.last().is_none_or(|page| page.more) {
        let after = pages.last().map(|page| page.next);
        pages.push(store.series.feed(quiet, after, 100).await.unwrap());
    }
    let told: Vec<Vec<(Seq, Seq)>> = pages
        .iter()
        .map(|page| page.entries.iter().map(|entry| (entry.first, entry.last)).collect())
        .collect();
    assert_eq!(told, [vec![(Seq(1), Seq(1))], vec![], vec![(Seq(2), Seq(2))]], "2,000 events at a time");

    let last = pages.last().map(|page| page.next);
    let all_told = FeedPage { entries: Vec::new(), next: last.unwrap(), more: false };
    assert_eq!(store.series.feed(quiet, last, 100).await.unwrap(), all_told);
    drop((own, busy, store));
    let again = sandbox.reopen();
    assert_eq!(again.store().series.feed(quiet, last, 100).await.unwrap(), all_told, "after a restart too");
}
