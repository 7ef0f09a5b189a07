//! A CQL store on the server that the environment names, and what CQL promises beyond the suite.

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use domain::Timestamp;
use scylla::client::session_builder::SessionBuilder;
use store::cql::{CqlOptions, CqlStore, Now};

/// Where a server is: `host:port`, or `host:port/keyspace` for tables that no other checkout uses.
const SERVER: &str = "TEST_CQL";
/// Tests share its tables, which take seconds to make, and use ids of their own.
const KEYSPACE: &str = "switchboard_test";

/// What its clock says, always.
pub(crate) const NOW: Timestamp = Timestamp::from_ms(1_800_000_000_000);

/// An open store; none: no server is named, and the test ends here. On CI there must be one.
///
/// Each test opens its own: the driver lives on the runtime that it was opened on, which ends with the test.
pub(crate) async fn open() -> Option<CqlStore> {
    open_with(Arc::new(|| NOW)).await
}

/// The same, by a clock of the test's.
pub(crate) async fn open_with(now: Now) -> Option<CqlStore> {
    let (node, keyspace) = server()?;
    Some(open_at(&node, &keyspace, CqlOptions::new(Vec::new(), "").attempt, now).await)
}

/// Opens the store through a server at `node`.
pub(crate) async fn open_at(node: &str, keyspace: &str, attempt: Duration, now: Now) -> CqlStore {
    let options = CqlOptions {
        // No test here takes a server's power away.
        allow_periodic_commitlog: true,
        attempt,
        ..CqlOptions::new(vec![node.to_owned()], keyspace)
    };
    CqlStore::open(&options, now).await.unwrap_or_else(|error| panic!("{node}: {error}"))
}

/// The same, in a keyspace that nobody else uses and nothing is in.
pub(crate) async fn open_empty(keyspace: &str) -> Option<CqlStore> {
    let (node, _) = server()?;
    let session = SessionBuilder::new().known_node(&node).build().await.unwrap();
    session.query_unpaged(format!("DROP KEYSPACE IF EXISTS {keyspace}"), ()).await.unwrap();
    Some(open_at(&node, keyspace, CqlOptions::new(Vec::new(), "").attempt, Arc::new(|| NOW)).await)
}

/// The server's address, and the keyspace of the tests.
pub(crate) fn server() -> Option<(String, String)> {
    let Some(server) = environment(SERVER) else {
        let skipped = format!("{SERVER} names no CQL server");
        assert!(environment("CI").is_none(), "{skipped}, and CI does not go without");
        // Not by a macro, whose words are not shown when a test passes.
        std::io::stderr().write_all(format!("SKIPPED on CQL: {skipped}\n").as_bytes()).unwrap();
        return None;
    };
    let (node, keyspace) = server.split_once('/').unwrap_or((&server, KEYSPACE));
    Some((node.to_owned(), keyspace.to_owned()))
}

#[expect(clippy::disallowed_methods, reason = "a test's surroundings: it has no config")]
fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

#[tokio::test]
async fn several_may_open_a_store_at_once() {
    let Some(first) = open().await else { return };
    let (second, third) = tokio::join!(open(), open());
    for store in [Some(first), second, third].into_iter().flatten() {
        assert!(store.stats().connections > 0, "{:?}", store.stats());
    }
}
