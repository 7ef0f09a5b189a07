//! An acknowledged message survives the server's death, whenever it comes, and so does who has which conversation and
//! who waits. `load kill --kills 200` is the long form.

use driver::Options;
use driver::cql::{self, Keyspace};
use driver::killrun::{Plan, run};

#[tokio::test]
async fn kills_lose_double_and_reorder_nothing_and_leave_the_front_desk_in_order() {
    lives_through(20, Options::default()).await;
}

#[tokio::test]
async fn kills_on_a_cql_store_do_not_either() {
    let Some(node) = cql::contact_point() else { return };
    let keyspace = Keyspace::new(&node, "kill");
    lives_through(8, keyspace.options()).await;
    keyspace.remove().await.unwrap();
}

async fn lives_through(kills: u32, options: Options) {
    let plan = Plan { kills, seed: driver::seed(), options };
    let killed = run(plan).await.expect("the run goes through");
    println!("{killed}");
    let summary = &killed.summary;
    assert!(summary.violations.is_empty(), "{killed}");
    assert_eq!(summary.messages, summary.acknowledged, "{killed}");
    let desk = &summary.desk;
    assert!(desk.inspections > 1 && desk.assignments > 0 && desk.deeds > 0, "{killed}");
}
