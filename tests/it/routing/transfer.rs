//! Giving a conversation on, as far as routing has a part in it. Its answers are tested with the API.

use serde_json::{Value, json};

use super::{Shift, refused};

#[tokio::test]
async fn a_team_gets_it_from_now_and_its_last_agent_is_not_asked_first() {
    let shift = Shift::begin(json!({})).await;
    let second = shift.make("teams", &json!({ "name": "Second" })).await;
    let second = second["id"].as_str().unwrap();
    let both = json!({ "team_ids": [shift.team, second], "capacity": 3 });
    let mut ann = shift.seat("ann", both.clone()).await;
    let talk = shift.talk().await;
    ann.offered(&talk).await;
    shift.verb(&ann.who, &talk, "accept", json!({})).await;
    // The other one of the second team is the busier one.
    let mut bob = shift.seat("bob", both).await;
    let busy = shift.talk().await;
    bob.offered(&busy).await;
    shift.verb(&bob.who, &busy, "accept", json!({})).await;

    let to = json!({ "to": { "team_id": second }, "client_id": "t" });
    let given = shift.verb(&ann.who, &talk, "transfer", to.clone()).await;
    assert_eq!((&given["state"], &given["team_id"]), (&json!("queued"), &json!(second)));
    assert_eq!(given["queue_position"], 1);
    let offer = bob.offered(&talk).await;
    assert_ne!(offer["conversation"]["queued_at"], talk.started["queued_at"], "it waits from now");
    let kinds: Vec<Value> = shift.log(&talk).await[3..].iter().map(|event| event["kind"].clone()).collect();
    assert_eq!(kinds, ["transferred", "released"]);
}

#[tokio::test]
async fn a_queued_one_is_given_by_a_supervisor_and_leaves_the_queue() {
    let shift = Shift::begin(json!({})).await;
    let mut ann = shift.seat("ann", json!({})).await;
    let bob = shift.seat("bob", json!({})).await;
    let talk = shift.talk().await;
    ann.offered(&talk).await;
    let to = |id: &str| json!({ "to": { "agent_id": id } });
    refused(&shift.ask(&bob.who, &talk, "transfer", to(&ann.who.agent_id)).await, 403, "FORBIDDEN");
    let given = shift.verb(&shift.admin, &talk, "transfer", to(&bob.who.agent_id)).await;
    assert_eq!(
        (&given["state"], &given["assignee"]["agent_id"]),
        (&json!("assigned"), &json!(bob.who.agent_id))
    );
    assert_eq!(ann.offer_ended(&talk).await, "taken");
    let entries = shift.routing(&talk).await;
    let [entry] = entries.as_slice() else { panic!("{entries:?}") };
    assert_eq!((&entry["reason"], &entry["rule"]), (&json!("transfer"), &json!("by_hand")));
    // Bob has it already.
    refused(&shift.ask(&bob.who, &talk, "transfer", to(&bob.who.agent_id)).await, 409, "CONFLICT");
    refused(&shift.ask(&shift.admin, &talk, "transfer", to(&bob.who.agent_id)).await, 409, "CONFLICT");
    // Who is away is there, and may be given it; who is disabled is not.
    shift.set_status(&ann.who, "away").await;
    let given = shift.verb(&bob.who, &talk, "transfer", to(&ann.who.agent_id)).await;
    assert_eq!(given["assignment_epoch"], 2);
    shift.change("agents", &bob.who.agent_id, &json!({ "disabled": true })).await;
    refused(&shift.ask(&ann.who, &talk, "transfer", to(&bob.who.agent_id)).await, 409, "AGENT_OFFLINE");
    shift.end(&talk).await;
    refused(&shift.ask(&ann.who, &talk, "transfer", to(&bob.who.agent_id)).await, 409, "CONVERSATION_ENDED");
}
