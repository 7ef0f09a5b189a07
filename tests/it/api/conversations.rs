//! Conversations, as their visitor has them: started, listed, read.

use std::collections::{BTreeMap, BTreeSet};

use driver::{Answer, Options};
use futures_util::future::join_all;
use serde_json::{Map, Value, json};

use super::{NOBODYS, Stage, id_of, ids, invalid, refused, said};

async fn start(stage: &Stage, token: &str, body: &Value) -> Answer {
    stage.post(token, "conversations", body).await
}

#[tokio::test]
async fn a_start_is_done_once_whatever_is_repeated() {
    let stage = Stage::start(Options::unlimited()).await;
    let visitor = stage.visitor().await;
    let token = &visitor.token;
    let body = json!({ "client_id": "c1", "text": "hello", "subject": "a subject",
        "attributes": { "plan": "pro" } });
    let first = start(&stage, token, &body).await.expect(201).unwrap();
    let id = id_of(&first);
    assert!(id.starts_with("cnv_") && first["message"]["seq"] == 2, "{first}");
    assert_eq!(first["conversation"]["state"], "queued");
    assert_eq!(first["conversation"]["subject"], "a subject");
    assert_eq!(first["conversation"]["team_id"], stage.sandbox.ready().team_id.as_str());
    assert_eq!(
        (&first["conversation"]["last_seq"], &first["conversation"]["assignment_epoch"]),
        (&json!(2), &json!(0))
    );
    for hidden in ["tags", "attributes", "offered_to"] {
        assert!(first["conversation"].get(hidden).is_none(), "{first}");
    }

    // The text is the first message, under the same client_id, in the same append.
    let log = stage.log(token, &id).await;
    assert_eq!((&log[0]["kind"], &log[0]["by"]["id"]), (&json!("started"), &json!(visitor.visitor_id)));
    assert_eq!(
        (&log[1]["kind"], &log[1]["text"], &log[1]["client_id"]),
        (&json!("message"), &json!("hello"), &json!("c1"))
    );
    assert_eq!((log.len(), &log[0]["at"]), (2, &log[1]["at"]));

    let again = start(&stage, token, &body).await.expect(200).unwrap();
    assert_eq!((id_of(&again), &again["message"]), (id.clone(), &first["message"]));
    let mut others = vec![json!({ "client_id": "c1", "text": "other" }), json!({ "client_id": "c1" })];
    let mut other = body.clone();
    other["subject"] = json!("another");
    others.push(other);
    for other in others {
        refused(&start(&stage, token, &other).await, 409, "IDEMPOTENCY_CONFLICT");
    }
    // Of many at once one starts it.
    let body = json!({ "client_id": "many", "text": "once" });
    let answers = futures_util::future::join_all((0..8).map(|_| start(&stage, token, &body))).await;
    let made = answers.iter().filter(|answer| answer.status == 201).count();
    assert_eq!(made, 1, "{answers:?}");
    assert!(
        answers.iter().all(|answer| answer.status <= 201 && id_of(&answer.body) == id_of(&answers[0].body))
    );

    // Another visitor's client_id is their own; also after the end it is the same conversation.
    let stranger = stage.visitor().await;
    assert_ne!(
        id_of(&start(&stage, &stranger.token, &json!({ "client_id": "c1" })).await.expect(201).unwrap()),
        id
    );
    stage.api.end(token, &id).await.unwrap().expect(200).unwrap();
    let body = json!({ "client_id": "c1", "text": "hello", "subject": "a subject", "attributes": { "plan": "pro" } });
    let ended = start(&stage, token, &body).await.expect(200).unwrap();
    assert_eq!((&ended["conversation"]["state"], &ended["message"]), (&json!("ended"), &first["message"]));
}

#[tokio::test]
async fn what_a_start_may_say_has_limits() {
    let stage = Stage::start(Options::unlimited()).await;
    let visitor = stage.visitor().await;
    let attributes: Map<String, Value> = (0..33).map(|n| (n.to_string(), json!(n))).collect();
    let unknown_team = "team_0190aaaabbbb7ccc8dddeeeeffff0000";
    let wrong = [
        (json!({}), "client_id"),
        (json!({ "client_id": "" }), "client_id"),
        (json!({ "client_id": "x".repeat(129) }), "client_id"),
        (json!({ "client_id": "a b" }), "client_id"),
        (json!({ "client_id": "é" }), "client_id"),
        (json!({ "client_id": "c", "text": " " }), "text"),
        (json!({ "client_id": "c", "subject": "s".repeat(201) }), "subject"),
        (json!({ "client_id": "c", "subject": " " }), "subject"),
        (json!({ "client_id": "c", "attributes": attributes }), "attributes"),
        (json!({ "client_id": "c", "team_id": unknown_team }), "team_id"),
        (json!({ "client_id": "c", "team_id": "nonsense" }), "team_id"),
        (json!({ "client_id": "c", "surprise": true }), "surprise"),
    ];
    for (body, field) in wrong {
        invalid(&start(&stage, &visitor.token, &body).await, field);
    }
    // Nothing of it was started.
    assert_eq!(stage.get(&visitor.token, "conversations").await.expect(200).unwrap()["data"], json!([]));
    let long = json!({ "client_id": "~".repeat(128), "subject": "s".repeat(200) });
    start(&stage, &visitor.token, &long).await.expect(201).unwrap();

    let path = "/api/v1/chat/conversations";
    refused(
        &stage.api.post(path).json(&json!({ "client_id": "c" })).send().await.unwrap(),
        401,
        "UNAUTHENTICATED",
    );
    refused(&start(&stage, "nonsense", &json!({ "client_id": "c" })).await, 401, "INVALID_TOKEN");
    let agent = stage.agent(0).await;
    refused(&start(&stage, &agent.token, &json!({ "client_id": "c" })).await, 403, "FORBIDDEN");
    let call = stage.api.post(path).bearer(&visitor.token).body("text/plain", "{}");
    refused(&call.send().await.unwrap(), 415, "UNSUPPORTED_MEDIA_TYPE");
}

#[tokio::test]
async fn a_visitor_has_few_open_conversations_and_may_start_again_after_an_end() {
    let options = Options::unlimited().limit("open_conversations_per_visitor", 2);
    let stage = Stage::start(options).await;
    let visitor = stage.visitor().await;
    let token = &visitor.token;
    let first = start(&stage, token, &json!({ "client_id": "1" })).await.expect(201).unwrap();
    start(&stage, token, &json!({ "client_id": "2" })).await.expect(201).unwrap();
    refused(&start(&stage, token, &json!({ "client_id": "3" })).await, 409, "CONFLICT");
    // A repeat is no new one, and others are not held to it.
    start(&stage, token, &json!({ "client_id": "2" })).await.expect(200).unwrap();
    let other = stage.visitor().await;
    start(&stage, &other.token, &json!({ "client_id": "3" })).await.expect(201).unwrap();
    stage.api.end(token, &id_of(&first)).await.unwrap().expect(200).unwrap();
    start(&stage, token, &json!({ "client_id": "3" })).await.expect(201).unwrap();

    // Of many at the same instant no more are started; a repeat among them is still a repeat.
    for _ in 0..3 {
        let visitor = stage.visitor().await;
        let bodies: Vec<Value> = (0..12).map(|n| json!({ "client_id": (n / 2).to_string() })).collect();
        let answers = join_all(bodies.iter().map(|body| start(&stage, &visitor.token, body))).await;
        let mut counts = BTreeMap::new();
        for answer in &answers {
            *counts.entry(answer.status).or_insert(0) += 1;
        }
        assert_eq!(counts, BTreeMap::from([(200, 2), (201, 2), (409, 8)]));
        let own = stage.get(&visitor.token, "conversations").await.expect(200).unwrap();
        assert_eq!(ids(&own).len(), 2);
    }
}

#[tokio::test]
async fn ones_own_are_paged_newest_first_with_cursors_that_nobody_can_make() {
    let stage = Stage::start(Options::unlimited()).await;
    let visitor = stage.visitor().await;
    let token = &visitor.token;
    let mut made = Vec::new();
    for n in 0..5 {
        let body = json!({ "client_id": n.to_string() });
        made.push(id_of(&start(&stage, token, &body).await.expect(201).unwrap()));
    }
    let list = async |query: &str| stage.get(token, &format!("conversations?{query}")).await;
    let mut paged = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = list(&format!("limit=2{cursor}")).await.expect(200).unwrap();
        paged.extend(ids(&page).into_iter().map(str::to_owned));
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    let whole = list("limit=5").await.expect(200).unwrap();
    assert_eq!(paged, ids(&whole));
    assert_eq!(paged.iter().collect::<BTreeSet<_>>(), made.iter().collect::<BTreeSet<_>>());
    // What was made in the same millisecond has no order.
    let times = whole["data"].as_array().unwrap().iter().map(|row| row["created_at"].as_str().unwrap());
    assert!(times.rev().is_sorted(), "{whole}");
    assert_eq!((ids(&whole).len(), &whole["next_cursor"]), (5, &Value::Null));

    let page = list("limit=2").await.expect(200).unwrap();
    let right = page["next_cursor"].as_str().unwrap();
    let mut tampered = right.to_owned();
    let swapped = if tampered.starts_with('A') { "B" } else { "A" };
    tampered.replace_range(..1, swapped);
    for wrong in [tampered.as_str(), "nonsense", "", &right[..right.len() - 1]] {
        refused(&list(&format!("cursor={wrong}")).await, 400, "INVALID_CURSOR");
    }
    // Another visitor's query is another one.
    let other = stage.visitor().await;
    let path = format!("conversations?limit=2&cursor={right}");
    refused(&stage.get(&other.token, &path).await, 400, "INVALID_CURSOR");
    assert_eq!(stage.get(&other.token, "conversations").await.expect(200).unwrap()["data"], json!([]));

    for (query, field) in [
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=x", "limit"),
        ("surprise=1", "surprise"),
        ("limit=1&limit=1", "limit"),
    ] {
        invalid(&list(query).await, field);
    }
}

#[tokio::test]
async fn a_conversation_is_read_with_its_last_50_events_and_by_nobody_else() {
    let stage = Stage::start(Options::unlimited()).await;
    let (visitor, conversation) = stage.talk().await;
    for n in 3..=60 {
        let posted = stage.say(&visitor.token, &conversation, &format!("m{n}")).await;
        assert_eq!(posted["seq"], n);
    }
    let read = stage.api.conversation(&visitor.token, &conversation).await.unwrap().expect(200).unwrap();
    let seqs: Vec<u64> =
        read["events"].as_array().unwrap().iter().map(|e| e["seq"].as_u64().unwrap()).collect();
    assert_eq!(seqs, (11..=60).collect::<Vec<u64>>());
    assert_eq!((&read["conversation"]["last_seq"], &read["conversation"]["unread"]), (&json!(60), &json!(0)));

    let stranger = stage.visitor().await;
    let of_nobody = stage.api.conversation(&stranger.token, NOBODYS).await.unwrap();
    refused(&of_nobody, 404, "NOT_FOUND");
    for id in [conversation.as_str(), "nonsense", "vis_0190aaaabbbb7ccc8dddeeeeffff0000"] {
        assert_eq!(
            said(&stage.api.conversation(&stranger.token, id).await.unwrap()),
            said(&of_nobody),
            "{id}"
        );
    }
    let path = format!("/api/v1/chat/conversations/{conversation}");
    refused(&stage.api.get(&path).send().await.unwrap(), 401, "UNAUTHENTICATED");
    refused(&stage.api.get(&path).site(stage.site_key()).send().await.unwrap(), 401, "UNAUTHENTICATED");
    invalid(
        &stage.get(&visitor.token, &format!("conversations/{conversation}?surprise=1")).await,
        "surprise",
    );
    // An agent of its team sees it, with what is for agents.
    let agent = stage.agent(0).await;
    let seen = stage.seen(&agent.token, &conversation).await;
    assert_eq!((&seen["tags"], &seen["attributes"], &seen["unread"]), (&json!([]), &json!({}), &json!(59)));
}
