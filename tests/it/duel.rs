//! Two servers over one CQL store fight for the same conversations and lose nothing. `load duel` is the long form.

use std::time::Duration;

use driver::cql::{self, Keyspace};
use driver::duel::{Plan, run};

const LASTS: Duration = Duration::from_secs(15);

#[tokio::test]
async fn two_servers_over_one_store_lose_double_and_reorder_nothing_though_one_is_frozen() {
    let Some(node) = cql::contact_point() else { return };
    let keyspace = Keyspace::new(&node, "duel");
    let plan = Plan { lasts: LASTS, seed: driver::seed(), options: keyspace.options() };
    let duel = run(plan).await.expect("the run goes through");
    println!("{duel}");
    let summary = &duel.summary;
    assert!(summary.violations.is_empty(), "{duel}");
    assert_eq!(summary.messages, summary.acknowledged, "{duel}");
    assert!(duel.freezes > 2 && summary.unknown > 0, "{duel}");
    let desk = &summary.desk;
    assert!(desk.assignments > 0 && desk.deeds > 0, "{duel}");
    keyspace.remove().await.unwrap();
}
