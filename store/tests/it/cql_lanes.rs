//! What CQL promises of lanes beyond the suite: what a start and a message cost, what comes late, and what moves home.

use std::collections::BTreeMap;
use std::time::Duration;

use domain::Seq;
use driver::cql::{Fault, Proxy, Rule};
use scylla::client::session::Session;
use scylla::client::session_builder::SessionBuilder;
use store::cql::{CqlOptions, CqlStore};
use store::{
    Append, Clock, Generation, HeadFilter, HeadView, Incarnation, LanesEnd, OpenLanesError, Record,
    RecordKind, Store, StoreError,
};
use uuid::Uuid;

use crate::cql::{self, NOW};
use crate::play::{Play, open, some_workspace};

/// What a start may cost, in statements that servers agree on.
const START_MAX: u64 = 16;

/// How often statements were sent, by name.
fn sent(cql: &CqlStore) -> BTreeMap<&'static str, u64> {
    let count = |counts: &store::cql::StatementStats| counts.done + counts.refused + counts.unknown;
    cql.stats().statements.iter().map(|counts| (counts.name, count(counts))).collect()
}

/// What was sent since `before`, without what was not.
fn since(cql: &CqlStore, before: &BTreeMap<&'static str, u64>) -> BTreeMap<&'static str, u64> {
    let sent = sent(cql).into_iter();
    sent.map(|(name, count)| (name, count - before[name])).filter(|(_, count)| *count > 0).collect()
}

fn view(version: u64) -> Record {
    Record {
        workspace: store::INSTALLATION,
        id: format!("{:?}", std::thread::current().id()),
        version,
        created_at: NOW,
        updated_at: NOW,
        expires_at: None,
        body: vec![],
    }
}

#[tokio::test]
async fn a_start_costs_sixteen_conditional_statements_at_most() {
    let Some(before) = cql::open().await else { return };
    let workspace = some_workspace();
    let record = |version| Record { workspace, ..view(version) };
    before.store().records.insert(RecordKind::Team, record(1), &[]).await.unwrap();
    let dead = open(&before.store().log).await;
    let mut play = Play::start_in(&before.store().log, &dead, workspace).await.unwrap();
    // It crashes; the next boot becomes the member, ends it, says so, and opens its own lanes.
    let Some(next) = cql::open().await else { return };
    let Store { log, records, .. } = next.store();
    let at_start = sent(&next);
    records.get(workspace, RecordKind::Team, &record(1).id).await.unwrap();
    records.update(RecordKind::Team, record(2), &[]).await.unwrap();
    log.seal(dead.incarnation()).await.unwrap();
    records.update(RecordKind::Team, record(3), &[]).await.unwrap();
    let lanes = open(&log).await;
    let cost = since(&next, &at_start);
    let conditional: u64 = cost
        .iter()
        .filter(|(name, _)| {
            ["segment_open", "segment_append", "segment_seal"].iter().any(|word| name.starts_with(word))
                || ["record_write", "record_fence", "record_point", "record_unpoint"].contains(name)
        })
        .map(|(_, count)| count)
        .sum();
    println!("a start: {conditional} conditional statements of {cost:?}");
    assert!(conditional <= START_MAX, "{cost:?}");

    assert_eq!(play.post("too late").await.unwrap(), Append::Fenced);
    assert_eq!(dead.ended().await, LanesEnd::Sealed);
    let again = log.open(dead.incarnation()).await;
    assert!(matches!(again, Err(OpenLanesError::Sealed)), "that boot is over");
    lanes.close().await.unwrap();
}

#[tokio::test]
async fn a_message_is_one_statement() {
    let Some(cql) = cql::open().await else { return };
    let mut play = Play::start(&cql.store().log, some_workspace()).await.unwrap();
    let before = sent(&cql);
    for _ in 0..10 {
        assert_eq!(play.post("hi").await.unwrap(), Append::Applied);
    }
    let cost = since(&cql, &before);
    let of = |name| cost.get(name).copied().unwrap_or(0);
    assert_eq!(of("segment_append"), 10, "{cost:?}");
    assert_eq!(["pointer_put", "open_put", "open_remove", "waiting_put"].map(of), [0; 4], "{cost:?}");
    assert!(of("live_put") <= 1, "that of the start may come late: {cost:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_comes_after_the_seal_is_never_there() {
    const LATE: Duration = Duration::from_millis(700);
    let Some((node, keyspace)) = cql::server() else { return };
    let proxy = Proxy::start(&[node.parse().unwrap()], 1).await.unwrap();
    let attempt = Duration::from_millis(200);
    let late = cql::open_at(&proxy.contact_points()[0], keyspace, attempt, Clock::by_hand(NOW)).await;
    let Some(rival) = cql::open().await else { return };
    let mut play = Play::start(&late.store().log, some_workspace()).await.unwrap();
    proxy.set_rules(vec![Rule::new(Fault::late(LATE)).on("UPDATE log SET position = ?")]);
    let incarnation = play.lanes.incarnation();
    let mut posting = play.clone();
    let posted = tokio::spawn(async move { posting.post("late").await });
    while proxy.injected() == 0 {
        tokio::task::yield_now().await;
    }
    rival.store().log.seal(incarnation).await.unwrap();
    proxy.set_rules(Vec::new());
    assert_eq!(posted.await.unwrap().unwrap(), Append::Fenced, "no batch had come before the seal");
    // All that was late has come by then.
    tokio::time::sleep(2 * LATE).await;
    play.log = rival.store().log;
    play.assert_kept().await;
}

/// One number of a query.
async fn count(session: &Session, query: String) -> i64 {
    let found = session.query_unpaged(query, ()).await.unwrap().into_rows_result().unwrap();
    found.first_row::<(i64,)>().unwrap().0
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_sealed_moves_home_and_its_segments_go() {
    const KEYSPACE: &str = "switchboard_home";
    const CONVERSATIONS: usize = 20;
    let Some(first) = cql::open_empty(KEYSPACE).await else { return };
    let Some((node, _)) = cql::server() else { return };
    let session = SessionBuilder::new().known_node(&node).build().await.unwrap();
    let lanes = open(&first.store().log).await;
    let (workspace, mut plays) = (some_workspace(), Vec::new());
    for _ in 0..CONVERSATIONS {
        let mut play = Play::start_in(&first.store().log, &lanes, workspace).await.unwrap();
        play.post("hi").await.unwrap();
        plays.push(play);
    }
    let report = first.check_lanes().await.unwrap();
    assert_eq!((report.lanes, report.segments, report.segments_not_home, report.faults.len()), (4, 4, 4, 0));
    assert!(report.batches >= 2, "{report:?}");
    lanes.close().await.unwrap();

    // The next boot keeps no journal, and moves what the one before left.
    let options = CqlOptions {
        allow_periodic_commitlog: true,
        segment_keep_hours: 0,
        ..CqlOptions::new(vec![node], KEYSPACE)
    };
    let second = CqlStore::open(&options, Clock::by_hand(NOW)).await.unwrap();
    let lanes = open(&second.store().log).await;
    let moved = async {
        while count(&session, format!("SELECT COUNT(*) FROM {KEYSPACE}.conversation_segment")).await > 0
            || count(&session, format!("SELECT COUNT(*) FROM {KEYSPACE}.segment")).await > 4
        {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), moved).await.expect("it takes moments");
    let homes = count(&session, format!("SELECT COUNT(*) FROM {KEYSPACE}.home")).await;
    assert_eq!(homes, 2 * CONVERSATIONS as i64);
    for play in &mut plays {
        play.log = second.store().log;
        play.assert_kept().await;
        let head = second.store().heads.get(play.key).await.unwrap();
        assert_eq!(head.as_ref(), Some(&play.head));
        play.lanes = lanes.clone();
        assert_eq!(play.post("and on").await.unwrap(), Append::Applied);
        play.assert_kept().await;
        let before = play.log.read_before(play.key, Seq(3), 9).await.unwrap();
        assert_eq!(before, play.events[..2]);
    }
    let report = second.check_lanes().await.unwrap();
    assert_eq!((report.lanes, report.faults.clone()), (4, vec![]), "{report:?}");
    assert_eq!(second.store().log.lanes().await.unwrap().len(), 4, "the journals of before are gone");
}

#[tokio::test]
async fn what_does_not_hang_together_is_told() {
    const KEYSPACE: &str = "switchboard_broken";
    let Some(cql) = cql::open_empty(KEYSPACE).await else { return };
    let Some((node, _)) = cql::server() else { return };
    let session = SessionBuilder::new().known_node(&node).build().await.unwrap();
    let play = Play::start(&cql.store().log, some_workspace()).await.unwrap();
    assert_eq!(cql.check_lanes().await.unwrap().faults, Vec::<String>::new());
    let (workspace, conversation) = (play.key.workspace.uuid(), play.key.conversation.uuid());
    let remove = format!(
        "DELETE FROM {KEYSPACE}.conversation_segment USING TIMESTAMP 2 WHERE workspace = ? AND conversation = ?"
    );
    session.query_unpaged(remove, (workspace, conversation)).await.unwrap();
    let faults = cql.check_lanes().await.unwrap().faults;
    assert!(faults.len() == 1 && faults[0].contains(&play.key.conversation.to_string()), "{faults:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_of_tables_of_different_moments_is_repaired() {
    const KEYSPACE: &str = "switchboard_restored";
    let Some(first) = cql::open_empty(KEYSPACE).await else { return };
    let Some((node, _)) = cql::server() else { return };
    let session = SessionBuilder::new().known_node(&node).build().await.unwrap();
    let lanes = open(&first.store().log).await;
    let (workspace, mut plays) = (some_workspace(), Vec::new());
    for _ in 0..5 {
        let mut play = Play::start_in(&first.store().log, &lanes, workspace).await.unwrap();
        play.post("hi").await.unwrap();
        plays.push(play);
    }
    // The log is from now, and one event of it is lost; all else is from before.
    for table in
        ["conversation_segment", "segment", "live", "open", "waiting", "held", "of_visitor", "team_seen"]
    {
        session.query_unpaged(format!("TRUNCATE {KEYSPACE}.{table}"), ()).await.unwrap();
    }
    let torn = plays.pop().unwrap().key;
    let (own, of) = (torn.workspace.uuid(), torn.conversation.uuid());
    let find = format!(
        "SELECT incarnation, lane, segment FROM {KEYSPACE}.log WHERE workspace = ? AND conversation = ? AND seq = 1 ALLOW FILTERING"
    );
    let found = session.query_unpaged(find, (own, of)).await.unwrap().into_rows_result().unwrap();
    let (incarnation, lane, segment) = found.first_row::<(Uuid, i8, i64)>().unwrap();
    let lose = format!(
        "DELETE FROM {KEYSPACE}.log WHERE incarnation = ? AND lane = ? AND segment = ? AND workspace = ? AND conversation = ? AND seq = 1"
    );
    session.query_unpaged(lose, (incarnation, lane, segment, own, of)).await.unwrap();

    let options = CqlOptions { allow_periodic_commitlog: true, ..CqlOptions::new(vec![node], KEYSPACE) };
    let second = CqlStore::open(&options, Clock::by_hand(NOW)).await.unwrap();
    let Store { log, heads, .. } = second.store();
    assert_eq!(log.read(plays[0].key, Seq::ZERO, 9).await.unwrap(), [], "nothing leads there");
    let lanes = open(&log).await;
    for _ in 0..2 {
        let repaired = second.repair(lanes.incarnation(), Generation(2)).await.unwrap();
        assert_eq!((repaired.conversations, repaired.holes.len()), (5, 1), "{repaired:?}");
        assert!(repaired.holes[0].contains(&torn.conversation.to_string()), "{repaired:?}");
    }
    assert_eq!(first.store().log.lanes().await.unwrap().len(), 8, "the segments are known again");
    assert!(!plays[0].lanes.confirm().await.unwrap(), "and sealed");
    let all = HeadFilter::default();
    for view in [HeadView::Open(None), HeadView::Queue(None), HeadView::OfVisitor(plays[0].head.visitor.id)] {
        let listed = heads.list(workspace, &view, &all, None, 9).await.unwrap();
        let expected = if matches!(view, HeadView::OfVisitor(_)) { 1 } else { 5 };
        assert_eq!(listed.len(), expected, "{view:?}");
    }
    let live = heads.live(None, 500).await.unwrap();
    assert_eq!(live.iter().filter(|row| row.key.workspace == workspace).count(), 5);
    for play in &mut plays {
        play.log = log.clone();
        play.lanes = lanes.clone();
        play.assert_kept().await;
        assert_eq!(play.post("and on").await.unwrap(), Append::Applied);
        play.assert_kept().await;
    }
}

/// For a store that is away.
#[tokio::test(flavor = "multi_thread")]
async fn lanes_of_a_store_that_is_away_are_opened_when_it_is_back() {
    let Some((node, keyspace)) = cql::server() else { return };
    let proxy = Proxy::start(&[node.parse().unwrap()], 1).await.unwrap();
    let attempt = Duration::from_millis(100);
    let store =
        cql::open_at(&proxy.contact_points()[0], keyspace, attempt, Clock::by_hand(NOW)).await.store();
    let incarnation = Incarnation(Uuid::new_v4());
    proxy.set_rules(vec![Rule::new(Fault::DROP_ANSWER)]);
    let refused = store.log.open(incarnation).await.err();
    assert!(matches!(refused, Some(OpenLanesError::Store(StoreError::Unavailable(_)))), "{refused:?}");
    proxy.set_rules(Vec::new());
    let lanes = store.log.open(incarnation).await.unwrap();
    assert!(lanes.confirm().await.unwrap(), "some of it was done before, and that does no harm");
    lanes.close().await.unwrap();
    assert!(!lanes.confirm().await.unwrap());
}
