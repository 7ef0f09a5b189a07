//! The first frame: who is welcomed and with what, who is not, and what goes on from an earlier socket.

use std::time::{Duration, Instant};

use driver::{Frame, Options, Socket};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use super::{PATIENCE, Stage, assert_lives, close_code, code, events, push};

#[tokio::test]
async fn a_visitor_is_welcomed_with_who_they_are_and_what_they_may() {
    let stage = Stage::start(Options::default()).await;
    let visitor = stage.visitor().await;
    let mut socket = Socket::open(&stage.api).await.unwrap();
    let welcome = socket.hello(&visitor.token, &[]).await.unwrap();
    let ready = stage.sandbox.ready();
    let principal = json!({
        "kind": "visitor", "id": visitor.visitor_id, "workspace_id": ready.workspace_id,
        "site_id": ready.site_id,
    });
    assert_eq!(welcome["principal"], principal);
    assert!(welcome["session_id"].as_str().is_some_and(|id| !id.is_empty()), "{welcome}");
    assert_eq!(welcome["heartbeat_s"], 25);
    assert_eq!(welcome["limits"]["frame_bytes_max"], 65_536);
    assert_eq!(welcome["limits"]["text_bytes_max"], 16_384);
    for of_agents in ["status", "capacity", "held", "offers"] {
        assert!(welcome.get(of_agents).is_none(), "{of_agents}: {welcome}");
    }
}

#[tokio::test]
async fn an_agent_is_welcomed_with_their_status_and_what_they_hold() {
    let stage = Stage::start(Options::default()).await;
    let login = &stage.sandbox.ready().agents[0];
    let agent = stage.api.login(&login.email, &login.password).await.unwrap();
    let mut socket = Socket::open(&stage.api).await.unwrap();
    let welcome = socket.hello(&agent.token, &[]).await.unwrap();
    let workspace_id = &stage.sandbox.ready().workspace_id;
    let principal = json!({ "kind": "agent", "id": agent.agent_id, "workspace_id": workspace_id });
    assert_eq!(welcome["principal"], principal);
    assert_eq!((&welcome["status"], &welcome["capacity"]), (&json!("offline"), &json!(5)));
    assert_eq!((&welcome["held"], &welcome["offers"]), (&json!([]), &json!([])));

    let agent = stage.agent(0).await;
    let talk = stage.talk(2).await;
    stage.api.accept(&agent.token, &talk.conversation).await.unwrap().expect(200).unwrap();
    let mut socket = Socket::open(&stage.api).await.unwrap();
    let welcome = socket.hello(&agent.token, &[]).await.unwrap();
    assert_eq!(welcome["status"], "online");
    let held = welcome["held"].as_array().unwrap();
    assert_eq!(held.len(), 1, "{welcome}");
    assert_eq!((&held[0]["id"], &held[0]["state"]), (&json!(talk.conversation), &json!("assigned")));
    assert_eq!((&held[0]["last_seq"], &held[0]["unread"]), (&json!(4), &json!(2)));
}

#[tokio::test]
async fn what_is_resumed_goes_on_and_what_is_foreign_is_told_and_stops_nothing() {
    let stage = Stage::start(Options::default()).await;
    let talk = stage.talk(3).await;
    let other = stage.conversation_of(&talk.visitor, "other").await;
    let foreign = stage.talk(1).await.conversation;
    let ended = stage.conversation_of(&talk.visitor, "ended").await;
    stage.api.end(&talk.visitor.token, &ended).await.unwrap().expect(200).unwrap();

    let mut socket = Socket::open(&stage.api).await.unwrap();
    let resume = [
        (talk.conversation.as_str(), Some(2)),
        (foreign.as_str(), Some(0)),
        ("cnv_nonsense", Some(0)),
        // Without a position only what comes from now on, as by `subscribe`.
        (other.as_str(), None),
        (ended.as_str(), Some(1)),
    ];
    let welcome = socket.hello(&talk.visitor.token, &resume).await.unwrap();
    for refused in [&foreign, "cnv_nonsense"] {
        let error = push(&mut socket, "error").await;
        assert_eq!((code(&error), &error["conversation_id"]), ("NOT_FOUND", &json!(refused)));
        assert_eq!(error["reply_to"], welcome["reply_to"]);
    }
    for (conversation, last_seq) in [(&talk.conversation, 4), (&other, 1), (&ended, 2)] {
        let subscribed = push(&mut socket, "subscribed").await;
        let told = (&subscribed["conversation_id"], &subscribed["last_seq"]);
        assert_eq!(told, (&json!(conversation), &json!(last_seq)));
    }
    events(&mut socket, &talk.conversation, 3..=4).await;
    events(&mut socket, &ended, 2..=2).await;
    for _ in 0..2 {
        let caught_up = push(&mut socket, "caught_up").await;
        let seq = if caught_up["conversation_id"] == json!(ended) { 2 } else { 4 };
        assert_eq!(caught_up["seq"], seq, "{caught_up}");
    }
    stage.say(&talk, "live").await;
    events(&mut socket, &talk.conversation, 5..=5).await;
}

#[tokio::test]
async fn a_hello_resumes_at_most_200_conversations() {
    let stage = Stage::start(Options::default()).await;
    let talk = stage.talk(0).await;
    let mut socket = Socket::open(&stage.api).await.unwrap();
    let resume = vec![(talk.conversation.as_str(), Some(0)); 201];
    socket.hello(&talk.visitor.token, &resume).await.unwrap();
    let error = push(&mut socket, "error").await;
    assert_eq!(
        (code(&error), &error["error"]["details"][0]["field"]),
        ("VALIDATION_FAILED", &json!("resume"))
    );
    assert_lives(&mut socket).await;
}

#[tokio::test]
async fn a_first_frame_that_is_no_hello_closes_with_4400() {
    let stage = Stage::start(Options::default()).await;
    let talk = stage.talk(0).await;
    let token = &talk.visitor.token;
    let first_frames = [
        "hello".to_owned(),
        "{\"type\":\"hello\"".to_owned(),
        "[]".to_owned(),
        "\"hello\"".to_owned(),
        json!({}).to_string(),
        json!({ "type": "ping" }).to_string(),
        json!({ "type": "subscribe", "conversation_id": talk.conversation }).to_string(),
        json!({ "type": ["hello"], "token": token }).to_string(),
        json!({ "type": "hello" }).to_string(),
        json!({ "type": "hello", "token": 1 }).to_string(),
    ];
    for first in first_frames {
        let mut socket = Socket::open(&stage.api).await.unwrap();
        socket.send(Message::text(first.clone())).await.unwrap();
        assert_eq!(close_code(&mut socket).await, Some(4400), "{first}");
    }
}

#[tokio::test]
async fn a_token_that_is_none_closes_with_4401() {
    let stage = Stage::start(Options::default()).await;
    let visitor = stage.visitor().await;
    let (changed, last) = visitor.token.split_at(visitor.token.len() - 1);
    let changed = format!("{changed}{}", if last == "a" { "b" } else { "a" });
    let site_key = stage.sandbox.ready().site_key.clone();
    for token in [String::new(), "secret".into(), "\u{0}é".into(), site_key, changed, "x".repeat(10_000)] {
        let mut socket = Socket::open(&stage.api).await.unwrap();
        let hello: Value = json!({ "type": "hello", "token": token });
        socket.send_json(&hello).await.unwrap();
        assert_eq!(close_code(&mut socket).await, Some(4401), "{token}");
    }
}

#[tokio::test]
async fn who_says_no_hello_in_time_is_closed_with_4408() {
    let stage = Stage::start(Options::default().limit("hello_timeout_s", 1)).await;
    let visitor = stage.visitor().await;
    let mut greeted = stage.socket(&visitor.token).await;
    let mut silent = Socket::open(&stage.api).await.unwrap();
    let opened = Instant::now();
    // A sign of life is no hello.
    silent.send(Message::Ping("still here".into())).await.unwrap();
    assert_eq!(silent.expect_close(PATIENCE).await.unwrap().0, Some(4408));
    assert!(opened.elapsed() > Duration::from_millis(900), "{:?}", opened.elapsed());
    assert_lives(&mut greeted).await;
}

#[tokio::test]
async fn more_hellos_than_the_server_takes_close_with_1013_and_may_come_again() {
    let stage = Stage::start(Options::unlimited().limit("hellos_per_s", 1)).await;
    let visitor = stage.visitor().await;
    let mut sockets = Vec::new();
    for _ in 0..10 {
        sockets.push(Socket::open(&stage.api).await.unwrap());
    }
    for socket in &mut sockets {
        socket.send_json(&json!({ "type": "hello", "id": "1", "token": visitor.token })).await.unwrap();
    }
    let (mut welcomed, mut refused) = (0, 0);
    for socket in &mut sockets {
        match socket.next().await.unwrap() {
            Frame::Json(frame) if frame["type"] == "welcome" => welcomed += 1,
            Frame::Closed { code: Some(1013), .. } => refused += 1,
            other => panic!("{other:?}"),
        }
    }
    assert!(welcomed >= 1 && refused >= 1, "{welcomed} welcomed, {refused} refused");
    let again = async {
        loop {
            let mut socket = Socket::open(&stage.api).await.unwrap();
            socket.send_json(&json!({ "type": "hello", "id": "1", "token": visitor.token })).await.unwrap();
            if let Frame::Json(_) = socket.next().await.unwrap() {
                break;
            }
        }
    };
    tokio::time::timeout(PATIENCE, again).await.unwrap();
}
