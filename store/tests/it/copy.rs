//! A whole installation from one store to another and back.

use domain::{Timestamp, VisitorId};
use store::copy::{CopyError, Tally, Whole, copy, tally};
use store::{Append, Entry, INSTALLATION, Record, RecordKind, SeriesKey, SeriesKind, Unique};
use uuid::Uuid;

use crate::cql;
use crate::play::{Play, some_workspace};
use crate::sandbox::Sandbox;

fn whole(sandbox: &Sandbox) -> Whole {
    Whole { store: sandbox.store(), dump: sandbox.sqlite.dump() }
}

/// Logs of several lengths, one of them far longer than a page, documents with and without keys, and series.
async fn furnish(whole: &Whole) {
    let workspace = some_workspace();
    for length in [0, 1, 63, 64, 65, 600] {
        let mut play = Play::start(&whole.store.log, workspace).await.unwrap();
        for n in 0..length {
            assert_eq!(play.post(&format!("message {n}")).await.unwrap(), Append::Applied);
        }
        let head = whole.store.heads.get(play.key).await.unwrap().unwrap();
        let marks = domain::Marks { agent: domain::Seq(1), ..head.read };
        whole.store.heads.mark(play.key, marks, head.unread, head.last_seq).await.unwrap();
    }
    let record = |workspace, id: &str| Record {
        workspace,
        id: id.to_owned(),
        version: 1,
        created_at: Timestamp::from_ms(1_000),
        updated_at: Timestamp::from_ms(1_000),
        expires_at: None,
        body: id.as_bytes().to_vec(),
    };
    let keys = [Unique::everywhere(format!("email:{workspace}")), Unique::in_workspace("name:Ann".into())];
    let records = &whole.store.records;
    records.insert(RecordKind::Agent, record(workspace, "ann"), &keys).await.unwrap();
    let changed = Record { version: 2, updated_at: Timestamp::from_ms(2_000), ..record(workspace, "ann") };
    records.update(RecordKind::Agent, changed, &keys).await.unwrap();
    records.insert(RecordKind::Key, record(INSTALLATION, &workspace.to_string()), &[]).await.unwrap();
    for n in 0..450 {
        let visitor = record(workspace, &format!("visitor {n}"));
        records.insert(RecordKind::Visitor, visitor, &[]).await.unwrap();
    }
    let subject = VisitorId::from_uuid(Uuid::new_v4()).uuid();
    for kind in SeriesKind::ALL {
        for n in 0..3 {
            let entry = Entry { at: cql::NOW.plus_ms(n), id: Uuid::new_v4(), body: vec![7; n as usize] };
            whole.store.series.append(&SeriesKey { workspace, kind, subject }, entry).await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_copy_is_whole_goes_on_where_it_stopped_and_is_not_made_into_another_installation() {
    let (from, to, other) = (Sandbox::open(), Sandbox::open(), Sandbox::open());
    furnish(&whole(&from)).await;
    let half = |tally: &Tally| assert!(tally.conversations < 3, "stopped");
    let stopped = tokio::spawn({
        let (from, to) = (whole(&from), whole(&to));
        async move { copy(&from, &to, half).await.map(drop) }
    });
    assert!(stopped.await.is_err(), "the progress panicked");
    let copied = copy(&whole(&from), &whole(&to), |_| ()).await.unwrap();
    assert_eq!((copied.conversations, copied.records, copied.entries), (6, 452, 9));
    assert_eq!(copied, tally(&whole(&to)).await.unwrap());
    assert_eq!(copied, copy(&whole(&from), &whole(&to), |_| ()).await.unwrap(), "once more changes nothing");

    // What is only there is noticed, as is what is there otherwise.
    furnish(&whole(&other)).await;
    copy(&whole(&from), &whole(&other), |_| ()).await.map(drop).unwrap_err();
    let mut play = Play::start(&to.store().log, some_workspace()).await.unwrap();
    assert_eq!(play.post("after the move").await.unwrap(), Append::Applied);
    let differ = copy(&whole(&from), &whole(&to), |_| ()).await;
    assert!(matches!(differ, Err(CopyError::Differ(_))), "{differ:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_to_cql_and_back_is_the_same() {
    let (from, back) = (Sandbox::open(), Sandbox::open());
    furnish(&whole(&from)).await;
    let Some(cql) = cql::open_empty("switchboard_copy").await else { return };
    let there = Whole { store: cql.store(), dump: cql.dump().await.unwrap() };
    let copied = copy(&whole(&from), &there, |_| ()).await.unwrap();
    assert_eq!(copied, copy(&there, &whole(&back), |_| ()).await.unwrap());
    assert_eq!(copied, copy(&whole(&from), &whole(&back), |_| ()).await.unwrap());
}
