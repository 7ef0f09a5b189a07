//! What CQL promises of series beyond the suite.

use std::time::Duration;

use store::{Entry, SeriesKey, SeriesKind};
use uuid::Uuid;

use crate::cql::{NOW, open};
use crate::play::some_workspace;

#[tokio::test]
async fn the_servers_let_go_what_need_not_be_kept() {
    let Some(cql) = open().await else { return };
    let series = cql.store().series;
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
