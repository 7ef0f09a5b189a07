//! What is said, and what is nearly said: messages, notes, typing, read marks.

use driver::{Answer, Options};
use serde_json::{Value, json};

use super::{NOBODYS, Stage, invalid, refused, said};

async fn message(stage: &Stage, token: &str, conversation: &str, body: &Value) -> Answer {
    stage.post(token, &format!("conversations/{conversation}/messages"), body).await
}

#[tokio::test]
async fn a_message_is_written_once_and_exactly_as_it_was_sent() {
    let stage = Stage::start(Options::unlimited()).await;
    let (visitor, conversation) = stage.talk().await;
    let token = &visitor.token;
    let texts = [
        "  spaces around \t\r\n and within ",
        "e\u{301} is not \u{e9}",
        "\u{1f469}\u{200d}\u{1f467} \u{202e}right to left\u{202c} \u{feff}\u{2028}\u{e000}",
        "<script>alert('&amp;')</script> \"quoted\" \\u0041 \\",
        "\u{10ffff}",
        "0",
    ];
    for (place, text) in texts.iter().enumerate() {
        let body = json!({ "client_id": format!("m{place}"), "text": text });
        let posted = message(&stage, token, &conversation, &body).await.expect(201).unwrap();
        assert_eq!(posted["seq"], place as u64 + 3);
        assert!(posted["message_id"].as_str().unwrap().starts_with("msg_"), "{posted}");
        let again = message(&stage, token, &conversation, &body).await.expect(200).unwrap();
        assert_eq!(again, posted);
        let other = json!({ "client_id": format!("m{place}"), "text": "something else" });
        refused(&message(&stage, token, &conversation, &other).await, 409, "IDEMPOTENCY_CONFLICT");
    }
    let log = stage.log(token, &conversation).await;
    let kept: Vec<&str> = log[2..].iter().map(|event| event["text"].as_str().unwrap()).collect();
    assert_eq!(kept, texts);
    let last = log.last().unwrap();
    assert_eq!(
        (&last["kind"], &last["client_id"], &last["files"]),
        (&json!("message"), &json!("m5"), &json!([]))
    );
    assert_eq!(last["by"]["id"], visitor.visitor_id.as_str());

    // A client_id is its sender's own.
    let agent = stage.agent(0).await;
    stage.take(&agent, &conversation).await;
    stage.say(&agent.token, &conversation, "m0").await;
}

#[tokio::test]
async fn what_a_message_may_be_has_limits() {
    let stage = Stage::start(Options::unlimited()).await;
    let (visitor, conversation) = stage.talk().await;
    let with = |text: &str| json!({ "client_id": "c", "text": text });
    let wrong = [
        (json!({ "text": "t" }), "client_id"),
        (json!({ "client_id": "c" }), "text"),
        (json!({ "client_id": "c", "text": null }), "text"),
        (json!({ "client_id": "c", "text": 5 }), "text"),
        (with(""), "text"),
        (with(" \t\r\n\u{3000}"), "text"),
        (with("a\u{0}"), "text"),
        (with("a\u{1b}[31m"), "text"),
        (with("a\u{7f}"), "text"),
        (with("a\u{85}"), "text"),
        (with(&"x".repeat(16_385)), "text"),
        (with(&"é".repeat(8_193)), "text"),
        (json!({ "client_id": "", "text": "t" }), "client_id"),
        (json!({ "client_id": "a\nb", "text": "t" }), "client_id"),
        (json!({ "client_id": "x".repeat(129), "text": "t" }), "client_id"),
        (json!({ "client_id": "c", "text": "t", "surprise": 1 }), "surprise"),
        (json!({ "client_id": "c", "text": "t", "note": "yes" }), "note"),
        (json!({ "client_id": "c", "file_ids": ["nonsense"] }), "file_ids[0]"),
        (json!({ "client_id": "c", "file_ids": ["file_0190aaaabbbb7ccc8dddeeeeffff0000"] }), "file_ids[0]"),
        (
            json!({ "client_id": "c", "file_ids": vec!["file_0190aaaabbbb7ccc8dddeeeeffff0000"; 11] }),
            "file_ids",
        ),
    ];
    for (body, field) in wrong {
        invalid(&message(&stage, &visitor.token, &conversation, &body).await, field);
    }
    let raw = async |body: &[u8]| {
        let path = format!("/api/v1/chat/conversations/{conversation}/messages");
        let call = stage.api.post(path).bearer(&visitor.token).body("application/json", body.to_vec());
        call.send().await.unwrap()
    };
    for body in [&b"{\"client_id\":\"c\""[..], b" ", b"\"\xff\"", b"{} {}"] {
        refused(&raw(body).await, 400, "INVALID_JSON");
    }
    refused(&raw(b"").await, 411, "LENGTH_REQUIRED");
    let deep = format!("{{\"client_id\":{}1{}}}", "[".repeat(40), "]".repeat(40));
    refused(&raw(deep.as_bytes()).await, 400, "INVALID_JSON");
    for body in [&br#"{"client_id":"c","client_id":"c","text":"t"}"#[..], b"[]", b"5", b"null"] {
        refused(&raw(body).await, 422, "VALIDATION_FAILED");
    }
    // None of it was written, and what just fits is.
    assert_eq!(stage.log(&visitor.token, &conversation).await.len(), 2);
    message(&stage, &visitor.token, &conversation, &with(&"x".repeat(16_384))).await.expect(201).unwrap();
}

#[tokio::test]
async fn only_who_holds_it_writes_and_who_had_it_is_told_so() {
    let stage = Stage::start(Options::unlimited()).await;
    let (visitor, conversation) = stage.talk().await;
    let (ann, bob, admin) = (stage.agent(0).await, stage.agent(1).await, stage.admin().await);
    let text = |client_id: &str| json!({ "client_id": client_id, "text": format!("text of {client_id}") });
    for agent in [&ann, &bob, &admin] {
        refused(&message(&stage, &agent.token, &conversation, &text("a")).await, 403, "FORBIDDEN");
    }
    stage.take(&ann, &conversation).await;
    let posted = stage.say(&ann.token, &conversation, "a").await;
    refused(&message(&stage, &bob.token, &conversation, &text("b")).await, 403, "FORBIDDEN");

    let to_bob = json!({ "to": { "agent_id": bob.agent_id } });
    stage.verb(&ann.token, &format!("agent/conversations/{conversation}/transfer"), &to_bob).await;
    refused(&message(&stage, &ann.token, &conversation, &text("new")).await, 409, "STALE_ASSIGNMENT");
    let typing = format!("conversations/{conversation}/typing");
    refused(&stage.post(&ann.token, &typing, &json!({ "typing": true })).await, 409, "STALE_ASSIGNMENT");
    refused(&stage.post(&admin.token, &typing, &json!({ "typing": true })).await, 403, "FORBIDDEN");
    // What the agent had written is answered as before, also after the end.
    assert_eq!(message(&stage, &ann.token, &conversation, &text("a")).await.expect(200).unwrap(), posted);
    stage.say(&bob.token, &conversation, "b").await;
    stage.say(&visitor.token, &conversation, "v").await;

    stage.api.end(&visitor.token, &conversation).await.unwrap().expect(200).unwrap();
    for token in [&visitor.token, &bob.token] {
        refused(&message(&stage, token, &conversation, &text("late")).await, 409, "CONVERSATION_ENDED");
        let answer = stage.post(token, &typing, &json!({ "typing": true })).await;
        refused(&answer, 409, "CONVERSATION_ENDED");
    }
    message(&stage, &visitor.token, &conversation, &text("v")).await.expect(200).unwrap();
    assert_eq!(message(&stage, &ann.token, &conversation, &text("a")).await.expect(200).unwrap(), posted);
}

#[tokio::test]
async fn what_one_may_not_see_does_not_exist_whatever_is_asked_of_it() {
    let stage = Stage::start(Options::unlimited()).await;
    let (_, conversation) = stage.talk().await;
    let stranger = stage.visitor().await;
    let verbs = [
        ("messages", json!({ "client_id": "c", "text": "t" })),
        ("typing", json!({ "typing": true })),
        ("read", json!({ "seq": 1 })),
        ("end", json!({})),
        ("rating", json!({ "score": 3 })),
    ];
    for (verb, right) in verbs {
        for body in [right, json!({ "surprise": 1 }), json!([])] {
            let ask = async |id: &str| {
                stage.post(&stranger.token, &format!("conversations/{id}/{verb}"), &body).await
            };
            let of_nobody = ask(NOBODYS).await;
            refused(&of_nobody, 404, "NOT_FOUND");
            assert_eq!(said(&ask(&conversation).await), said(&of_nobody), "{verb} {body}");
        }
        let path = format!("/api/v1/chat/conversations/{conversation}/{verb}");
        let broken = stage.api.post(&path).bearer(&stranger.token).body("application/json", "{");
        refused(&broken.send().await.unwrap(), 404, "NOT_FOUND");
        let media = stage.api.post(&path).bearer(&stranger.token).body("text/plain", "{}");
        refused(&media.send().await.unwrap(), 404, "NOT_FOUND");
        let nobody = stage.api.post(&path).json(&json!({})).send().await.unwrap();
        refused(&nobody, 401, "UNAUTHENTICATED");
    }
}

#[tokio::test]
async fn a_note_is_for_agents_and_hidden_from_the_visitor() {
    let stage = Stage::start(Options::unlimited()).await;
    let (visitor, conversation) = stage.talk().await;
    let (ann, admin) = (stage.agent(0).await, stage.admin().await);
    let note = |client_id: &str| json!({ "client_id": client_id, "text": "inside", "note": true });
    // Assigned or not, and also after the end.
    for (agent, client_id) in [(&ann, "n1"), (&admin, "n2")] {
        message(&stage, &agent.token, &conversation, &note(client_id)).await.expect(201).unwrap();
    }
    refused(&message(&stage, &visitor.token, &conversation, &note("v")).await, 403, "FORBIDDEN");
    stage.api.end(&visitor.token, &conversation).await.unwrap().expect(200).unwrap();
    message(&stage, &ann.token, &conversation, &note("n3")).await.expect(201).unwrap();

    let inside = stage.log(&ann.token, &conversation).await;
    assert_eq!((&inside[2]["kind"], &inside[2]["text"]), (&json!("note"), &json!("inside")));
    let outside = stage.log(&visitor.token, &conversation).await;
    for place in [2, 3, 5] {
        let at = &inside[place]["at"];
        assert_eq!(outside[place], json!({ "seq": place + 1, "at": at, "kind": "hidden" }));
    }
    assert_eq!(stage.seen(&visitor.token, &conversation).await["unread"], 0);
}

#[tokio::test]
async fn typing_is_for_those_who_talk_and_its_preview_is_short() {
    let stage = Stage::start(Options::unlimited()).await;
    let (visitor, conversation) = stage.talk().await;
    let path = format!("conversations/{conversation}/typing");
    let typing = async |token: &str, body: Value| stage.post(token, &path, &body).await;
    let right = [
        json!({ "typing": true }),
        json!({ "typing": true, "preview": "é".repeat(500) }),
        json!({ "typing": false }),
    ];
    for body in right {
        let answer = typing(&visitor.token, body).await;
        assert_eq!((answer.status, answer.bytes.len()), (204, 0), "{answer}");
    }
    invalid(&typing(&visitor.token, json!({ "typing": true, "preview": "é".repeat(501) })).await, "preview");
    invalid(&typing(&visitor.token, json!({})).await, "typing");
    invalid(&typing(&visitor.token, json!({ "typing": 1 })).await, "typing");
    let ann = stage.agent(0).await;
    refused(&typing(&ann.token, json!({ "typing": true })).await, 403, "FORBIDDEN");
    stage.take(&ann, &conversation).await;
    typing(&ann.token, json!({ "typing": true })).await.expect(204).unwrap();
    // It is no event.
    assert_eq!(stage.log(&visitor.token, &conversation).await.len(), 3);
}

#[tokio::test]
async fn read_marks_only_move_forward_and_no_further_than_the_head() {
    let stage = Stage::start(Options::unlimited()).await;
    let (visitor, conversation) = stage.talk().await;
    let (ann, bob) = (stage.agent(0).await, stage.agent(1).await);
    let read = async |token: &str, seq: u64| {
        let path = format!("conversations/{conversation}/read");
        stage.post(token, &path, &json!({ "seq": seq })).await.expect(204).unwrap();
    };
    let marks = async |token: &str| {
        let seen = stage.seen(token, &conversation).await;
        (
            seen["read"]["visitor"].as_u64().unwrap(),
            seen["read"]["agent"].as_u64().unwrap(),
            seen["unread"].clone(),
        )
    };
    // A look by others moves nothing.
    read(&bob.token, 2).await;
    assert_eq!(marks(&ann.token).await, (2, 0, json!(1)));
    stage.take(&ann, &conversation).await;
    for client_id in ["a", "b"] {
        stage.say(&ann.token, &conversation, client_id).await;
    }
    // Sending moved the agent's own mark.
    assert_eq!(marks(&ann.token).await, (2, 5, json!(0)));
    assert_eq!(marks(&visitor.token).await, (2, 5, json!(2)));
    for (seq, mark, unread) in [(4, 4, 1), (3, 4, 1), (0, 4, 1), (u64::MAX, 5, 0), (1, 5, 0)] {
        read(&visitor.token, seq).await;
        assert_eq!(marks(&visitor.token).await, (mark, 5, json!(unread)), "{seq}");
    }
    for wrong in [json!({}), json!({ "seq": -1 }), json!({ "seq": "1" }), json!({ "seq": 1.5 })] {
        let path = format!("conversations/{conversation}/read");
        invalid(&stage.post(&visitor.token, &path, &wrong).await, "seq");
    }
    // Marks are no events, and pass after the end.
    stage.api.end(&visitor.token, &conversation).await.unwrap().expect(200).unwrap();
    read(&visitor.token, 6).await;
    read(&ann.token, 6).await;
    assert_eq!(marks(&visitor.token).await, (6, 6, json!(0)));
    assert_eq!(stage.log(&visitor.token, &conversation).await.len(), 6);
}
