//! How the stores that are told to let go of what has ended do it, to the millisecond and one by one.

use domain::{Timestamp, WorkspaceId};
use store::memory::MemoryRecords;
use store::{Record, RecordKind, Records, Unique};

use crate::play::some_workspace;
use crate::sandbox::Sandbox;

const KIND: RecordKind = RecordKind::Team;

fn ends(workspace: WorkspaceId, id: &str, expires_at: Option<u64>) -> Record {
    Record {
        workspace,
        id: id.to_owned(),
        version: 1,
        created_at: Timestamp::from_ms(1),
        updated_at: Timestamp::from_ms(1),
        expires_at: expires_at.map(Timestamp::from_ms),
        body: vec![],
    }
}

async fn check(records: &dyn Records) {
    let workspace = some_workspace();
    let key = Unique::in_workspace("key".into());
    for (id, expires_at) in [("a", Some(100)), ("b", Some(200)), ("c", Some(300)), ("d", None)] {
        let keys = if id == "a" { std::slice::from_ref(&key) } else { &[] };
        records.insert(KIND, ends(workspace, id, expires_at), keys).await.unwrap();
    }
    let extended = Record { version: 2, ..ends(workspace, "c", Some(900)) };
    records.update(KIND, extended, &[]).await.unwrap();

    let expire = async |ms, limit| records.expire(Timestamp::from_ms(ms), limit).await.unwrap();
    assert_eq!(expire(100, 10).await, 0, "at its time it still is");
    assert_eq!(expire(500, 1).await, 1, "at most so many as asked for");
    assert_eq!(expire(500, 10).await, 1, "the rest");
    assert_eq!(expire(500, 10).await, 0, "none is left");
    let left = records.list(workspace, KIND, None, 10).await.unwrap();
    let left: Vec<&str> = left.iter().map(|record| record.id.as_str()).collect();
    assert_eq!(left, ["c", "d"], "what lives longer, and what has no end");
    assert_eq!(records.find(workspace, KIND, &key).await.unwrap(), None, "its keys went with it");
}

#[tokio::test]
async fn sqlite_lets_go_of_what_ended_before_the_time_that_it_is_told() {
    check(&*Sandbox::open().store().records).await;
}

#[tokio::test]
async fn memory_lets_go_of_what_ended_before_the_time_that_it_is_told() {
    check(&MemoryRecords::default()).await;
}
