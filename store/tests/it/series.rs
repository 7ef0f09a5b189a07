//! What SQLite promises of series beyond the contract: what is over goes.

use domain::Timestamp;
use store::{Entry, SeriesKey, SeriesKind};
use uuid::Uuid;

use crate::play::some_workspace;
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
