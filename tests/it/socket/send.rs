//! Sending: once, however often it is repeated, within the sender's rate, and a note for agents alone.

use driver::Options;
use serde_json::{Value, json};

use super::{Stage, Talk, assert_lives, assert_no_more_events, code, events, send, subscribe};

#[tokio::test]
async fn a_message_is_sent_once_however_often_it_is_repeated() {
    let stage = Stage::start(Options::default()).await;
    let Talk { visitor, conversation } = &stage.talk(0).await;
    let mut socket = stage.listener(&visitor.token, conversation).await;
    let text = "  Grüße \u{1f44b}\n\tline two ";
    let sent = send(&mut socket, conversation, "c1", text).await;
    assert_eq!((&sent["type"], &sent["seq"]), (&json!("sent"), &json!(2)), "{sent}");
    assert!(sent["message_id"].as_str().unwrap().starts_with("msg_"), "{sent}");
    let event = &events(&mut socket, conversation, 2..=2).await[0];
    assert_eq!((&event["text"], &event["client_id"]), (&json!(text), &json!("c1")));
    assert_eq!((&event["message_id"], &event["at"]), (&sent["message_id"], &sent["at"]));
    assert_eq!(event["by"], json!({ "kind": "visitor", "id": visitor.visitor_id }));

    // On this socket, on another one and by HTTP: the same answer, and nothing is stored.
    let same = |other: &Value| {
        ["message_id", "seq", "at"].iter().all(|field| other[field] == sent[field] && !sent[field].is_null())
    };
    let mut other_device = stage.socket(&visitor.token).await;
    for device in [&mut socket, &mut other_device] {
        let again = send(device, conversation, "c1", text).await;
        assert!(again["type"] == "sent" && same(&again), "{again}");
        let conflict = send(device, conversation, "c1", "other words").await;
        assert_eq!(code(&conflict), "IDEMPOTENCY_CONFLICT", "{conflict}");
        assert_eq!(conflict["conversation_id"], json!(conversation));
    }
    let by_http = stage.api.post_message(&visitor.token, conversation, "c1", text).await.unwrap();
    assert!(same(&by_http.clone().expect(200).unwrap()), "{by_http}");
    assert_eq!(send(&mut socket, conversation, "c2", text).await["seq"], 3);
    events(&mut socket, conversation, 3..=3).await;
    assert_no_more_events(&mut socket);
}

#[tokio::test]
async fn what_breaks_a_rule_is_refused_with_its_field_and_stored_nowhere() {
    let stage = Stage::start(Options::default()).await;
    let Talk { visitor, conversation } = &stage.talk(0).await;
    let mut socket = stage.listener(&visitor.token, conversation).await;
    let client_id_too_long = "c".repeat(129);
    let text_too_long = "é".repeat(8_193);
    for (fields, field) in [
        (json!({ "text": "" }), "text"),
        (json!({ "text": " \t\r\n " }), "text"),
        (json!({ "text": "bell \u{7}" }), "text"),
        (json!({ "text": text_too_long }), "text"),
        (json!({ "text": null }), "text"),
        (json!({ "file_ids": [] }), "text"),
        (json!({ "text": "a", "client_id": "" }), "client_id"),
        (json!({ "text": "a", "client_id": client_id_too_long }), "client_id"),
        (json!({ "text": "a", "client_id": "with space" }), "client_id"),
        (json!({ "file_ids": ["file_00000000000070008000000000000000"] }), "file_ids[0]"),
        (json!({ "text": "a", "file_ids": ["nonsense"] }), "file_ids[0]"),
        (json!({ "text": 1 }), "text"),
        (json!({ "text": "a", "note": "yes" }), "note"),
        (json!({ "text": "a", "colour": "red" }), "colour"),
    ] {
        let mut frame = json!({ "type": "send", "conversation_id": conversation, "client_id": "c" });
        frame.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let error = socket.request(frame).await.unwrap();
        assert_eq!(code(&error), "VALIDATION_FAILED", "{fields}: {error}");
        assert_eq!(error["error"]["details"][0]["field"], field, "{fields}: {error}");
        assert!(error["error"]["details"][0]["rule"].is_string(), "{error}");
        assert!(error["error"]["message"].is_string() && error["error"]["request_id"].is_string(), "{error}");
    }
    assert_eq!(send(&mut socket, conversation, "c", "now it is right").await["seq"], 2);
    events(&mut socket, conversation, 2..=2).await;

    stage.api.end(&visitor.token, conversation).await.unwrap().expect(200).unwrap();
    events(&mut socket, conversation, 3..=3).await;
    assert_eq!(code(&send(&mut socket, conversation, "late", "still there?").await), "CONVERSATION_ENDED");
    assert_eq!(send(&mut socket, conversation, "c", "now it is right").await["seq"], 2);
}

#[tokio::test]
async fn over_their_rate_a_sender_is_told_when_to_come_again() {
    let limits = Options::default().limit("visitor_send_burst", 3).limit("agent_send_burst", 2);
    let stage = Stage::start(limits).await;
    let Talk { visitor, conversation } = &stage.talk(0).await;
    let agent = stage.agent(0).await;
    stage.api.accept(&agent.token, conversation).await.unwrap().expect(200).unwrap();
    let mut of_visitor = stage.socket(&visitor.token).await;
    let mut of_agent = stage.socket(&agent.token).await;
    for (socket, burst, pace_ms) in [(&mut of_visitor, 3, 1_000), (&mut of_agent, 2, 200)] {
        // The bucket fills while this runs, so a few more than the burst may pass.
        let mut passed = 0;
        let limited = loop {
            let reply = send(socket, conversation, &format!("m{passed}"), "text").await;
            if reply["type"] != "sent" {
                break reply;
            }
            passed += 1;
            assert!(passed < 50, "there is no limit");
        };
        assert!(passed >= burst, "{passed} of {burst}");
        assert_eq!((code(&limited), &limited["conversation_id"]), ("RATE_LIMITED", &json!(conversation)));
        let wait_ms = limited["error"]["retry_after_ms"].as_u64().unwrap();
        assert!((1..=pace_ms).contains(&wait_ms), "{limited}");
        assert_lives(socket).await;
    }
    // The bucket is the sender's, not the socket's.
    let by_http = stage.api.post_message(&visitor.token, conversation, "http", "text").await.unwrap();
    assert_eq!((by_http.status, by_http.code()), (429, "RATE_LIMITED"), "{by_http}");
}

#[tokio::test]
async fn a_note_is_for_agents_and_a_visitor_sees_only_that_there_is_something() {
    let stage = Stage::start(Options::default()).await;
    let Talk { visitor, conversation } = &stage.talk(0).await;
    let agent = stage.agent(0).await;
    let mut visitors = stage.listener(&visitor.token, conversation).await;
    let mut agents = stage.listener(&agent.token, conversation).await;
    let note = |client_id: &str| {
        json!({
            "type": "send", "conversation_id": conversation, "client_id": client_id, "note": true,
            "text": "They have called twice.",
        })
    };
    assert_eq!(code(&visitors.request(note("v")).await.unwrap()), "FORBIDDEN");
    // Assigned or not, an agent who sees it may write a note; a message they may not write yet.
    assert_eq!(code(&send(&mut agents, conversation, "m", "Hello").await), "FORBIDDEN");
    let sent = agents.request(note("n")).await.unwrap();
    assert_eq!((&sent["type"], &sent["seq"]), (&json!("sent"), &json!(2)), "{sent}");

    let event = &events(&mut agents, conversation, 2..=2).await[0];
    assert_eq!((&event["kind"], &event["text"]), (&json!("note"), &json!("They have called twice.")));
    assert_eq!((&event["message_id"], &event["by"]["id"]), (&sent["message_id"], &json!(agent.agent_id)));
    let hidden = json!({ "seq": 2, "at": sent["at"], "kind": "hidden" });
    assert_eq!(events(&mut visitors, conversation, 2..=2).await[0], hidden);
    // Replayed it is the same.
    subscribe(&mut visitors, conversation, Some(1)).await;
    assert_eq!(events(&mut visitors, conversation, 2..=2).await[0], hidden);
}
