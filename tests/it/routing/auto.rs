//! Assignment without asking, and none at all.

use serde_json::{Value, json};

use super::{Shift, refused};

#[tokio::test]
async fn it_gives_at_once_up_to_capacity_and_the_rest_follows_in_order() {
    let shift = Shift::begin(json!({ "assignment": "auto" })).await;
    let mut ann = shift.seat("ann", json!({ "capacity": 2 })).await;
    let mut talks = Vec::new();
    for _ in 0..5 {
        talks.push(shift.talk().await);
    }
    for talk in &talks[..2] {
        let assigned = shift.until_assigned(talk, &ann.who).await;
        assert_eq!(assigned["assignment_epoch"], 1);
        let told = |push: &Value| push["type"] == "assigned" && push["conversation"]["id"] == talk.id;
        ann.socket.expect_push(told, super::SOON).await.unwrap();
        let log = shift.log(talk).await;
        assert_eq!((&log[2]["reason"], &log[2]["by"]["kind"]), (&json!("auto"), &json!("system")));
    }
    for (position, talk) in (1..).zip(&talks[2..]) {
        shift.until_at(talk, position).await;
    }
    for place in 2..5 {
        shift.end(&talks[place - 2]).await;
        shift.until_assigned(&talks[place], &ann.who).await;
        for (position, talk) in (1..).zip(&talks[place + 1..]) {
            let waits = shift.until_at(talk, position).await;
            assert_eq!(waits["state"], "queued");
        }
    }
    assert_eq!(shift.status(&ann.who).await["load"], 2);
}

#[tokio::test]
async fn it_gives_what_waited_to_who_comes_in_the_order_of_waiting() {
    let shift = Shift::begin(json!({ "assignment": "auto" })).await;
    let ann = shift.hire("ann", json!({ "capacity": 2 })).await;
    let mut talks = Vec::new();
    for _ in 0..3 {
        talks.push(shift.talk().await);
    }
    shift.set_status(&ann, "online").await;
    for talk in &talks[..2] {
        shift.until_assigned(talk, &ann).await;
    }
    shift.until_at(&talks[2], 1).await;
    // What the agent gives back goes to another who has room.
    let bob = shift.agent("bob", json!({ "capacity": 2 })).await;
    shift.until_assigned(&talks[2], &bob).await;
    shift.verb(&ann, &talks[0], "release", json!({})).await;
    let given = shift.until_assigned(&talks[0], &bob).await;
    assert_eq!(given["assignment_epoch"], 2);
}

#[tokio::test]
async fn by_hand_nothing_is_given_or_offered() {
    let shift = Shift::begin(json!({ "assignment": "manual" })).await;
    let ann = shift.agent("ann", json!({})).await;
    let talk = shift.talk().await;
    assert_eq!(talk.started["queue_position"], 1);
    let entries = shift.routing(&talk).await;
    let [entry] = entries.as_slice() else { panic!("{entries:?}") };
    assert_eq!((&entry["reason"], &entry["rule"]), (&json!("waiting"), &json!("manual")));
    assert_eq!((entry.get("agent_id"), &entry["assignment_epoch"]), (None, &json!(0)));
    assert_eq!(entry["candidates"], json!([{ "agent_id": ann.agent_id, "load": 0, "capacity": 5 }]));
    refused(&shift.ask(&ann, &talk, "decline", json!({})).await, 409, "CONFLICT");
    let taken = shift.verb(&ann, &talk, "accept", json!({})).await;
    assert_eq!(taken["assignee"]["agent_id"], ann.agent_id);
}
