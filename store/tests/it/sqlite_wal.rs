//! The write-ahead log of SQLite: an idle store leaves nothing in it.

use std::time::Duration;

use store::sqlite::SqliteOptions;

use crate::play::{Play, some_workspace};
use crate::sandbox::Sandbox;

/// How long a file is, once it is so short.
async fn wait_for_length(file: &std::path::Path, at_most: u64) {
    let short = async {
        while file.metadata().unwrap().len() > at_most {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), short).await.expect("an idle store cuts its log");
}

#[tokio::test]
async fn an_idle_store_leaves_nothing_in_the_write_ahead_log_as_soon_as_no_reader_needs_it() {
    let sandbox = Sandbox::with(SqliteOptions { wal_idle_ms: 50, ..SqliteOptions::default() });
    let log = sandbox.store().log;
    let wal = sandbox.dir.path().join("switchboard.db-wal");
    let mut play = Play::start(&log, some_workspace()).await.unwrap();
    for round in 0..3 {
        for _ in 0..20 {
            play.post(&"x".repeat(10_000)).await.unwrap();
        }
        wait_for_length(&wal, 0).await;
        play.assert_kept().await;
        assert!(sandbox.dir.path().join("switchboard.db").metadata().unwrap().len() > 200_000, "{round}");
    }

    // A reader that is not done keeps what it may yet need, and holds up no write.
    let reader = sandbox.raw();
    let events = "SELECT count(*) FROM event";
    reader.execute_batch("BEGIN").unwrap();
    let before: i64 = reader.query_row(events, [], |row| row.get(0)).unwrap();
    let commits = sandbox.sqlite.stats().commits;
    for _ in 0..20 {
        play.post("while somebody reads").await.unwrap();
    }
    assert_eq!(sandbox.sqlite.stats().commits, commits + 20);
    assert_eq!(reader.query_row(events, [], |row| row.get::<_, i64>(0)).unwrap(), before);
    assert!(wal.metadata().unwrap().len() > 0, "what the reader does not see is not moved over it");
    reader.execute_batch("COMMIT").unwrap();
    wait_for_length(&wal, 0).await;
    play.assert_kept().await;
    assert!(!*sandbox.sqlite.failed().borrow());
}
