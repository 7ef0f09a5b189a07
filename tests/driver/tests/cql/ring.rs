//! A ring of its own, of one node: three take as many gigabytes, and no other code.

use std::net::TcpStream;
use std::time::Duration;

use driver::cql::{self, Ring};
use scylla::client::session::Session;
use tokio::time::{sleep, timeout};

use crate::{DEADLINE, connect};

/// After which a frozen node is given up.
const PATIENCE: Duration = Duration::from_secs(3);

async fn read(session: &Session) -> Option<usize> {
    let answer = session.query_unpaged("SELECT text FROM ring.notes WHERE id = 1", ()).await.ok()?;
    Some(answer.into_rows_result().unwrap().rows_num())
}

async fn await_row(session: &Session) {
    let come = async {
        while read(session).await != Some(1) {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(DEADLINE, come).await.expect("the row never came back");
}

#[tokio::test]
async fn its_node_is_frozen_killed_and_started_again_and_keeps_its_data() {
    if cql::contact_point().is_none() {
        return;
    }
    let ring = Ring::start(1).await.unwrap();
    let node = ring.nodes()[0];
    let session = connect(&ring.contact_points()[0], PATIENCE).await;
    for statement in [
        "CREATE KEYSPACE ring WITH replication = {'class': 'NetworkTopologyStrategy', 'replication_factor': 1}",
        "CREATE TABLE ring.notes (id bigint PRIMARY KEY, text text)",
        "INSERT INTO ring.notes (id, text) VALUES (1, 'kept')",
    ] {
        // A schema takes its time on a busy machine.
        let mut statement = scylla::statement::Statement::new(statement);
        statement.set_request_timeout(Some(DEADLINE));
        session.query_unpaged(statement, ()).await.unwrap();
    }

    ring.pause(1).await.unwrap();
    assert_eq!(read(&session).await, None);
    assert!(TcpStream::connect(node).is_ok(), "a frozen node does not refuse");
    ring.resume(1).await.unwrap();
    await_row(&session).await;

    ring.kill_all().await.unwrap();
    assert!(TcpStream::connect(node).is_err(), "a killed node refuses");
    ring.restart(&ring.all()).await.unwrap();
    await_row(&session).await;

    assert!(ring.kill(2).await.is_err(), "there is no second node");
    drop(ring);
    assert!(TcpStream::connect(node).is_err(), "nothing is left");
}
