//! What SQLite promises beyond the contracts: what a commit is, who may open it, what it does when the disk is full.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use domain::{Head, Seq, Timestamp};
use futures_util::FutureExt;
use store::folder::FolderError;
use store::sqlite::{Access, OpenError, SqliteOptions, SqliteStore};
use store::{
    Append, Incarnation, JournalError, JournalPage, JournalPosition, JournalRest, LaneId, Record,
    RecordError, RecordKind, StoreError, Unique,
};
use tokio::task::JoinSet;

use crate::play::{Play, open, some_workspace};
use crate::sandbox::Sandbox;

fn record(workspace: domain::WorkspaceId, id: &str) -> Record {
    let at = Timestamp::from_ms(1);
    Record {
        workspace,
        id: id.into(),
        version: 1,
        created_at: at,
        updated_at: at,
        expires_at: None,
        body: vec![1],
    }
}

/// Waits until so many writes wait behind the one that the writer has in hand.
async fn wait_for_queue(sqlite: &SqliteStore, depth: usize) {
    let reached = async {
        while sqlite.stats().queue_depth != depth {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), reached).await.expect("the writer takes what waits");
}

#[tokio::test]
async fn all_that_was_acknowledged_is_there_after_a_restart() {
    let sandbox = Sandbox::open();
    let store = sandbox.store();
    let workspace = some_workspace();
    let mut play = Play::start(&store.log, workspace).await.unwrap();
    play.post("kept").await.unwrap();
    store.records.insert(RecordKind::Visitor, record(workspace, "kept"), &[]).await.unwrap();
    let lane = LaneId { incarnation: Incarnation::NONE, lane: 0 };
    let journal = store.log.journal(lane, JournalPosition::default(), 9).await.unwrap();
    let Play { log, lanes, key, events, head } = play;
    drop((log, lanes, store));

    let store = sandbox.reopen();
    let again = store.store();
    assert_eq!(again.log.read(key, Seq::ZERO, 10).await.unwrap(), events);
    assert_eq!(again.heads.get(key).await.unwrap(), Some(head.clone()));
    assert!(again.records.get(workspace, RecordKind::Visitor, "kept").await.unwrap().is_some());
    assert_eq!(again.log.journal(lane, JournalPosition::default(), 9).await.unwrap(), journal);
    let mut play = Play { lanes: open(&again.log).await, log: again.log.clone(), key, events, head };
    assert_eq!(play.post("and goes on").await.unwrap(), Append::Applied);
    play.assert_kept().await;
    let more = again.log.journal(lane, journal.next, 9).await.unwrap();
    assert_eq!(
        more.entries.iter().map(|entry| (entry.first, entry.last)).collect::<Vec<_>>(),
        [(Seq(3), Seq(3))]
    );
}

#[tokio::test]
async fn a_second_server_is_refused_and_a_command_beside_the_first_is_not() {
    let sandbox = Sandbox::open();
    let refused = sandbox.open_another(Access::Server).err().unwrap();
    assert!(
        matches!(&refused, OpenError::Folder(FolderError::Taken { dir }) if dir == sandbox.dir.path()),
        "{refused:?}"
    );
    assert!(refused.to_string().starts_with("another server is using /"), "{refused}");

    let beside = sandbox.open_another(Access::Beside).unwrap();
    let workspace = some_workspace();
    let write = |store: &SqliteStore, id: &str| {
        let (records, id) = (store.store().records, id.to_owned());
        async move { records.insert(RecordKind::Agent, record(workspace, &id), &[]).await.unwrap() }
    };
    write(&beside, "by the command").await;
    write(&sandbox.sqlite, "by the server").await;
    for store in [&beside, &sandbox.sqlite] {
        let listed = store.store().records.list(workspace, RecordKind::Agent, None, 10).await.unwrap();
        assert_eq!(listed.len(), 2, "each sees what the other wrote");
    }
    drop(beside);
    sandbox.reopen();
}

#[tokio::test]
async fn many_appends_share_a_commit() {
    let sandbox = Sandbox::open();
    let store = sandbox.store();
    let workspace = some_workspace();
    let mut plays = Vec::new();
    let lanes = open(&store.log).await;
    for _ in 0..100 {
        plays.push(Play::start_in(&store.log, &lanes, workspace).await.unwrap());
    }
    let before = sandbox.sqlite.stats();
    let mut posts = JoinSet::new();
    for mut play in plays {
        posts.spawn(async move {
            assert_eq!(play.post("hi").await.unwrap(), Append::Applied);
        });
    }
    posts.join_all().await;
    let after = sandbox.sqlite.stats();
    assert_eq!(after.events - before.events, 100);
    let commits = after.commits - before.commits;
    assert!(commits < 50, "{commits} commits for 100 appends at once");
    assert_eq!(after.queue_depth, 0);
}

#[tokio::test]
async fn a_refused_write_leaves_its_group_alone() {
    let sandbox = Sandbox::open();
    let store = sandbox.store();
    let workspace = some_workspace();
    let taken = [Unique::everywhere("taken".into())];
    store.records.insert(RecordKind::Agent, record(workspace, "first"), &taken).await.unwrap();
    let mut owned = Play::start(&store.log, workspace).await.unwrap();
    let mut fenced = Play::start(&store.log, workspace).await.unwrap();
    store.log.seal(fenced.lanes.incarnation()).await.unwrap();
    let lanes = open(&store.log).await;
    let commits = sandbox.sqlite.stats().commits;

    // Another process has the file: one write waits for it, and the others become one group behind it.
    let raw = sandbox.raw();
    raw.execute_batch("BEGIN IMMEDIATE").unwrap();
    let records = store.records.clone();
    let first =
        tokio::spawn(
            async move { records.insert(RecordKind::Agent, record(workspace, "second"), &[]).await },
        );
    tokio::task::yield_now().await;
    wait_for_queue(&sandbox.sqlite, 0).await;
    let let_go = async {
        wait_for_queue(&sandbox.sqlite, 4).await;
        raw.execute_batch("COMMIT").unwrap();
    };
    let (posted, refused, twice, made, ()) = tokio::join!(
        owned.post("mine"),
        fenced.post("not mine any more"),
        store.records.insert(RecordKind::Agent, record(workspace, "third"), &taken),
        Play::start_in(&store.log, &lanes, workspace),
        let_go,
    );
    first.await.unwrap().unwrap();
    assert_eq!(posted.unwrap(), Append::Applied);
    assert_eq!(refused.unwrap(), Append::Fenced);
    assert!(matches!(twice, Err(RecordError::Taken(key)) if key == "taken"));
    made.unwrap().assert_kept().await;
    assert_eq!(sandbox.sqlite.stats().commits - commits, 2, "one group, and the one that waited before it");
    owned.assert_kept().await;
    fenced.assert_kept().await;
}

#[tokio::test]
async fn a_row_that_cannot_be_read_stops_nobody_else() {
    let sandbox = Sandbox::open();
    let store = sandbox.store();
    let workspace = some_workspace();
    let mut plays = Vec::new();
    for _ in 0..3 {
        plays.push(Play::start(&store.log, workspace).await.unwrap());
    }
    let [mut whole, mut too, mut held] = <[Play; 3]>::try_from(plays).ok().unwrap();
    let mut broken = Play::start(&store.log, workspace).await.unwrap();
    // The tables disagree: there is an event beyond the tail.
    let raw = sandbox.raw();
    let id = broken.key.conversation.uuid();
    raw.execute(
        "INSERT INTO event (conversation, seq, body) SELECT key, 2, x'00' FROM conversation WHERE id = ?1",
        [id],
    )
    .unwrap();
    // In one group with others, behind one that waits for the file.
    raw.execute_batch("BEGIN IMMEDIATE").unwrap();
    let first = tokio::spawn(async move { held.post("hi").await });
    tokio::task::yield_now().await;
    wait_for_queue(&sandbox.sqlite, 0).await;
    let let_go = async {
        wait_for_queue(&sandbox.sqlite, 3).await;
        raw.execute_batch("COMMIT").unwrap();
    };
    let (before, refused, behind, ()) =
        tokio::join!(whole.post("hi"), broken.post("hi"), too.post("hi"), let_go);
    for posted in [first.await.unwrap(), before, behind] {
        assert_eq!(posted.unwrap(), Append::Applied);
    }
    assert!(matches!(refused, Err(StoreError::Corrupt(_))), "{refused:?}");
    let read = store.log.read(broken.key, Seq::ZERO, 10).await;
    assert!(matches!(read, Err(StoreError::Corrupt(_))), "{read:?}");
    raw.execute("UPDATE event SET seq = 5 WHERE body = x'00'", []).unwrap();
    raw.execute("UPDATE event SET body = (SELECT body FROM event LIMIT 1) WHERE seq = 5", []).unwrap();
    let read = store.log.read(broken.key, Seq::ZERO, 10).await;
    assert!(matches!(read, Err(StoreError::Corrupt(_))), "a hole: {read:?}");
    assert!(!*sandbox.sqlite.failed().borrow());
    whole.assert_kept().await;
    too.assert_kept().await;
}

#[tokio::test]
async fn an_append_that_does_not_go_on_where_its_log_ends_is_never_stored() {
    let sandbox = Sandbox::open();
    let store = sandbox.store();
    let play = Play::start(&store.log, some_workspace()).await.unwrap();
    let mut written = play.clone();
    assert_eq!(written.post("one").await.unwrap(), Append::Applied);
    // A writer that has not read the log, in this boot (where its row is known) and in one that comes later.
    for lanes in [play.lanes.clone(), open(&store.log).await] {
        let behind = Play { lanes: lanes.clone(), ..play.clone() };
        let last_seq = Seq(5);
        let ahead = Play { lanes, head: Head { last_seq, ..play.head.clone() }, ..play.clone() };
        for mut wrong in [behind, ahead] {
            let refused = tokio::spawn(async move { wrong.post("two").await.map(drop) }).await;
            assert!(refused.unwrap_err().is_panic(), "a fault of the caller is not an outcome");
            written.assert_kept().await;
        }
    }
    assert_eq!(written.post("two").await.unwrap(), Append::Applied, "nobody else is disturbed");
    written.assert_kept().await;
}

#[tokio::test]
async fn a_journal_has_pages_with_a_bound_and_no_position_that_was_never_given() {
    const LONG: u64 = 5_000;
    let sandbox = Sandbox::open();
    let log = sandbox.store().log;
    let long = Play::start(&log, some_workspace()).await.unwrap();
    // Much, quickly: the bodies do not matter.
    sandbox
        .raw()
        .execute(
            "WITH RECURSIVE n(seq) AS (SELECT 2 UNION ALL SELECT seq + 1 FROM n WHERE seq < ?2)
             INSERT INTO event (conversation, seq, body)
             SELECT conversation.key, n.seq, x'00' FROM n JOIN conversation WHERE conversation.id = ?1",
            rusqlite::params![long.key.conversation.uuid(), LONG as i64],
        )
        .unwrap();
    let short = Play::start(&log, some_workspace()).await.unwrap();
    let lane = LaneId { incarnation: Incarnation::NONE, lane: 0 };
    assert_eq!(log.lanes().await.unwrap(), [lane], "one for all boots");
    let mut pages: Vec<JournalPage> = Vec::new();
    while pages.last().is_none_or(|page| page.rest == JournalRest::More) {
        let after = pages.last().map_or(JournalPosition::default(), |page| page.next);
        pages.push(log.journal(lane, after, 100).await.unwrap());
    }
    let found: Vec<Vec<(Seq, Seq)>> = pages
        .iter()
        .map(|page| page.entries.iter().map(|entry| (entry.first, entry.last)).collect())
        .collect();
    let expected = [
        vec![(Seq(1), Seq(2000))],
        vec![(Seq(2001), Seq(4000))],
        vec![(Seq(4001), Seq(5000)), (Seq(1), Seq(1))],
    ];
    assert_eq!(found, expected, "2,000 events at a time");
    let end = pages[2].next;
    drop((long, short));
    for (segment, position) in [(0, end.position + 1), (1, 0)] {
        let read = log.journal(lane, JournalPosition { segment, position }, 1).await;
        assert!(matches!(read, Err(JournalError::Trimmed)), "{read:?}");
    }
}

#[tokio::test]
async fn while_another_process_has_the_file_writes_are_refused_and_reads_go_on() {
    let sandbox = Sandbox::with(SqliteOptions { busy_ms: 20, ..SqliteOptions::default() });
    let store = sandbox.store();
    let mut play = Play::start(&store.log, some_workspace()).await.unwrap();
    let raw = sandbox.raw();
    raw.execute_batch("BEGIN IMMEDIATE").unwrap();
    let refused = play.post("not now").await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    play.assert_kept().await;
    raw.execute_batch("ROLLBACK").unwrap();
    assert_eq!(play.post("now").await.unwrap(), Append::Applied);
    play.assert_kept().await;
}

#[tokio::test]
async fn a_full_queue_refuses_at_once() {
    let by_count = SqliteOptions { writes_waiting_max: 1, ..SqliteOptions::default() };
    let by_bytes = SqliteOptions { write_bytes_waiting_max: 20_000, ..SqliteOptions::default() };
    for options in [by_count, by_bytes] {
        let sandbox = Sandbox::with(options);
        let store = sandbox.store();
        let workspace = some_workspace();
        let mut first = Play::start(&store.log, workspace).await.unwrap();
        let mut second = Play::start(&store.log, workspace).await.unwrap();
        let mut third = Play::start(&store.log, workspace).await.unwrap();
        let raw = sandbox.raw();
        raw.execute_batch("BEGIN IMMEDIATE").unwrap();
        let words = "x".repeat(12_000);
        let held = tokio::spawn(async move { first.post("the writer has this one in hand").await });
        tokio::task::yield_now().await;
        wait_for_queue(&sandbox.sqlite, 0).await;
        let queued = tokio::spawn({
            let words = words.clone();
            async move { second.post(&words).await }
        });
        tokio::task::yield_now().await;
        let refused = third.post(&words).await;
        assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
        raw.execute_batch("COMMIT").unwrap();
        assert_eq!(held.await.unwrap().unwrap(), Append::Applied);
        assert_eq!(queued.await.unwrap().unwrap(), Append::Applied);
        assert_eq!(third.post(&words).await.unwrap(), Append::Applied, "there is room again");
    }
}

#[tokio::test]
async fn a_full_queue_of_reads_refuses_at_once_and_writes_go_on() {
    let sandbox = Sandbox::with(SqliteOptions { reads_waiting_max: 0, ..SqliteOptions::default() });
    let store = sandbox.store();
    let mut play = Play::start(&store.log, some_workspace()).await.unwrap();
    let refused = store.log.read(play.key, Seq::ZERO, 1).await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    assert_eq!(play.post("hi").await.unwrap(), Append::Applied);
}

#[tokio::test]
async fn a_full_disk_refuses_writes_and_the_store_goes_on() {
    let sandbox = Sandbox::with(SqliteOptions { pages_max: Some(60), ..SqliteOptions::default() });
    let store = sandbox.store();
    let workspace = some_workspace();
    let mut play = Play::start(&store.log, workspace).await.unwrap();
    let large = Record { body: vec![0; 40_000], ..record(workspace, "large") };
    store.records.insert(RecordKind::File, large, &[]).await.unwrap();
    let words = "x".repeat(10_000);
    let refused = loop {
        match play.post(&words).await {
            Ok(append) => assert_eq!(append, Append::Applied),
            Err(error) => break error,
        }
    };
    assert!(matches!(refused, StoreError::StorageFull), "{refused:?}");
    assert!(!*sandbox.sqlite.failed().borrow(), "it goes on");
    play.assert_kept().await;

    store.records.delete(workspace, RecordKind::File, "large", None).await.unwrap();
    assert_eq!(play.post(&words).await.unwrap(), Append::Applied, "there is room again");
    play.assert_kept().await;
    let Play { log, lanes, key, events, .. } = play;
    drop((log, lanes, store));
    let again = sandbox.reopen();
    assert_eq!(again.store().log.read(key, Seq::ZERO, 500).await.unwrap(), events);
}

#[tokio::test]
async fn a_server_opens_only_when_the_write_ahead_log_is_in_the_database() {
    let sandbox = Sandbox::open();
    let raw = sandbox.raw();
    raw.execute_batch("BEGIN; SELECT count(*) FROM event").unwrap();
    let store = sandbox.store();
    let Play { log, lanes, key, events, .. } = Play::start(&store.log, some_workspace()).await.unwrap();
    drop((log, lanes, store));
    let Sandbox { sqlite, dir } = sandbox;
    drop(sqlite);
    // The reader keeps the log from being moved, now and at the end of the run before.
    let open = || {
        let options = SqliteOptions { busy_ms: 20, ..SqliteOptions::default() };
        SqliteStore::open(dir.path(), Access::Server, options)
    };
    let wal = dir.path().join("switchboard.db-wal");
    let refused = open().err().unwrap();
    assert!(matches!(refused, OpenError::Busy { .. }), "{refused:?}");
    assert!(wal.metadata().unwrap().len() > 0);
    raw.execute_batch("COMMIT").unwrap();
    let sqlite = open().unwrap();
    assert_eq!(wal.metadata().unwrap().len(), 0);
    assert_eq!(sqlite.store().log.read(key, Seq::ZERO, 10).await.unwrap(), events);
}

#[test]
fn a_newer_schema_is_refused() {
    let sandbox = Sandbox::open();
    sandbox.raw().pragma_update(None, "user_version", 2).unwrap();
    let refused = sandbox.open_another(Access::Beside).err().unwrap();
    assert!(matches!(refused, OpenError::Newer { found: 2, known: 1, .. }), "{refused:?}");
}

#[test]
fn a_database_of_another_form_is_refused_and_left_as_it_is() {
    let old = "CREATE TABLE conversation (key INTEGER PRIMARY KEY, claim BLOB) STRICT";
    for (what, made) in [
        ("the form before the first release", format!("{old}; PRAGMA user_version = 1")),
        ("its last schema", format!("{old}; PRAGMA user_version = 3")),
        ("another program's, which counts no schemas", old.to_owned()),
        (
            "another program's, with its name",
            format!("{old}; PRAGMA application_id = 7; PRAGMA user_version = 1"),
        ),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("switchboard.db");
        let raw = rusqlite::Connection::open(&path).unwrap();
        raw.execute_batch(&made).unwrap();
        for _ in 0..2 {
            let opened = SqliteStore::open(dir.path(), Access::Server, SqliteOptions::default());
            let refused = opened.err().unwrap();
            assert!(matches!(refused, OpenError::Foreign { .. }), "{what}: {refused:?}");
            let text = refused.to_string();
            assert!(text.contains(path.to_str().unwrap()) && text.contains("no way over"), "{text}");
        }
        let tables: i64 = raw.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).unwrap();
        assert_eq!(tables, 1, "{what}: nothing was made in it");
    }
}

#[test]
fn what_is_no_database_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("switchboard.db"), [7; 5000]).unwrap();
    let refused = SqliteStore::open(dir.path(), Access::Server, SqliteOptions::default()).err().unwrap();
    assert!(matches!(refused, OpenError::Sqlite { .. }), "{refused:?}");
}

#[test]
fn what_it_makes_is_for_its_user_alone() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("a/b");
    let _store = SqliteStore::open(&data, Access::Server, SqliteOptions::default()).unwrap();
    let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&data), 0o700);
    let files: Vec<_> = data.read_dir().unwrap().map(|file| file.unwrap().path()).collect();
    assert!(files.len() >= 2, "{files:?}");
    for file in files {
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
}

#[tokio::test]
async fn closing_finishes_what_was_taken_and_leaves_nothing_in_the_write_ahead_log() {
    let sandbox = Sandbox::open();
    let store = sandbox.store();
    let workspace = some_workspace();
    let mut plays = Vec::new();
    for _ in 0..20 {
        plays.push(Play::start(&store.log, workspace).await.unwrap());
    }
    let lanes = plays[0].lanes.clone();
    plays[0].assert_kept().await;
    let mut posts = JoinSet::new();
    for mut play in plays {
        posts.spawn(async move {
            let posted = play.post("hi").await;
            (play, posted)
        });
    }
    // Each has been polled once, and so has given its write to the writer.
    tokio::task::yield_now().await;
    sandbox.sqlite.close().await;
    for (mut play, posted) in posts.join_all().await {
        assert_eq!(posted.unwrap(), Append::Applied);
        play.assert_kept().await;
        let refused = play.post("too late").await;
        assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    }
    let wal = sandbox.dir.path().join("switchboard.db-wal");
    assert_eq!(wal.metadata().unwrap().len(), 0);
    // Nobody sealed them and nothing failed, as far as they know.
    assert!(lanes.ended().now_or_never().is_none());
    assert!(lanes.close().await.is_err(), "what is on its way is not known to be over");
    // Twice is once.
    tokio::time::timeout(Duration::from_secs(10), sandbox.sqlite.close()).await.unwrap();
}
