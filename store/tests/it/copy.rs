//! A whole installation from one store to another and back.

use domain::{Timestamp, VisitorId};
use store::copy::{CopyError, Tally, Whole, Writer, copy, tally};
use store::{Append, Entry, Generation, INSTALLATION, Record, RecordKind, SeriesKey, SeriesKind, Unique};
use uuid::Uuid;

use crate::conformance::NOW;
use crate::play::{Play, open, some_workspace};
use crate::sandbox::Sandbox;

pub(crate) fn whole(sandbox: &Sandbox) -> Whole {
    Whole { store: sandbox.store(), dump: sandbox.sqlite.dump() }
}

/// Copies as a boot of the target; `boot` counts them.
pub(crate) async fn copied(
    from: &Whole,
    to: &Whole,
    boot: u64,
    progress: impl Fn(&Tally),
) -> Result<Tally, CopyError> {
    let writer = Writer { lanes: open(&to.store.log).await, generation: Generation(boot) };
    let copied = copy(from, to, &writer, progress).await;
    writer.lanes.close().await.unwrap();
    copied
}

/// Logs of several lengths, one of them far longer than a page, documents with and without keys, and series.
pub(crate) async fn furnish(whole: &Whole) {
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
    records.insert(RecordKind::View, record(INSTALLATION, "view"), &[]).await.unwrap();
    records.insert(RecordKind::Heartbeat, record(INSTALLATION, "node-1"), &[]).await.unwrap();
    records.insert(RecordKind::Key, record(INSTALLATION, &workspace.to_string()), &[]).await.unwrap();
    for n in 0..450 {
        let visitor = record(workspace, &format!("visitor {n}"));
        records.insert(RecordKind::Visitor, visitor, &[]).await.unwrap();
    }
    let subject = VisitorId::from_uuid(Uuid::new_v4()).uuid();
    for kind in SeriesKind::ALL {
        for n in 0..3 {
            let entry = Entry { at: NOW.plus_ms(n), id: Uuid::new_v4(), body: vec![7; n as usize] };
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
        async move { copied(&from, &to, 1, half).await.map(drop) }
    });
    assert!(stopped.await.is_err(), "the progress panicked");
    let whole_copy = copied(&whole(&from), &whole(&to), 2, |_| ()).await.unwrap();
    let Tally { conversations, records, entries, .. } = whole_copy;
    assert_eq!((conversations, records, entries), (6, 452, 9));
    assert_eq!(whole_copy, tally(&whole(&to)).await.unwrap());
    let again = copied(&whole(&from), &whole(&to), 3, |_| ()).await.unwrap();
    assert_eq!(whole_copy, again, "once more changes nothing");
    let view = to.store().records.get(INSTALLATION, RecordKind::View, "view").await.unwrap();
    assert_eq!(view, None, "who writes to the source is not who writes to the target");
    let heartbeat = to.store().records.get(INSTALLATION, RecordKind::Heartbeat, "node-1").await.unwrap();
    assert_eq!(heartbeat, None);

    // What is only there is noticed, as is what is there otherwise.
    furnish(&whole(&other)).await;
    copied(&whole(&from), &whole(&other), 1, |_| ()).await.map(drop).unwrap_err();
    let mut play = Play::start(&to.store().log, some_workspace()).await.unwrap();
    assert_eq!(play.post("after the move").await.unwrap(), Append::Applied);
    let differ = copied(&whole(&from), &whole(&to), 4, |_| ()).await;
    assert!(matches!(differ, Err(CopyError::Differ(_))), "{differ:?}");
}
