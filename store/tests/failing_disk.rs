//! A write that fails on the way to the disk, for real: a child process may not let a file grow beyond a limit
//! (`ulimit -f`), so at some commit the write-ahead log cannot be written. Then everybody of that group must hear
//! "unknown", nobody must be able to write any more, and after a restart all that was acknowledged must be there.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use domain::{ConversationId, Seq, Timestamp, WorkspaceId};
use store::sqlite::{Access, SqliteOptions, SqliteStore};
use store::{Append, ConversationKey, EventLog, LanesEnd, Record, RecordError, RecordKind, StoreError};
use tokio::task::JoinSet;
use uuid::Uuid;

use play::Play;

#[path = "it/play.rs"]
#[expect(dead_code, reason = "other tests use more of it")]
mod play;

/// Of 512 bytes (1,024 where `sh` counts so): some hundred pages of write-ahead log.
const FILE_BLOCKS_MAX: &str = "1000";
const WORKSPACE: WorkspaceId = WorkspaceId::from_uuid(Uuid::max());

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    match &arguments[1..] {
        [role, dir] if role == "as-the-child" => runtime.block_on(write_until_it_fails(Path::new(dir))),
        // A test runner's own arguments say nothing to the one test that is here.
        _ => runtime.block_on(a_failed_write_stops_the_store_and_loses_nothing_acknowledged()),
    }
}

async fn a_failed_write_stops_the_store_and_loses_nothing_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    // Without the signal, the write fails instead of killing the process.
    let limited = format!("trap '' XFSZ; ulimit -f {FILE_BLOCKS_MAX}; exec \"$0\" as-the-child \"$1\"");
    let child = Command::new("sh")
        .args(["-c", &limited])
        .args([&std::env::current_exe().unwrap(), dir.path()])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "the child: {}", output.status);

    let store = SqliteStore::open(dir.path(), Access::Server, SqliteOptions::default()).unwrap();
    let log = store.store().log;
    let lanes = play::open(&log).await;
    let acknowledged = String::from_utf8(output.stdout).unwrap();
    assert_eq!(acknowledged.lines().count(), 8, "{acknowledged}");
    for line in acknowledged.lines() {
        let (conversation, last) = line.split_once(' ').unwrap();
        let conversation: ConversationId = conversation.parse().unwrap();
        let last: usize = last.parse().unwrap();
        let key = ConversationKey { workspace: WORKSPACE, conversation };
        let events = log.read(key, Seq::ZERO, 500).await.unwrap();
        assert!((last..=last + 1).contains(&events.len()), "{last} acknowledged, {} there", events.len());
        let head = store.store().heads.get(key).await.unwrap().unwrap();
        assert_eq!(head.last_seq, Seq(events.len() as u64), "the head is its log's");
        let mut play = Play { log: log.clone(), lanes: lanes.clone(), key, head, events };
        assert_eq!(play.post("it goes on").await.unwrap(), Append::Applied);
        play.assert_kept().await;
    }
    println!("a failed write stops the store and loses nothing acknowledged: ok");
}

/// Prints each conversation and how many of its events were acknowledged.
async fn write_until_it_fails(dir: &Path) {
    let sqlite = SqliteStore::open(dir, Access::Server, SqliteOptions::default()).unwrap();
    let log = sqlite.store().log;
    let mut failed = sqlite.failed();
    let mut plays = Vec::new();
    let lanes = play::open(&log).await;
    for _ in 0..8 {
        plays.push(Play::start_in(&log, &lanes, WORKSPACE).await.unwrap());
    }
    let mut unknown = 0;
    while unknown == 0 {
        let mut posts = JoinSet::new();
        for mut play in plays.drain(..) {
            posts.spawn(async move {
                let posted = play.post(&"x".repeat(2000)).await;
                (play, posted)
            });
        }
        for (play, posted) in posts.join_all().await {
            match posted {
                Ok(Append::Applied) => {}
                Ok(Append::Unknown) => unknown += 1,
                Err(StoreError::Unavailable(_)) => {}
                other => panic!("{other:?}"),
            }
            plays.push(play);
        }
        assert!(plays[0].events.len() < 500, "the limit was never reached");
    }
    tokio::time::timeout(Duration::from_secs(10), failed.wait_for(|failed| *failed)).await.unwrap().unwrap();
    let ended = tokio::time::timeout(Duration::from_secs(10), lanes.ended()).await;
    assert_eq!(ended.unwrap(), LanesEnd::Failed, "the node is told");
    assert!(!lanes.confirm().await.unwrap(), "nothing rests on lanes that have ended");
    log.seal(lanes.incarnation()).await.unwrap();
    nothing_is_written_and_all_is_read(&log, &sqlite, &mut plays).await;
    for play in &plays {
        println!("{} {}", play.key.conversation, play.events.len());
    }
    sqlite.close().await;
}

async fn nothing_is_written_and_all_is_read(
    log: &std::sync::Arc<dyn EventLog>,
    sqlite: &SqliteStore,
    plays: &mut [Play],
) {
    let at = Timestamp::from_ms(1);
    let record = Record {
        workspace: WORKSPACE,
        id: "a".into(),
        version: 1,
        created_at: at,
        updated_at: at,
        expires_at: None,
        body: vec![1],
    };
    let inserted = sqlite.store().records.insert(RecordKind::Agent, record, &[]).await;
    assert!(matches!(inserted, Err(RecordError::Store(StoreError::Unavailable(_)))), "{inserted:?}");
    let started = Play::start(log, WORKSPACE).await.err();
    assert!(matches!(started, Some(StoreError::Unavailable(_))), "{started:?}");
    for play in plays {
        let posted = play.post("no").await;
        assert!(matches!(posted, Err(StoreError::Unavailable(_))), "{posted:?}");
        play.assert_kept().await;
    }
}
