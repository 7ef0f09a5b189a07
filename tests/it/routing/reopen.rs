//! Opening an ended conversation again.

use serde_json::{Value, json};

use super::{Shift, refused};

#[tokio::test]
async fn its_last_agent_has_it_again() {
    let shift = Shift::begin(json!({ "assignment": "manual" })).await;
    let ann = shift.agent("ann", json!({ "capacity": 1 })).await;
    let bob = shift.agent("bob", json!({})).await;
    let talk = shift.talk().await;
    shift.verb(&ann, &talk, "accept", json!({})).await;
    refused(&shift.ask(&ann, &talk, "reopen", json!({})).await, 409, "CONFLICT");
    shift.end(&talk).await;
    refused(&shift.ask(&bob, &talk, "reopen", json!({})).await, 403, "FORBIDDEN");
    let stranger = shift.agent("stranger", json!({ "team_ids": [] })).await;
    refused(&shift.ask(&stranger, &talk, "reopen", json!({ "client_id": "" })).await, 404, "NOT_FOUND");
    refused(&shift.ask(&ann, &talk, "reopen", json!({ "client_id": "" })).await, 422, "VALIDATION_FAILED");

    // It obeys what an accept obeys.
    shift.set_status(&ann, "offline").await;
    refused(&shift.ask(&ann, &talk, "reopen", json!({})).await, 409, "AGENT_OFFLINE");
    shift.set_status(&ann, "away").await;
    let other = shift.talk().await;
    shift.verb(&ann, &other, "accept", json!({})).await;
    refused(&shift.ask(&ann, &talk, "reopen", json!({})).await, 409, "CAPACITY_EXCEEDED");
    shift.end(&other).await;

    let named = json!({ "client_id": "again" });
    let opened = shift.verb(&ann, &talk, "reopen", named.clone()).await;
    assert_eq!((&opened["state"], &opened["assignment_epoch"]), (&json!("assigned"), &json!(2)));
    assert_eq!(opened["assignee"]["agent_id"], ann.agent_id);
    for gone in ["ended_at", "ended_by", "end_reason"] {
        assert!(opened.get(gone).is_none(), "{opened}");
    }
    let length = shift.log(&talk).await.len();
    assert_eq!(shift.verb(&ann, &talk, "reopen", named).await["assignment_epoch"], 2);
    refused(
        &shift.ask(&ann, &talk, "release", json!({ "client_id": "again" })).await,
        409,
        "IDEMPOTENCY_CONFLICT",
    );
    let log = shift.log(&talk).await;
    assert_eq!(log.len(), length);
    let last: Vec<&Value> = log[length - 2..].iter().map(|event| &event["kind"]).collect();
    assert_eq!(last, ["reopened", "assigned"]);
    assert_eq!(log[length - 1]["reason"], "reopen");
    assert_eq!(shift.routing(&talk).await[1]["reason"], "reopen");
    let said = shift.api.post_message(&talk.visitor, &talk.id, "on", "and one more thing").await.unwrap();
    said.expect(201).unwrap();
}

#[tokio::test]
async fn by_a_supervisor_it_waits_from_now_and_its_last_agent_comes_first() {
    let shift = Shift::begin(json!({})).await;
    let mut ann = shift.seat("ann", json!({})).await;
    let talk = shift.talk().await;
    ann.offered(&talk).await;
    shift.verb(&ann.who, &talk, "accept", json!({})).await;
    shift.end(&talk).await;
    // By turn it would be the other's.
    let _bob = shift.seat("bob", json!({})).await;
    let named = json!({ "client_id": "again" });
    let opened = shift.verb(&shift.admin, &talk, "reopen", named.clone()).await;
    assert_eq!((&opened["state"], &opened["assignment_epoch"]), (&json!("queued"), &json!(1)));
    assert!(opened.get("assignee").is_none() && opened.get("ended_at").is_none(), "{opened}");
    assert_ne!(opened["queued_at"], talk.started["queued_at"]);
    assert_eq!(opened["queue_position"], 1);
    ann.offered(&talk).await;
    assert_eq!(shift.routing(&talk).await[1]["rule"], "last_agent");
    shift.verb(&ann.who, &talk, "accept", json!({})).await;
    let again = shift.verb(&shift.admin, &talk, "reopen", named).await;
    assert_eq!((&again["state"], &again["assignment_epoch"]), (&json!("assigned"), &json!(2)));
    refused(&shift.ask(&shift.admin, &talk, "reopen", json!({})).await, 409, "CONFLICT");
    // One that nobody had, too; and behind another.
    let team = shift.make("teams", &json!({ "name": "Nobody", "assignment": "manual" })).await;
    let to = json!({ "to": { "team_id": team["id"] } });
    let (first, second) = (shift.talk().await, shift.talk().await);
    for (talk, position) in [(&first, 1), (&second, 2)] {
        assert_eq!(shift.verb(&shift.admin, talk, "transfer", to.clone()).await["queue_position"], position);
    }
    for (talk, position) in [(&first, 2), (&second, 2), (&first, 2)] {
        shift.end(talk).await;
        let opened = shift.verb(&shift.admin, talk, "reopen", json!({})).await;
        assert_eq!((&opened["assignment_epoch"], &opened["queue_position"]), (&json!(0), &json!(position)));
    }
}
