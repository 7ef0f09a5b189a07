//! A conversation's tags.

use driver::Options;
use serde_json::{Value, json};

use super::{Stage, ids, invalid, refused};

#[tokio::test]
async fn they_come_and_go_in_lower_case() {
    let stage = Stage::start(Options::unlimited()).await;
    let (visitor, conversation) = stage.talk().await;
    let (ann, admin) = (stage.agent(0).await, stage.admin().await);
    stage.take(&ann, &conversation).await;
    let path = format!("agent/conversations/{conversation}/tags");
    let body = json!({ "client_id": "t", "add": ["Billing", "ÄRGER", "billing"], "remove": ["nothing"] });
    let tagged = stage.verb(&ann.token, &path, &body).await;
    assert_eq!(tagged["tags"], json!(["billing", "ärger"]));
    let log = stage.log(&ann.token, &conversation).await;
    assert_eq!((&log[3]["kind"], &log[3]["added"]), (&json!("tagged"), &json!(["billing", "ärger"])));
    assert_eq!(stage.log(&visitor.token, &conversation).await[3]["kind"], "hidden");

    // A repeat writes nothing, nor does what is so already; nor a body that asks for nothing.
    stage.verb(&ann.token, &path, &json!({ "remove": ["ÄRGER"], "add": ["vip"] })).await;
    for again in [body, json!({ "add": ["vip"], "remove": ["other"] }), json!({})] {
        let tagged = stage.verb(&ann.token, &path, &again).await;
        assert_eq!(tagged["tags"], json!(["billing", "vip"]));
    }
    assert_eq!(stage.log(&ann.token, &conversation).await.len(), 5);
    let other = json!({ "client_id": "t", "add": ["another"] });
    refused(&stage.post(&ann.token, &path, &other).await, 409, "IDEMPOTENCY_CONFLICT");

    // Lists are filtered by them; a supervisor may change them.
    stage.verb(&admin.token, &path, &json!({ "add": ["seen"], "remove": ["seen", "vip"] })).await;
    for (tag, found) in [("SEEN", true), ("vip", false)] {
        let page =
            stage.get(&ann.token, &format!("agent/conversations?tag={tag}")).await.expect(200).unwrap();
        assert_eq!(ids(&page).contains(&conversation.as_str()), found, "{tag}: {page}");
    }
    let seen = stage.seen(&visitor.token, &conversation).await;
    assert!(seen.get("tags").is_none(), "{seen}");
}

#[tokio::test]
async fn they_are_few_and_short_and_changed_by_who_has_the_conversation() {
    let stage = Stage::start(Options::unlimited()).await;
    let (visitor, conversation) = stage.talk().await;
    let (ann, bob, admin) = (stage.agent(0).await, stage.agent(1).await, stage.admin().await);
    let path = format!("agent/conversations/{conversation}/tags");
    let one = json!({ "add": ["one"] });
    refused(&stage.post(&ann.token, &path, &one).await, 403, "FORBIDDEN");
    refused(&stage.post(&visitor.token, &path, &one).await, 403, "FORBIDDEN");
    stage.take(&ann, &conversation).await;
    refused(&stage.post(&bob.token, &path, &one).await, 403, "FORBIDDEN");
    let many = |count: usize| (0..count).map(|n| format!("tag-{n:02}")).collect::<Vec<_>>();
    for (body, field) in [
        (json!({ "add": many(21) }), "add"),
        (json!({ "remove": many(21) }), "remove"),
        (json!({ "add": ["fine", ""] }), "add[1]"),
        (json!({ "add": ["t".repeat(41)] }), "add[0]"),
        (json!({ "remove": ["a\nb"] }), "remove[0]"),
        (json!({ "add": "one" }), "add"),
        (json!({ "add": [1] }), "add[0]"),
        (json!({ "client_id": "" }), "client_id"),
        (json!({ "surprise": 1 }), "surprise"),
    ] {
        invalid(&stage.post(&ann.token, &path, &body).await, field);
        let stranger: Value =
            stage.post(&ann.token, &path.replace(&conversation, super::NOBODYS), &body).await.body;
        assert_eq!(stranger["error"]["code"], "NOT_FOUND");
    }
    let full = stage.verb(&ann.token, &path, &json!({ "add": many(19), "remove": ["t".repeat(40)] })).await;
    assert_eq!(full["tags"].as_array().unwrap().len(), 19);
    let over = json!({ "add": ["one more", "and another"] });
    invalid(&stage.post(&ann.token, &path, &over).await, "add");
    let turned = json!({ "add": ["one more", "and another"], "remove": ["tag-00"] });
    assert_eq!(stage.verb(&ann.token, &path, &turned).await["tags"].as_array().unwrap().len(), 20);
    stage.verb(&ann.token, &format!("agent/conversations/{conversation}/release"), &json!({})).await;
    refused(&stage.post(&ann.token, &path, &one).await, 409, "STALE_ASSIGNMENT");
    stage.api.end(&visitor.token, &conversation).await.unwrap().expect(200).unwrap();
    refused(&stage.post(&admin.token, &path, &one).await, 409, "CONVERSATION_ENDED");
}
