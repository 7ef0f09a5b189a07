//! How a conversation is given to another agent or to a team.

use driver::Options;
use serde_json::{Value, json};

use super::{Stage, invalid, refused};

fn path(conversation: &str) -> String {
    format!("agent/conversations/{conversation}/transfer")
}

#[tokio::test]
async fn another_agent_gets_it_at_once_with_the_note() {
    let stage = Stage::start(Options::unlimited()).await;
    let (visitor, conversation) = stage.talk().await;
    let (ann, bob) = (stage.agent(0).await, stage.agent(1).await);
    stage.take(&ann, &conversation).await;
    let body = json!({ "client_id": "t", "to": { "agent_id": bob.agent_id }, "note": "they are angry" });
    let given = stage.verb(&ann.token, &path(&conversation), &body).await;
    assert_eq!((&given["state"], &given["assignment_epoch"]), (&json!("assigned"), &json!(2)));
    assert_eq!(given["assignee"]["agent_id"], bob.agent_id.as_str());
    let events = &stage.log(&bob.token, &conversation).await[3..];
    let kinds: Vec<&Value> = events.iter().map(|event| &event["kind"]).collect();
    assert!(kinds.contains(&&json!("transferred")) && kinds.contains(&&json!("assigned")), "{events:?}");
    let note = events.iter().find(|event| event["kind"] == "note").unwrap();
    assert_eq!(note["text"], "they are angry");
    assert!(events.iter().all(|event| event["at"] == events[0]["at"]), "one append: {events:?}");

    // A repeat writes nothing, also when the new agent has passed it on.
    let on = json!({ "to": { "agent_id": ann.agent_id } });
    stage.verb(&bob.token, &path(&conversation), &on).await;
    let length = stage.log(&ann.token, &conversation).await.len();
    stage.verb(&ann.token, &path(&conversation), &body).await;
    assert_eq!(stage.log(&ann.token, &conversation).await.len(), length);
    let other = json!({ "client_id": "t", "to": { "agent_id": bob.agent_id } });
    refused(&stage.post(&ann.token, &path(&conversation), &other).await, 409, "IDEMPOTENCY_CONFLICT");
    refused(&stage.post(&bob.token, &path(&conversation), &on).await, 409, "STALE_ASSIGNMENT");
    // The visitor reads no note.
    let hidden = stage.log(&visitor.token, &conversation).await;
    assert!(hidden.iter().all(|event| event["kind"] != "note"), "{hidden:?}");
}

#[tokio::test]
async fn who_cannot_get_it_does_not_and_nothing_is_written() {
    let stage = Stage::start(Options::unlimited()).await;
    let (visitor, conversation) = stage.talk().await;
    let (ann, bob, admin) = (stage.agent(0).await, stage.agent(1).await, stage.admin().await);
    let team = stage.sandbox.ready().team_id.clone();
    let offline = stage.new_agent(&admin, "offline", &[&team], 5).await;
    let full = stage.new_agent(&admin, "full", &[&team], 1).await;
    stage.api.set_status(&full.token, "online").await.unwrap().expect(200).unwrap();
    let (_, another) = stage.talk().await;
    stage.take(&full, &another).await;
    stage.take(&ann, &conversation).await;
    let to = |id: &str| json!({ "to": { "agent_id": id } });
    let transfer = async |token: &str, body: Value| stage.post(token, &path(&conversation), &body).await;

    refused(&transfer(&ann.token, to(&offline.agent_id)).await, 409, "AGENT_OFFLINE");
    refused(&transfer(&ann.token, to(&full.agent_id)).await, 409, "CAPACITY_EXCEEDED");
    refused(&transfer(&ann.token, to(&ann.agent_id)).await, 409, "CONFLICT");
    refused(&transfer(&bob.token, to(&bob.agent_id)).await, 403, "FORBIDDEN");
    refused(&transfer(&visitor.token, to(&bob.agent_id)).await, 403, "FORBIDDEN");
    let wrong = [
        (to("agt_0190aaaabbbb7ccc8dddeeeeffff0000"), "to.agent_id"),
        (to("nonsense"), "to.agent_id"),
        (json!({ "to": { "team_id": "team_0190aaaabbbb7ccc8dddeeeeffff0000" } }), "to.team_id"),
        (json!({ "to": { "team_id": team, "agent_id": bob.agent_id } }), "to"),
        (json!({ "to": {} }), "to"),
        (json!({}), "to"),
        (json!({ "to": { "agent_id": bob.agent_id }, "note": " " }), "note"),
        (json!({ "to": { "agent_id": bob.agent_id }, "client_id": "a b" }), "client_id"),
        (json!({ "to": { "agent_id": bob.agent_id, "surprise": 1 } }), "to.surprise"),
    ];
    for (body, field) in wrong {
        invalid(&transfer(&ann.token, body).await, field);
    }
    let stranger = stage.new_agent(&admin, "stranger", &[], 5).await;
    for body in [to(&stranger.agent_id), to("nonsense"), json!({})] {
        refused(&transfer(&stranger.token, body).await, 404, "NOT_FOUND");
    }
    assert_eq!(stage.log(&ann.token, &conversation).await.len(), 3);
}

#[tokio::test]
async fn a_team_gets_it_into_its_queue_and_another_team_out_of_sight() {
    let stage = Stage::start(Options::unlimited()).await;
    let (visitor, conversation) = stage.talk().await;
    let (ann, admin) = (stage.agent(0).await, stage.admin().await);
    let second = stage.make(&admin, "teams", &json!({ "name": "Second", "assignment": "manual" })).await;
    let second = second["id"].as_str().unwrap();
    let member = stage.new_agent(&admin, "member", &[second], 5).await;
    stage.api.set_status(&member.token, "online").await.unwrap().expect(200).unwrap();
    stage.take(&ann, &conversation).await;
    refused(&stage.api.accept(&member.token, &conversation).await.unwrap(), 404, "NOT_FOUND");

    let body = json!({ "client_id": "t", "to": { "team_id": second }, "note": "yours" });
    let given = stage.verb(&ann.token, &path(&conversation), &body).await;
    // The agent sees it no longer, and learns only where it went, also from a repeat.
    let where_it_went = json!({ "id": conversation, "state": "queued", "team_id": second });
    assert_eq!(given, where_it_went);
    assert_eq!(stage.verb(&ann.token, &path(&conversation), &body).await, where_it_went);
    refused(&stage.api.conversation(&ann.token, &conversation).await.unwrap(), 404, "NOT_FOUND");
    let kinds = stage.kinds(&admin.token, &conversation).await;
    assert_eq!(
        kinds.iter().filter(|kind| *kind == "transferred" || *kind == "released").count(),
        2,
        "{kinds:?}"
    );

    stage.take(&member, &conversation).await;
    let taken = stage.seen(&member.token, &conversation).await;
    assert_eq!((&taken["assignment_epoch"], &taken["team_id"]), (&json!(2), &json!(second)));
    // An agent outside the team may be given it: the team stays, and they see it.
    let to_ann = json!({ "to": { "agent_id": ann.agent_id } });
    let back = stage.verb(&member.token, &path(&conversation), &to_ann).await;
    assert_eq!((&back["team_id"], &back["assignment_epoch"]), (&json!(second), &json!(3)));
    stage.say(&ann.token, &conversation, "again").await;
    stage.say(&visitor.token, &conversation, "still-here").await;

    // Of a queued one, by a supervisor: assigned; by an agent who does not hold it: not.
    let (_, queued) = stage.talk().await;
    refused(&stage.post(&ann.token, &path(&queued), &to_ann).await, 403, "FORBIDDEN");
    let given = stage.verb(&admin.token, &path(&queued), &to_ann).await;
    assert_eq!((&given["state"], &given["assignee"]["agent_id"]), (&json!("assigned"), &json!(ann.agent_id)));
}
