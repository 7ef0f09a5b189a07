//! What an agent gives back.

use serde_json::json;

use super::{Shift, refused};

#[tokio::test]
async fn it_goes_to_another_first_though_the_one_who_gave_it_back_is_freer() {
    let shift = Shift::begin(json!({})).await;
    let mut ann = shift.seat("ann", json!({})).await;
    let first = shift.talk().await;
    ann.offered(&first).await;
    shift.verb(&ann.who, &first, "accept", json!({})).await;
    let mut bob = shift.seat("bob", json!({ "capacity": 2 })).await;
    let second = shift.talk().await;
    bob.offered(&second).await;
    shift.verb(&bob.who, &second, "accept", json!({})).await;

    let released = shift.verb(&ann.who, &first, "release", json!({})).await;
    assert_eq!((&released["state"], &released["assignment_epoch"]), (&json!("queued"), &json!(1)));
    assert_eq!(released["queue_position"], 1);
    bob.offered(&first).await;
    let entries = shift.routing(&first).await;
    let candidates = entries[1]["candidates"].as_array().unwrap();
    let anns = candidates.iter().find(|candidate| candidate["agent_id"] == ann.who.agent_id).unwrap();
    assert_eq!(anns["excluded_by"], "released");
    // The agent may take it all the same.
    let taken = shift.verb(&ann.who, &first, "accept", json!({})).await;
    assert_eq!(taken["assignment_epoch"], 2);
    assert_eq!(bob.offer_ended(&first).await, "taken");
}

#[tokio::test]
async fn it_comes_back_at_once_to_who_is_alone() {
    let shift = Shift::begin(json!({})).await;
    let mut ann = shift.seat("ann", json!({})).await;
    let talk = shift.talk().await;
    ann.offered(&talk).await;
    shift.verb(&ann.who, &talk, "accept", json!({})).await;
    assert_eq!(ann.offer_ended(&talk).await, "accepted");
    shift.verb(&ann.who, &talk, "release", json!({})).await;
    ann.offered(&talk).await;
    refused(&shift.ask(&ann.who, &talk, "release", json!({})).await, 409, "STALE_ASSIGNMENT");
    refused(&shift.ask(&shift.admin, &talk, "release", json!({})).await, 409, "CONFLICT");
}
