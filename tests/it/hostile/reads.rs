//! People who read without end: over HTTP they are refused until it is paid, a socket's replay goes on at its rate, and
//! nobody else notices.

use std::time::Duration;

use driver::{Api, Frame, Options, Sandbox, Socket, Visitor};
use serde_json::json;
use tokio::time::{Instant, timeout};

use super::assert_unharmed;

const PATIENCE: Duration = Duration::from_secs(60);
/// The least that the config takes.
const BYTES: u64 = 65_536;
/// More than a replay reads at once, and in all several times [`BYTES`].
const MESSAGES: usize = 300;

async fn talk(api: &Api, site_key: &str) -> (Visitor, String) {
    let visitor = api.visitor(site_key).await.unwrap();
    let started = api.start_conversation(&visitor.token, "talk", None).await.unwrap().expect(201).unwrap();
    let conversation = started["conversation"]["id"].as_str().unwrap().to_owned();
    let text = "x".repeat(500);
    for number in 0..MESSAGES {
        let posted = api.post_message(&visitor.token, &conversation, &format!("m{number}"), &text).await;
        posted.unwrap().expect(201).unwrap();
    }
    (visitor, conversation)
}

#[tokio::test]
async fn reading_costs_and_only_those_pay_who_read() {
    let options = Options::unlimited().limit("read_bytes_burst", BYTES).limit("read_bytes_per_s", BYTES);
    let sandbox = Sandbox::start(options).await.unwrap();
    let (api, site_key) = (sandbox.api(), &sandbox.ready().site_key);
    let (visitor, conversation) = talk(&api, site_key).await;
    let path = format!("/api/v1/chat/conversations/{conversation}");
    let login = &sandbox.ready().admin;
    let admin = api.login(&login.email, &login.password).await.unwrap();

    let until = Instant::now() + PATIENCE;
    let refused = loop {
        assert!(Instant::now() < until, "reading without end is not refused");
        let answer = api.events(&visitor.token, &conversation, "limit=200").await.unwrap();
        if answer.status == 429 {
            break answer;
        }
        answer.expect(200).unwrap();
    };
    assert_eq!(refused.code(), "RATE_LIMITED");
    assert_eq!(refused.header("ratelimit-policy"), "\"reads\";q=65536;w=1");
    assert!(refused.header("ratelimit").starts_with("\"reads\";r=0;t="), "{refused}");
    assert!(refused.header("retry-after").parse::<u64>().unwrap() >= 1, "{refused}");
    // All reads are of one bucket, and what is written has its own.
    for read in [&path, "/api/v1/chat/conversations"] {
        let answer = api.get(read).bearer(&visitor.token).send().await.unwrap();
        assert!(matches!(answer.status, 200 | 429), "{read}: {answer}");
    }
    api.post_message(&visitor.token, &conversation, "more", "text").await.unwrap().expect(201).unwrap();
    let others = format!("{path}/events?limit=10");
    api.get(others).bearer(&admin.token).send().await.unwrap().expect(200).unwrap();
    let again = async { while api.events(&visitor.token, &conversation, "").await.unwrap().status != 200 {} };
    timeout(PATIENCE, again).await.expect("a debt is paid in time");

    // A replay is paced: what else the socket is asked is answered before it is through.
    let mut socket = Socket::open(&api).await.unwrap();
    socket.hello(&visitor.token, &[]).await.unwrap();
    let subscribe = json!({ "type": "subscribe", "conversation_id": conversation, "after": 0 });
    assert_eq!(socket.request(subscribe).await.unwrap()["type"], "subscribed");
    let is_event = |frame: &serde_json::Value| frame["type"] == "event";
    socket.expect_push(is_event, PATIENCE).await.unwrap();
    socket.send_json(&json!({ "type": "ping", "id": "p" })).await.unwrap();
    let (mut events, mut before_the_pong) = (1, None);
    let all = MESSAGES + 2;
    while events < all {
        match socket.next_within(PATIENCE).await.unwrap().expect("the replay goes on") {
            Frame::Json(frame) if frame["type"] == "event" => {
                events += 1;
                assert_eq!(frame["seq"], events);
            }
            Frame::Json(frame) if frame["type"] == "pong" => before_the_pong = Some(events),
            Frame::Json(_) => {}
            closed @ Frame::Closed { .. } => panic!("{closed:?}"),
        }
    }
    let before_the_pong = before_the_pong.expect("the pong does not wait for the replay");
    assert!(before_the_pong < all, "{before_the_pong}");
    assert_unharmed(&sandbox).await;
}

#[tokio::test]
async fn lists_records_pages_and_documents_cost_as_well() {
    let options = Options::unlimited()
        .limit("address_read_bytes_burst", BYTES)
        .limit("address_read_bytes_per_s", BYTES);
    let sandbox = Sandbox::start(options).await.unwrap();
    let api = sandbox.api();
    let login = &sandbox.ready().agents[0];
    let agent = api.login(&login.email, &login.password).await.unwrap();
    for path in [
        "/api/v1/chat/agent/conversations",
        "/api/v1/chat/canned-responses",
        "/api/v1/chat/agent/colleagues",
        "/api/v1/chat/agent/status",
        "/api/v1/auth/me",
        "/api/v1/openapi.json",
        "/docs",
        "/",
    ] {
        let refused = async {
            loop {
                let answer = api.get(path).bearer(&agent.token).send().await.unwrap();
                if answer.status == 429 {
                    return answer;
                }
                assert_eq!(answer.status, 200, "{path}: {answer}");
            }
        };
        let refused = timeout(PATIENCE, refused).await.expect(path);
        assert_eq!(refused.header("ratelimit-policy"), "\"reads-address\";q=65536;w=1", "{path}");
        let again = async { while api.get(path).bearer(&agent.token).send().await.unwrap().status != 200 {} };
        timeout(PATIENCE, again).await.expect(path);
    }
    assert_unharmed(&sandbox).await;
}
