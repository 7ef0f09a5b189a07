//! A CQL store on the server that the environment names, and what CQL promises beyond the suite.

use std::time::Duration;

use domain::{AgentCard, AgentId, AssignReason, Author, Event, EventKind, Head, Line, State, Timestamp};
use driver::cql::{Fault, Proxy, Rule, contact_point};
use scylla::client::session_builder::SessionBuilder;
use store::cql::{CqlOptions, CqlStore, OpenError};
use store::{Append, Clock, Generation, Group, HeadFilter, HeadView};
use uuid::Uuid;

use crate::play::Play;
use crate::play::some_workspace;

/// Tests share its tables, which take seconds to make, and use ids of their own.
const KEYSPACE: &str = "switchboard_test";

/// What its clock says, always.
pub(crate) const NOW: Timestamp = Timestamp::from_ms(1_800_000_000_000);

/// An open store; none: no server is named, and the test ends here.
///
/// Each test opens its own: the driver lives on the runtime that it was opened on, which ends with the test.
pub(crate) async fn open() -> Option<CqlStore> {
    open_with(Clock::by_hand(NOW)).await
}

/// The same, by a clock of the test's.
pub(crate) async fn open_with(clock: Clock) -> Option<CqlStore> {
    let (node, keyspace) = server()?;
    Some(open_at(&node, keyspace, CqlOptions::new(Vec::new(), "").attempt, clock).await)
}

/// Opens the store through a server at `node`.
pub(crate) async fn open_at(node: &str, keyspace: &str, attempt: Duration, clock: Clock) -> CqlStore {
    let options = CqlOptions {
        // No test here takes a server's power away.
        allow_periodic_commitlog: true,
        attempt,
        ..CqlOptions::new(vec![node.to_owned()], keyspace)
    };
    CqlStore::open(&options, clock).await.unwrap_or_else(|error| panic!("{node}: {error}"))
}

/// The same, in a keyspace that nobody else uses and nothing is in.
pub(crate) async fn open_empty(keyspace: &str) -> Option<CqlStore> {
    let (node, _) = server()?;
    let session = SessionBuilder::new().known_node(&node).build().await.unwrap();
    session.query_unpaged(format!("DROP KEYSPACE IF EXISTS {keyspace}"), ()).await.unwrap();
    Some(open_at(&node, keyspace, CqlOptions::new(Vec::new(), "").attempt, Clock::by_hand(NOW)).await)
}

/// The server's address, and the keyspace of the tests.
pub(crate) fn server() -> Option<(String, &'static str)> {
    Some((contact_point()?, KEYSPACE))
}

#[tokio::test]
async fn several_may_open_a_store_at_once() {
    let Some(first) = open().await else { return };
    let (second, third) = tokio::join!(open(), open());
    for store in [Some(first), second, third].into_iter().flatten() {
        assert!(store.stats().connections > 0, "{:?}", store.stats());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn asking_what_an_agent_holds_while_they_are_given_it_takes_it_from_nobody() {
    let Some((node, keyspace)) = server() else { return };
    let proxy = Proxy::start(&[node.parse().unwrap()], 1).await.unwrap();
    let attempt = Duration::from_secs(1);
    let store = open_at(&proxy.contact_points()[0], keyspace, attempt, Clock::by_hand(NOW)).await.store();
    let workspace = some_workspace();
    let play = Play::start(&store.log, workspace).await.unwrap();
    let agent = AgentCard { id: AgentId::from_uuid(Uuid::new_v4()), name: Line::parse("Ann").unwrap() };
    let (view, all) = (HeadView::HeldBy(agent.id), HeadFilter::default());
    let held = async || store.heads.list(workspace, &view, &all, None, 9).await.unwrap().len();

    let (seq, at) = (play.head.last_seq.next(), play.head.last_event_at);
    let head =
        Head { state: State::Assigned, assignee: Some(agent.clone()), last_seq: seq, ..play.head.clone() };
    let (assignment_epoch, reason) = (1, AssignReason::Accept);
    let kind = EventKind::Assigned { agent, assignment_epoch, reason, why: None };
    let events = [Event { seq, at, by: Author::System, request: None, kind }];
    // The append is done late, after the pointer to it was put.
    let late = Fault::late(Duration::from_millis(500));
    proxy.set_rules(vec![Rule::new(late).on("UPDATE log SET position = ?").times(1)]);
    let group = Group {
        key: play.key,
        generation: Generation(1),
        before: Some(&play.head),
        events: &events,
        head: &head,
    };
    let append = play.lanes.append(group);
    let asked_meanwhile = async {
        while proxy.injected() == 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(held().await, 0, "the agent does not hold it yet");
    };
    let (appended, ()) = tokio::join!(append, asked_meanwhile);
    assert_eq!(appended.unwrap(), Append::Applied);
    assert_eq!(held().await, 1, "and now they do");
}

#[tokio::test]
async fn a_keyspace_of_another_form_is_refused_and_left_alone() {
    const OLD: &str = "switchboard_old_form";
    let Some((node, _)) = server() else { return };
    let session = SessionBuilder::new().known_node(&node).build().await.unwrap();
    let run = async |statement: String| session.query_unpaged(statement, ()).await.unwrap();
    run(format!("DROP KEYSPACE IF EXISTS {OLD}")).await;
    let class = "{'class': 'SimpleStrategy', 'replication_factor': 1}";
    run(format!("CREATE KEYSPACE {OLD} WITH replication = {class}")).await;
    run(format!("CREATE TABLE {OLD}.schema_state (name text PRIMARY KEY, version int, holder uuid)")).await;
    run(format!("CREATE TABLE {OLD}.log (id uuid, seq bigint, claim uuid static, PRIMARY KEY (id, seq))"))
        .await;
    run(format!("INSERT INTO {OLD}.schema_state (name, version) VALUES ('schema', 1)")).await;
    let options = CqlOptions { allow_periodic_commitlog: true, ..CqlOptions::new(vec![node], OLD) };
    let refused = CqlStore::open(&options, Clock::by_hand(NOW)).await.err().unwrap();
    assert!(matches!(&refused, OpenError::OldForm(keyspace) if keyspace == OLD), "{refused}");
    let tables =
        run(format!("SELECT table_name FROM system_schema.tables WHERE keyspace_name = '{OLD}'")).await;
    assert_eq!(tables.into_rows_result().unwrap().rows_num(), 2, "nothing was made");
}
