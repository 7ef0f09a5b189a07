//! Why a conversation went to the agent who got it.

use serde_json::{Value, json};

use super::{Shift, refused};

#[tokio::test]
async fn each_assignment_is_explained_and_while_it_waits_how_it_stands() {
    let shift = Shift::begin(json!({})).await;
    let mut ann = shift.seat("ann", json!({})).await;
    let mut bob = shift.seat("bob", json!({})).await;
    let cid = shift.hire("cid", json!({ "capacity": 3 })).await;
    shift.set_status(&cid, "away").await;
    let talk = shift.talk().await;
    ann.offered(&talk).await;

    let entries = shift.routing(&talk).await;
    let [now] = entries.as_slice() else { panic!("{entries:?}") };
    let told = [&now["assignment_epoch"], &now["agent_id"], &now["reason"], &now["rule"]];
    assert_eq!(told, [&json!(0), &json!(ann.who.agent_id), &json!("offered"), &json!("least_busy")]);
    assert!(now["at"].as_str().unwrap() >= talk.started["created_at"].as_str().unwrap());
    let candidate = |entry: &Value, id: &str| {
        let all = entry["candidates"].as_array().unwrap();
        all.iter()
            .find(|one| one["agent_id"] == id)
            .unwrap_or_else(|| panic!("{id} is not in {entry}"))
            .clone()
    };
    assert_eq!(
        candidate(now, &bob.who.agent_id),
        json!({ "agent_id": bob.who.agent_id, "load": 0, "capacity": 5 })
    );
    let away = candidate(now, &cid.agent_id);
    assert_eq!((&away["excluded_by"], &away["capacity"]), (&json!("not_online"), &json!(3)));

    shift.ask(&ann.who, &talk, "decline", json!({})).await.expect(204).unwrap();
    bob.offered(&talk).await;
    let now = shift.routing(&talk).await.pop().unwrap();
    assert_eq!(now["agent_id"], bob.who.agent_id);
    assert_eq!(candidate(&now, &ann.who.agent_id)["excluded_by"], "passed_over");

    shift.verb(&bob.who, &talk, "accept", json!({})).await;
    shift.verb(&bob.who, &talk, "transfer", json!({ "to": { "agent_id": ann.who.agent_id } })).await;
    shift.set_status(&shift.admin, "online").await;
    shift.verb(&shift.admin, &talk, "accept", json!({ "take_over": true })).await;
    shift.set_status(&ann.who, "offline").await;
    shift.set_status(&bob.who, "offline").await;
    shift.verb(&shift.admin, &talk, "release", json!({})).await;
    shift.until_at(&talk, 1).await;

    let entries = shift.routing(&talk).await;
    let told: Vec<[&Value; 3]> =
        entries.iter().map(|entry| [&entry["assignment_epoch"], &entry["reason"], &entry["rule"]]).collect();
    let expected = [
        [json!(1), json!("accept"), json!("least_busy")],
        [json!(2), json!("transfer"), json!("by_hand")],
        [json!(3), json!("take_over"), json!("by_hand")],
        [json!(3), json!("waiting"), json!("nobody")],
    ];
    assert_eq!(told, expected.each_ref().map(|row| row.each_ref()));
    assert_eq!(candidate(&entries[0], &ann.who.agent_id)["excluded_by"], "passed_over");
    assert_eq!(entries[0]["agent_id"], bob.who.agent_id);
    assert_eq!(entries[0]["at"], shift.log(&talk).await[2]["at"]);
    assert_eq!(entries[1]["candidates"], json!([]));
    assert!(entries[3].get("agent_id").is_none());
    // Their reasons are those of the events.
    let log = shift.log(&talk).await;
    let reasons: Vec<&Value> =
        log.iter().filter(|event| event["kind"] == "assigned").map(|event| &event["reason"]).collect();
    assert_eq!(reasons, [&json!("accept"), &json!("transfer"), &json!("take_over")]);
}

#[tokio::test]
async fn who_sees_the_conversation_may_ask() {
    let shift = Shift::begin(json!({ "assignment": "manual" })).await;
    let ann = shift.agent("ann", json!({})).await;
    let stranger = shift.agent("stranger", json!({ "team_ids": [] })).await;
    let talk = shift.talk().await;
    let path = format!("agent/conversations/{}/routing", talk.id);
    let body = shift.get(&ann.token, &path).await.expect(200).unwrap();
    assert_eq!(body["data"].as_array().unwrap().len(), 1);
    refused(&shift.get(&stranger.token, &path).await, 404, "NOT_FOUND");
    refused(&shift.get(&talk.visitor, &path).await, 403, "FORBIDDEN");
    refused(&shift.get(&ann.token, &format!("{path}?surprise=1")).await, 422, "VALIDATION_FAILED");
    shift.end(&talk).await;
    assert_eq!(shift.get(&ann.token, &path).await.expect(200).unwrap(), json!({ "data": [] }));
}
