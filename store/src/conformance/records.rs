//! What every [`Records`] promises.

use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::{Team, TeamId, Timestamp, WorkspaceId};
use uuid::Uuid;

use crate::{INSTALLATION, Record, RecordError, RecordKind, Records, Unique, records};

use super::name;

/// The kind that most cases use, one of those that can be listed.
const KIND: RecordKind = RecordKind::Canned;
/// One of those that are many. To the store they differ in nothing but that they are not listed.
const MANY: RecordKind = RecordKind::Visitor;
/// How soon what has ended is gone, with time for a server that pauses.
const GONE_SOON: Duration = Duration::from_secs(30);

/// Checks the whole contract; `fresh` gives a store.
pub async fn check(fresh: impl AsyncFn() -> Arc<dyn Records>) {
    a_document_is_kept_as_given(&*fresh().await).await;
    an_update_takes_the_next_version_only(&*fresh().await).await;
    a_removed_document_is_gone_with_its_keys(&*fresh().await).await;
    a_key_has_one_document(&*fresh().await).await;
    an_update_changes_the_keys(&*fresh().await).await;
    of_two_with_one_key_one_is_kept(fresh().await).await;
    a_list_is_in_the_order_of_ids(&*fresh().await).await;
    the_many_are_kept_as_well(&*fresh().await).await;
    the_many_are_not_listed(fresh().await).await;
    what_expired_goes(&*fresh().await).await;
    documents_speak_for_themselves(&*fresh().await).await;
}

fn some_workspace() -> WorkspaceId {
    WorkspaceId::from_uuid(Uuid::new_v4())
}

fn some_id() -> String {
    Uuid::new_v4().to_string()
}

fn record(workspace: WorkspaceId, id: &str) -> Record {
    Record {
        workspace,
        id: id.to_owned(),
        version: 1,
        created_at: Timestamp::from_ms(1000),
        updated_at: Timestamp::from_ms(1000),
        expires_at: None,
        body: vec![0, 159, 146, 150],
    }
}

/// The next version, with another body.
fn changed(record: &Record) -> Record {
    Record {
        version: record.version + 1,
        updated_at: record.updated_at.plus_ms(5),
        body: vec![7; 3000],
        ..record.clone()
    }
}

async fn insert(records: &dyn Records, record: &Record, unique: &[Unique]) {
    records.insert(KIND, record.clone(), unique).await.expect("nothing is in its way");
}

async fn get(records: &dyn Records, record: &Record) -> Option<Record> {
    records.get(record.workspace, KIND, &record.id).await.expect("the store is there")
}

async fn find(records: &dyn Records, workspace: WorkspaceId, unique: &Unique) -> Option<Record> {
    records.find(workspace, KIND, unique).await.expect("the store is there")
}

fn assert_taken(outcome: Result<(), RecordError>, name: &str, why: &str) {
    match outcome {
        Err(RecordError::Taken(taken)) => assert_eq!(taken, name, "{why}"),
        other => panic!("{why}: {other:?}"),
    }
}

fn assert_changed(outcome: Result<(), RecordError>, why: &str) {
    assert!(matches!(outcome, Err(RecordError::Changed)), "{why}: {outcome:?}");
}

async fn a_document_is_kept_as_given(records: &dyn Records) {
    let kept = record(some_workspace(), "a");
    assert_eq!(get(records, &kept).await, None, "not there yet");
    insert(records, &kept, &[]).await;
    assert_eq!(get(records, &kept).await, Some(kept.clone()), "as given");
    assert_taken(records.insert(KIND, changed_body(&kept), &[]).await, "a", "the id is taken");
    assert_eq!(get(records, &kept).await, Some(kept.clone()), "a refused one changes nothing");

    let elsewhere = record(some_workspace(), "a");
    assert_eq!(get(records, &elsewhere).await, None, "another workspace does not see it");
    let other_kind = records.get(kept.workspace, RecordKind::Team, "a").await.expect("the store is there");
    assert_eq!(other_kind, None, "another kind is another document");
    insert(records, &elsewhere, &[]).await;
    records
        .insert(RecordKind::Team, kept.clone(), &[])
        .await
        .expect("an id is one of its workspace and kind");

    let moved =
        Record { version: 7, updated_at: Timestamp::from_ms(5000), ..record(kept.workspace, "moved") };
    insert(records, &moved, &[]).await;
    assert_eq!(get(records, &moved).await, Some(moved.clone()), "as it was elsewhere");
    let next = changed(&moved);
    records.update(KIND, next.clone(), &[]).await.expect("the next version");
    assert_eq!(get(records, &moved).await, Some(next), "and goes on from there");

    let expiring = Record { expires_at: Some(Timestamp::from_ms(3_600_000)), ..record(kept.workspace, "b") };
    insert(records, &expiring, &[]).await;
    assert_eq!(get(records, &expiring).await, Some(expiring), "with its end");
}

fn changed_body(record: &Record) -> Record {
    Record { body: vec![1], ..record.clone() }
}

async fn an_update_takes_the_next_version_only(records: &dyn Records) {
    let first = record(some_workspace(), "a");
    assert_changed(records.update(KIND, changed(&first), &[]).await, "what is not there is not changed");
    insert(records, &first, &[]).await;
    let second = changed(&first);
    records.update(KIND, second.clone(), &[]).await.expect("the next version");
    assert_eq!(get(records, &first).await, Some(second.clone()), "the newest is read");
    assert_changed(records.update(KIND, second.clone(), &[]).await, "the same version again");
    assert_changed(
        records.update(KIND, Record { version: 4, ..first.clone() }, &[]).await,
        "a later version",
    );
    assert_changed(records.update(KIND, first.clone(), &[]).await, "an earlier version");
    assert_eq!(get(records, &first).await, Some(second), "refused ones change nothing");
}

async fn a_removed_document_is_gone_with_its_keys(records: &dyn Records) {
    let kept = record(some_workspace(), "a");
    let key = Unique::in_workspace("name".into());
    insert(records, &kept, std::slice::from_ref(&key)).await;
    let delete = |version| records.delete(kept.workspace, KIND, "a", version);
    assert_changed(delete(Some(2)).await, "another version");
    assert_eq!(get(records, &kept).await, Some(kept.clone()), "it stays");
    delete(Some(1)).await.expect("this version");
    assert_eq!(get(records, &kept).await, None, "gone");
    assert_eq!(find(records, kept.workspace, &key).await, None, "by its key too");
    assert_changed(delete(None).await, "what is gone is not removed again");
    insert(records, &kept, &[key]).await;
    delete(None).await.expect("any version");
    assert_eq!(get(records, &kept).await, None, "gone again");
}

async fn a_key_has_one_document(records: &dyn Records) {
    let (here, there) = (some_workspace(), some_workspace());
    let own = Unique::in_workspace(format!("name:{}", some_id()));
    let everywhere = Unique::everywhere(format!("email:{}", some_id()));
    let holder = record(here, "a");
    insert(records, &holder, &[own.clone(), everywhere.clone()]).await;
    assert_eq!(find(records, here, &own).await, Some(holder.clone()), "by its workspace's key");
    assert_eq!(find(records, here, &everywhere).await, Some(holder.clone()), "by its key everywhere");
    assert_eq!(find(records, there, &everywhere).await, Some(holder.clone()), "whatever workspace asks");
    assert_eq!(find(records, there, &own).await, None, "a workspace's key is not seen from another");
    let unknown = Unique::in_workspace("unknown".into());
    assert_eq!(find(records, here, &unknown).await, None, "nobody has it");
    let other_scope = Unique::in_workspace(everywhere.key.clone());
    assert_eq!(find(records, here, &other_scope).await, None, "the scopes are apart");

    let rival = |workspace| record(workspace, "b");
    let key = |unique: &Unique| [unique.clone()];
    assert_taken(records.insert(KIND, rival(here), &key(&own)).await, &own.key, "taken in the workspace");
    assert_taken(
        records.insert(KIND, rival(here), &key(&everywhere)).await,
        &everywhere.key,
        "taken everywhere",
    );
    assert_taken(
        records.insert(KIND, rival(there), &key(&everywhere)).await,
        &everywhere.key,
        "taken from afar",
    );
    assert_eq!(get(records, &rival(here)).await, None, "a refused one is not kept");
    insert(records, &rival(there), &[own.clone(), other_scope.clone()]).await;
    records.insert(RecordKind::Agent, rival(here), &[own, everywhere]).await.expect("a key is of its kind");
}

async fn an_update_changes_the_keys(records: &dyn Records) {
    let workspace = some_workspace();
    let [old, new, kept] = ["old", "new", "kept"].map(|key| Unique::in_workspace(key.into()));
    let first = record(workspace, "a");
    insert(records, &first, &[old.clone(), kept.clone()]).await;
    let second = changed(&first);
    records
        .update(KIND, second.clone(), &[new.clone(), kept.clone()])
        .await
        .expect("its own keys are not taken");
    assert_eq!(find(records, workspace, &old).await, None, "the old key is nobody's");
    assert_eq!(find(records, workspace, &new).await, Some(second.clone()), "the new one is its own");
    assert_eq!(find(records, workspace, &kept).await, Some(second.clone()), "as is the one that stayed");

    let other = record(workspace, "b");
    insert(records, &other, std::slice::from_ref(&old)).await;
    assert_taken(records.update(KIND, changed(&other), &[new]).await, "new", "another has it");
    assert_eq!(get(records, &other).await, Some(other.clone()), "a refused one changes nothing");
    assert_eq!(find(records, workspace, &old).await, Some(other), "nor its keys");
}

async fn of_two_with_one_key_one_is_kept(records: Arc<dyn Records>) {
    for _ in 0..20 {
        let workspace = some_workspace();
        let key = [Unique::everywhere(some_id())];
        let (a, b) = tokio::join!(
            records.insert(KIND, record(workspace, "a"), &key),
            records.insert(KIND, record(workspace, "b"), &key),
        );
        assert_ne!(a.is_ok(), b.is_ok(), "one of two: {a:?}, {b:?}");
        let holder = find(&*records, workspace, &key[0]).await.map(|record| record.id);
        assert_eq!(holder.as_deref(), Some(if a.is_ok() { "a" } else { "b" }), "the one that was told so");
    }
}

async fn a_list_is_in_the_order_of_ids(records: &dyn Records) {
    let workspace = some_workspace();
    let ids = ["A", "B", "a", "a-1", "aa", "b", "\u{e9}"];
    for id in ["b", "aa", "A", "\u{e9}", "a", "B", "a-1"] {
        insert(records, &record(workspace, id), &[]).await;
    }
    for id in ["0", "A-1", "AA", "c"] {
        insert(records, &record(workspace, id), &[]).await;
        records.delete(workspace, KIND, id, None).await.expect("it is there");
    }
    insert(records, &record(some_workspace(), "C"), &[]).await;
    records.insert(RecordKind::Team, record(workspace, "D"), &[]).await.expect("nothing is in its way");
    for limit in [1, 3, 100] {
        let mut listed: Vec<Record> = Vec::new();
        loop {
            let after = listed.last().map(|record| record.id.clone());
            let page =
                records.list(workspace, KIND, after.as_deref(), limit).await.expect("the store is there");
            assert!(page.len() <= limit, "at most so many as asked for");
            if page.is_empty() {
                break;
            }
            listed.extend(page);
        }
        let expected: Vec<Record> = ids.iter().map(|id| record(workspace, id)).collect();
        assert_eq!(listed, expected, "in pages of {limit}");
    }
    let none = records.list(workspace, KIND, None, 0).await.expect("the store is there");
    assert_eq!(none, [], "none were asked for");
    let between = records.list(workspace, KIND, Some("a-0"), 2).await.expect("the store is there");
    assert_eq!(between, [record(workspace, "a-1"), record(workspace, "aa")], "after an id that is not there");
}

async fn the_many_are_not_listed(records: Arc<dyn Records>) {
    let listed = tokio::spawn(async move { records.list(some_workspace(), MANY, None, 1).await });
    let refused = listed.await.is_err_and(|error| error.is_panic());
    assert!(refused, "a fault of the caller, on every store");
}

/// Some stores let go of what has ended by themselves, others when they are told to.
async fn what_expired_goes(records: &dyn Records) {
    const LIFE_MS: u64 = 3_000;
    let workspace = some_workspace();
    let born = record(workspace, "a").updated_at;
    let ends = |id: &str| Record { expires_at: Some(born.plus_ms(LIFE_MS)), ..record(workspace, id) };
    let lasting = |id: &str, expires_at| Record { expires_at, ..changed(&ends(id)) };
    let key = Unique::in_workspace("key".into());
    insert(records, &ends("a"), std::slice::from_ref(&key)).await;
    insert(records, &ends("b"), &[]).await;
    insert(records, &record(workspace, "d"), &[]).await;
    let lasts = [lasting("c", Some(born.plus_ms(3_600_000))), record(workspace, "d"), lasting("e", None)];
    for extended in [&lasts[0], &lasts[2]] {
        insert(records, &ends(&extended.id), &[]).await;
        records.update(KIND, extended.clone(), &[]).await.expect("the next version");
    }

    let deadline = Instant::now() + GONE_SOON;
    loop {
        records.expire(born.plus_ms(LIFE_MS + 1), usize::MAX).await.expect("the store is there");
        let left = records.list(workspace, KIND, None, 10).await.expect("the store is there");
        let (going, lasting): (Vec<Record>, Vec<Record>) =
            left.into_iter().partition(|record| ["a", "b"].contains(&record.id.as_str()));
        assert_eq!(lasting, lasts, "what lives longer, and what has no end");
        if going.is_empty() {
            break;
        }
        assert!(Instant::now() < deadline, "has ended and is there: {going:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(get(records, &ends("a")).await, None, "gone");
    assert_eq!(find(records, workspace, &key).await, None, "by its key too");
    insert(records, &record(workspace, "f"), &[key]).await;
    insert(records, &ends("b"), &[]).await;
}

async fn the_many_are_kept_as_well(records: &dyn Records) {
    let key = [Unique::in_workspace("sub:1".into())];
    let first = record(some_workspace(), "a");
    records.insert(MANY, first.clone(), &key).await.expect("nothing is in its way");
    assert_taken(records.insert(MANY, first.clone(), &key).await, "a", "the id is taken");
    let second = changed(&first);
    records.update(MANY, second.clone(), &key).await.expect("the next version");
    let read = records.get(first.workspace, MANY, "a").await.expect("the store is there");
    assert_eq!(read.as_ref(), Some(&second), "by id");
    let found = records.find(first.workspace, MANY, &key[0]).await.expect("the store is there");
    assert_eq!(found.as_ref(), Some(&second), "by key");
    let rival = Record { id: "b".into(), ..first.clone() };
    assert_taken(records.insert(MANY, rival.clone(), &key).await, "sub:1", "the key is taken");
    records.delete(first.workspace, MANY, "a", Some(2)).await.expect("this version");
    let read = records.get(first.workspace, MANY, "a").await.expect("the store is there");
    assert_eq!(read, None, "gone");
    records.insert(MANY, rival, &key).await.expect("the key is free");
    records.insert(MANY, first, &[]).await.expect("the id is free");
}

async fn documents_speak_for_themselves(store: &dyn Records) {
    let workspace = some_workspace();
    let team = |label: &str| Team::new(TeamId::from_uuid(Uuid::new_v4()), name(label));
    let at = Timestamp::from_ms(1000);
    let sales = records::insert(store, workspace, team("Sales"), at).await.expect("nothing is in its way");
    assert_eq!((sales.version, sales.created_at, sales.updated_at), (1, at, at), "the first version");
    let id = sales.document.id.to_string();
    let taken = records::insert(store, workspace, team("Sales"), at).await;
    assert!(matches!(taken, Err(RecordError::Taken(_))), "its name is unique: {taken:?}");

    let mut renamed = sales.clone();
    renamed.document.name = name("Support");
    let later = at.plus_ms(7);
    let renamed = records::update(store, renamed, later).await.expect("nobody changed it meanwhile");
    assert_eq!(
        (renamed.version, renamed.created_at, renamed.updated_at),
        (2, at, later),
        "the second version"
    );
    let stale = records::update(store, sales, later).await;
    assert!(matches!(stale, Err(RecordError::Changed)), "what was read before is refused: {stale:?}");

    let read = records::get::<Team>(store, workspace, &id).await.expect("the store is there");
    assert_eq!(read.as_ref(), Some(&renamed), "by id");
    let key = Unique::in_workspace("name:Support".into());
    let found = records::find::<Team>(store, workspace, &key).await.expect("the store is there");
    assert_eq!(found.as_ref(), Some(&renamed), "by key");
    records::insert(store, workspace, team("Sales"), at).await.expect("the old name is free");
    let listed = records::list::<Team>(store, workspace, None, 10).await.expect("the store is there");
    assert_eq!(listed.len(), 2, "all of the workspace");
    let installation =
        records::list::<Team>(store, INSTALLATION, None, 10).await.expect("the store is there");
    assert_eq!(installation, [], "and of no other");
}
