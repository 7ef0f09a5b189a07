//! An acknowledged message survives the server's death, whenever it comes. `load kill --kills 200` is the long form.

use driver::killrun::{Plan, run};

#[tokio::test]
async fn kills_lose_double_and_reorder_nothing_that_was_acknowledged() {
    let plan = Plan { kills: 20, seed: rand::random() };
    println!("seed {}", plan.seed);
    let summary = run(plan).await.expect("the run goes through");
    println!("{summary}");
    assert!(summary.violations.is_empty(), "{summary}");
    assert_eq!(summary.messages, summary.acknowledged, "{summary}");
}
