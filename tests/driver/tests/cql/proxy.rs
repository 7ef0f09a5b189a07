//! What the proxy does before a real node.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use driver::cql::{self, CqlError, Fate, Fault, Heard, Kind, Proxy, Rule};
use futures_util::future::join_all;
use scylla::client::session::Session;
use scylla::client::session_builder::SessionBuilder;
use scylla::errors::{DbError, ExecutionError, RequestAttemptError, WriteType};
use scylla::statement::batch::Batch;
use scylla::statement::prepared::PreparedStatement;
use tokio::time::{sleep, timeout};

use crate::{DEADLINE, connect};

/// After which the client behind the proxy gives up.
const PATIENCE: Duration = Duration::from_secs(3);
const INSERT: &str = "INSERT INTO cqlproxy.notes\n  (id, text) VALUES (?, ?)";

/// A client that goes through a proxy, and one that does not.
struct Scene {
    proxy: Proxy,
    through: Session,
    direct: Session,
    insert: PreparedStatement,
}

impl Scene {
    /// None where no node runs.
    async fn start() -> Option<Self> {
        let node = cql::contact_point()?;
        let direct = connect(&node, DEADLINE).await;
        for made in [
            "CREATE KEYSPACE IF NOT EXISTS cqlproxy WITH replication = {'class': 'NetworkTopologyStrategy', 'replication_factor': 1}",
            "CREATE TABLE IF NOT EXISTS cqlproxy.notes (id bigint PRIMARY KEY, text text)",
        ] {
            direct.query_unpaged(made, ()).await.unwrap();
        }
        let node: SocketAddr = node.parse().unwrap();
        let proxy = Proxy::start(&[node], 1).await.unwrap();
        let through = connect(&proxy.contact_points()[0], PATIENCE).await;
        let insert = through.prepare(INSERT).await.unwrap();
        Some(Self { proxy, through, direct, insert })
    }

    async fn insert(&self, id: i64) -> Result<(), ExecutionError> {
        self.through.execute_unpaged(&self.insert, (id, "hello")).await.map(drop)
    }

    async fn is_there(&self, id: i64) -> bool {
        let query = "SELECT text FROM cqlproxy.notes WHERE id = ?";
        let answer = self.direct.query_unpaged(query, (id,)).await.unwrap();
        answer.into_rows_result().unwrap().rows_num() == 1
    }

    async fn await_row(&self, id: i64) {
        let come = timeout(DEADLINE, async { while !self.is_there(id).await {} });
        come.await.expect("the row never came");
    }

    /// Until the client has connected again.
    async fn await_recovery(&self) {
        let recovered = async {
            while self.insert(fresh()).await.is_err() {
                sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(DEADLINE, recovered).await.expect("the client never recovered");
    }

    /// How often the inserts of this kind met with each fault.
    fn faults(&self, kind: Kind) -> BTreeMap<String, u64> {
        let tallies = self.proxy.tallies().into_iter();
        let mut inserts =
            tallies.filter(|tally| (tally.kind, tally.verb(), tally.table()) == (kind, "INSERT", "notes"));
        let tally = inserts.next().expect("an insert was asked");
        assert_eq!(inserts.next(), None, "white space makes no difference");
        tally.faults
    }
}

/// An id that no row has.
fn fresh() -> i64 {
    rand::random()
}

fn counted(fault: &str, count: u64) -> BTreeMap<String, u64> {
    BTreeMap::from([(fault.to_owned(), count)])
}

#[tokio::test]
async fn without_rules_all_passes_and_is_counted() {
    let Some(scene) = Scene::start().await else { return };
    let ids = [fresh(), fresh(), fresh()];
    for id in ids {
        scene.insert(id).await.unwrap();
    }
    let text = "INSERT INTO cqlproxy.notes (id, text) VALUES (1, 'one')";
    scene.through.query_unpaged(text, ()).await.unwrap();
    let mut batch = Batch::default();
    batch.append_statement(scene.insert.clone());
    batch.append_statement("DELETE FROM cqlproxy.notes WHERE id = ?");
    scene.through.batch(&batch, ((ids[0], "again"), (ids[1],))).await.unwrap();
    assert!(scene.is_there(ids[0]).await && !scene.is_there(ids[1]).await);

    let own = |tally: &cql::Tally| tally.table() == "notes";
    let said: Vec<String> =
        scene.proxy.tallies().iter().filter(|tally| own(tally)).map(|tally| tally.to_string()).collect();
    let expected =
        ["Query INSERT notes: 1 asked", "Execute INSERT notes: 3 asked", "Batch INSERT notes: 1 asked"];
    assert_eq!(said, expected);
    assert_eq!(scene.proxy.injected(), 0);
}

#[tokio::test]
async fn an_answer_that_is_dropped_leaves_the_row_and_a_client_that_gave_up() {
    let Some(scene) = Scene::start().await else { return };
    scene.proxy.set_rules(vec![Rule::new(Fault::DROP_ANSWER).on("INSERT INTO cqlproxy.notes (id").times(2)]);
    let id = fresh();
    let outcome = scene.insert(id).await;
    assert!(matches!(outcome, Err(ExecutionError::RequestTimeout(_))), "{outcome:?}");
    scene.await_row(id).await;

    let mut batch = Batch::default();
    batch.append_statement(scene.insert.clone());
    batch.append_statement(scene.insert.clone());
    let ids = [fresh(), fresh()];
    let outcome = scene.through.batch(&batch, ids.map(|id| (id, "in a batch")).as_slice()).await;
    assert!(matches!(outcome, Err(ExecutionError::RequestTimeout(_))), "{outcome:?}");
    scene.await_row(ids[1]).await;

    scene.insert(fresh()).await.unwrap();
    assert_eq!(scene.faults(Kind::Execute), counted("executed, unheard", 1));
    assert_eq!(scene.faults(Kind::Batch), counted("executed, unheard", 1));
    assert_eq!(scene.proxy.injected(), 2);
}

#[tokio::test]
async fn a_request_that_is_dropped_leaves_no_row() {
    let Some(scene) = Scene::start().await else { return };
    scene.proxy.set_rules(vec![Rule::new(Fault::DROP_REQUEST).on("INSERT")]);
    let id = fresh();
    let outcome = scene.insert(id).await;
    assert!(matches!(outcome, Err(ExecutionError::RequestTimeout(_))), "{outcome:?}");
    assert!(!scene.is_there(id).await);
    assert_eq!(scene.faults(Kind::Execute), counted("lost, unheard", 1));

    scene.proxy.set_rules(Vec::new());
    scene.insert(id).await.unwrap();
}

#[tokio::test]
async fn a_late_request_is_executed_after_its_client_gave_up_or_was_cut_off() {
    let Some(scene) = Scene::start().await else { return };
    let delay = 2 * PATIENCE;
    for heard in [Heard::Nothing, Heard::Cut] {
        let fault = Fault { fate: Fate::Late(delay), heard };
        scene.proxy.set_rules(vec![Rule::new(fault).on("INSERT").times(1)]);
        let (id, begun) = (fresh(), Instant::now());
        let outcome = scene.insert(id).await;
        let timed_out = matches!(outcome, Err(ExecutionError::RequestTimeout(_)));
        assert_eq!(timed_out, heard == Heard::Nothing, "{outcome:?}");
        assert!(outcome.is_err());
        scene.await_row(id).await;
        assert!(begun.elapsed() >= delay, "it came after {:?}", begun.elapsed());
        scene.await_recovery().await;
    }
    let faults = BTreeMap::from([("late, unheard".to_owned(), 1), ("late, cut".to_owned(), 1)]);
    assert_eq!(scene.faults(Kind::Execute), faults);
}

#[tokio::test]
async fn an_injected_error_is_what_the_driver_reads_whatever_became_of_the_request() {
    let Some(scene) = Scene::start().await else { return };
    let is = |error: CqlError, read: &DbError| match error {
        CqlError::ServerError => matches!(read, DbError::ServerError),
        CqlError::Unavailable => matches!(read, DbError::Unavailable { required: 2, alive: 1, .. }),
        CqlError::Overloaded => matches!(read, DbError::Overloaded),
        CqlError::WriteTimeout => {
            matches!(
                read,
                DbError::WriteTimeout { received: 1, required: 2, write_type: WriteType::Simple, .. }
            )
        }
        CqlError::CasWriteTimeout => matches!(read, DbError::WriteTimeout { write_type: WriteType::Cas, .. }),
        CqlError::BatchWriteTimeout => {
            matches!(read, DbError::WriteTimeout { write_type: WriteType::Batch, .. })
        }
        CqlError::WriteFailure => matches!(read, DbError::WriteFailure { numfailures: 1, .. }),
        CqlError::ReadTimeout => {
            matches!(read, DbError::ReadTimeout { received: 0, data_present: false, .. })
        }
        CqlError::ReadFailure => matches!(read, DbError::ReadFailure { numfailures: 1, .. }),
    };
    for error in [
        CqlError::ServerError,
        CqlError::Unavailable,
        CqlError::Overloaded,
        CqlError::WriteTimeout,
        CqlError::CasWriteTimeout,
        CqlError::BatchWriteTimeout,
        CqlError::WriteFailure,
        CqlError::ReadTimeout,
        CqlError::ReadFailure,
    ] {
        for fault in [Fault::executed_with(error), Fault::lost_with(error)] {
            scene.proxy.set_rules(vec![Rule::new(fault).on("INSERT")]);
            let id = fresh();
            match scene.insert(id).await.unwrap_err() {
                ExecutionError::LastAttemptError(RequestAttemptError::DbError(read, said)) => {
                    assert!(is(error, &read), "{error:?} was read as {read:?}");
                    assert_eq!(said, "injected by the proxy");
                }
                other => panic!("{error:?} was read as {other:?}"),
            }
            assert_eq!(scene.is_there(id).await, fault.fate == Fate::Executed, "{fault}");
        }
    }
}

#[tokio::test]
async fn a_cut_ends_the_connection_after_or_without_the_row_and_the_client_connects_again() {
    let Some(scene) = Scene::start().await else { return };
    for fault in [Fault::CUT, Fault { fate: Fate::Lost, heard: Heard::Cut }] {
        scene.proxy.set_rules(vec![Rule::new(fault).on("INSERT").times(1)]);
        let id = fresh();
        match scene.insert(id).await.unwrap_err() {
            ExecutionError::LastAttemptError(RequestAttemptError::BrokenConnectionError(_)) => {}
            other => panic!("a cut was read as {other:?}"),
        }
        assert_eq!(scene.is_there(id).await, fault == Fault::CUT, "{fault}");
        scene.await_recovery().await;
    }
}

#[tokio::test]
async fn a_store_that_is_gone_refuses_and_one_that_is_back_serves_again() {
    let Some(mut scene) = Scene::start().await else { return };
    scene.insert(fresh()).await.unwrap();
    let point = scene.proxy.contact_points()[0].clone();
    scene.proxy.refuse().await.unwrap();
    let id = fresh();
    scene.insert(id).await.unwrap_err();
    assert!(SessionBuilder::new().known_node(&point).build().await.is_err());
    assert!(!scene.is_there(id).await);

    scene.proxy.accept().unwrap();
    scene.await_recovery().await;
    connect(&point, PATIENCE).await;
}

#[tokio::test]
async fn by_chance_each_request_meets_what_is_counted_and_no_other() {
    let Some(scene) = Scene::start().await else { return };
    scene.proxy.set_rules(vec![
        Rule::new(Fault::DROP_ANSWER).on("INSERT").with_probability(0.2),
        Rule::new(Fault::DROP_REQUEST).on("INSERT").with_probability(0.2),
        Rule::new(Fault::late(PATIENCE)).on("INSERT").with_probability(0.2),
    ]);
    let ids: Vec<i64> = (0..200).map(|_| fresh()).collect();
    let outcomes = join_all(ids.iter().map(|id| scene.insert(*id))).await;
    let faults = scene.faults(Kind::Execute);
    let lost = usize::try_from(faults["lost, unheard"]).unwrap();
    for fault in ["executed, unheard", "lost, unheard", "late, unheard"] {
        assert!((15..70).contains(&faults[fault]), "{faults:?}");
    }
    let unheard = usize::try_from(faults.values().sum::<u64>()).unwrap();
    assert!(outcomes.iter().filter(|outcome| outcome.is_err()).count() >= unheard);

    let there =
        async || join_all(ids.iter().map(|id| scene.is_there(*id))).await.iter().filter(|is| **is).count();
    let all = timeout(DEADLINE, async { while there().await != ids.len() - lost {} });
    all.await.expect("what is not lost arrives");
}
