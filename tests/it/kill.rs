//! An acknowledged message survives the server's death, whenever it comes, and so does who has which conversation and
//! who waits. `load kill --kills 200` is the long form.

use driver::killrun::{Plan, run};

#[tokio::test]
async fn kills_lose_double_and_reorder_nothing_and_leave_the_front_desk_in_order() {
    let plan = Plan { kills: 20, seed: rand::random() };
    println!("seed {}", plan.seed);
    let summary = run(plan).await.expect("the run goes through");
    println!("{summary}");
    assert!(summary.violations.is_empty(), "{summary}");
    assert_eq!(summary.messages, summary.acknowledged, "{summary}");
    let desk = summary.desk;
    assert!(desk.inspections > 1 && desk.assignments > 0 && desk.deeds > 0, "{summary}");
}
