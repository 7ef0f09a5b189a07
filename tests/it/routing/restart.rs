//! What a crash leaves of it: everything, for it is in the logs.

use serde_json::json;

use super::{Seat, Shift};

#[tokio::test]
async fn the_queue_stands_in_its_order_and_is_offered_to_those_who_come_back() {
    let mut shift = Shift::begin(json!({})).await;
    let mut ann = shift.seat("ann", json!({ "capacity": 2 })).await;
    let held = shift.talk().await;
    ann.offered(&held).await;
    shift.verb(&ann.who, &held, "accept", json!({})).await;
    let mut waiting = Vec::new();
    for _ in 0..4 {
        waiting.push(shift.talk().await);
    }
    ann.offered(&waiting[0]).await;
    // Its place is by the time of its first queueing, however often it was held since.
    shift.verb(&ann.who, &waiting[0], "accept", json!({})).await;
    shift.verb(&ann.who, &waiting[0], "release", json!({})).await;
    ann.offered(&waiting[0]).await;

    shift.sandbox.kill().unwrap();
    shift.sandbox.restart().await.unwrap();
    for (position, talk) in (1..).zip(&waiting) {
        let waits = shift.until_at(talk, position).await;
        assert!(waits.get("offered_to").is_none(), "nobody is there: {waits}");
    }
    // A new one is behind them, also before anybody looked.
    let late = shift.talk().await;
    assert_eq!(late.started["queue_position"], 5);

    let socket = shift.socket(&ann.who).await;
    let mut ann = Seat { who: ann.who, socket };
    ann.offered(&waiting[0]).await;
    let status = shift.status(&ann.who).await;
    assert_eq!(
        (&status["load"], &status["conversation_ids"], &status["status"]),
        (&json!(2), &json!([held.id]), &json!("online"))
    );
    shift.verb(&ann.who, &waiting[0], "accept", json!({})).await;
    let bob = shift.agent("bob", json!({ "capacity": 2 })).await;
    for talk in &waiting[1..3] {
        shift.until(talk, |seen| seen["offered_to"] == bob.agent_id).await;
    }
    shift.until_at(&late, 4).await;
}

#[tokio::test]
async fn what_an_agent_held_who_does_not_come_back_is_given_to_another() {
    let options = driver::Options::default().setting("routing.agent_grace_s", "2");
    let mut shift = Shift::begin_with(options, json!({ "assignment": "auto" })).await;
    let ann = shift.seat("ann", json!({})).await;
    let talk = shift.talk().await;
    shift.until_assigned(&talk, &ann.who).await;
    let bob = shift.hire("bob", json!({})).await;
    shift.sandbox.kill().unwrap();
    shift.sandbox.restart().await.unwrap();
    shift.set_status(&bob, "online").await;
    let _socket = shift.socket(&bob).await;
    let given = shift.until_assigned(&talk, &bob).await;
    assert_eq!(given["assignment_epoch"], 2);
    let log = shift.log(&talk).await;
    let released = log.iter().find(|event| event["kind"] == "released").unwrap();
    assert_eq!(released["reason"], "agent_gone");
}
