//! The limits of the config: each, lowered, holds where it is named.

use driver::Options;
use serde_json::json;

use super::{Stage, invalid, refused};

#[tokio::test]
async fn sizes_hold_as_the_config_says() {
    let options = Options::unlimited()
        .limit("text_bytes_max", 100)
        .limit("body_bytes_max", 2000)
        .limit("page_max", 3)
        .limit("uri_bytes_max", 400)
        .limit("headers_max", 20)
        .limit("header_bytes_max", 2000);
    let stage = Stage::start(options).await;
    let (visitor, conversation) = stage.talk().await;
    let ann = stage.agent(0).await;
    let messages = format!("conversations/{conversation}/messages");
    let text = |bytes: usize| json!({ "client_id": "c", "text": "x".repeat(bytes) });
    invalid(&stage.post(&visitor.token, &messages, &text(101)).await, "text");
    let note = json!({ "client_id": "n", "text": "x".repeat(101), "note": true });
    invalid(&stage.post(&ann.token, &messages, &note).await, "text");
    let started = json!({ "client_id": "s", "text": "x".repeat(101) });
    invalid(&stage.post(&visitor.token, "conversations", &started).await, "text");
    stage.post(&visitor.token, &messages, &text(100)).await.expect(201).unwrap();

    refused(&stage.post(&visitor.token, &messages, &text(2000)).await, 413, "PAYLOAD_TOO_LARGE");
    // Sizes are judged before who asks.
    let nobody = stage.api.post(format!("/api/v1/chat/{messages}")).json(&text(2000));
    refused(&nobody.send().await.unwrap(), 413, "PAYLOAD_TOO_LARGE");

    invalid(&stage.api.events(&visitor.token, &conversation, "limit=4").await.unwrap(), "limit");
    invalid(&stage.get(&visitor.token, "conversations?limit=4").await, "limit");
    invalid(&stage.get(&ann.token, "agent/conversations?limit=4").await, "limit");
    let page = stage.api.events(&visitor.token, &conversation, "").await.unwrap().expect(200).unwrap();
    assert_eq!((page["data"].as_array().unwrap().len(), &page["has_more"]), (3, &json!(false)));

    let long = format!("/api/v1/chat/conversations?cursor={}", "x".repeat(400));
    refused(&stage.api.get(long).send().await.unwrap(), 414, "URI_TOO_LONG");
    let path = "/api/v1/chat/conversations";
    let large = stage.api.get(path).header("x-large", &"x".repeat(2000)).send().await.unwrap();
    refused(&large, 431, "HEADERS_TOO_LARGE");
    let many = (0..20).fold(stage.api.get(path), |call, _| call.header("x-many", "1"));
    refused(&many.send().await.unwrap(), 431, "HEADERS_TOO_LARGE");
}

#[tokio::test]
async fn starts_of_one_address_are_counted_and_repeats_with_them() {
    let stage = Stage::start(Options::default().limit("conversations_per_minute_per_address", 3)).await;
    let (visitor, other) = (stage.visitor().await, stage.visitor().await);
    let start = async |token: &str, client_id: &str| {
        stage.api.start_conversation(token, client_id, None).await.unwrap()
    };
    let first = start(&visitor.token, "1").await;
    assert_eq!(first.header("ratelimit-policy"), "\"conversations\";q=3;w=60");
    assert!(first.header("ratelimit").starts_with("\"conversations\";r=2;t="), "{first}");
    first.expect(201).unwrap();
    start(&visitor.token, "1").await.expect(200).unwrap();
    start(&other.token, "1").await.expect(201).unwrap();
    let answer = start(&visitor.token, "2").await;
    refused(&answer, 429, "RATE_LIMITED");
    assert!((1..=20).contains(&answer.header("retry-after").parse::<u64>().unwrap()), "{answer}");
    // Reading is not held to it.
    assert!(stage.get(&visitor.token, "conversations").await.header("ratelimit").is_empty());
}

#[tokio::test]
async fn what_is_no_message_is_counted_too_as_sends_or_as_changes() {
    const BURST: u64 = 5;
    let options = Options::unlimited()
        .limit("visitor_send_burst", BURST)
        .limit("visitor_send_per_s", 1)
        .limit("agent_send_burst", BURST)
        .limit("agent_send_per_s", 1)
        .limit("changes_burst", BURST)
        .limit("changes_per_s", 1);
    let stage = Stage::start(options).await;
    let (visitor, conversation) = stage.talk().await;
    let ann = stage.agent(0).await;
    stage.take(&ann, &conversation).await;
    let at = |verb: &str| format!("conversations/{conversation}/{verb}");
    let of_agent = |verb: &str| format!("agent/conversations/{conversation}/{verb}");
    let mut others = Vec::new();
    for (token, path, body, policy) in [
        (&visitor.token, at("rating"), json!({ "score": 5 }), "\"send\";q=5;w=5"),
        (&visitor.token, at("read"), json!({ "seq": 1 }), "\"changes\";q=5;w=5"),
        (&visitor.token, at("typing"), json!({ "typing": true }), "\"changes\";q=5;w=5"),
        (&ann.token, of_agent("tags"), json!({ "add": ["a"] }), "\"send\";q=5;w=5"),
        (&ann.token, of_agent("accept"), json!({}), "\"changes\";q=5;w=5"),
        (&ann.token, at("typing"), json!({ "typing": true }), "\"changes\";q=5;w=5"),
    ] {
        let mut passed = 0;
        let refusal = loop {
            let answer = stage.post(token, &path, &body).await;
            assert_eq!(answer.header("ratelimit-policy"), policy, "{path}");
            if answer.status == 429 {
                break answer;
            }
            passed += 1;
            assert!(passed < 1_000, "{path} is free");
        };
        refused(&refusal, 429, "RATE_LIMITED");
        assert!(refusal.header("retry-after").parse::<u64>().unwrap() >= 1, "{path}");
        others.push(passed);
    }
    assert!(others.iter().any(|passed| *passed > 0), "{others:?}");
}

#[tokio::test]
async fn messages_are_counted_for_each_sender_alone() {
    let options = Options::unlimited()
        .limit("visitor_send_burst", 3)
        .limit("visitor_send_per_s", 1)
        .limit("agent_send_burst", 2)
        .limit("agent_send_per_s", 1);
    let stage = Stage::start(options).await;
    let (visitor, conversation) = stage.talk().await;
    let ann = stage.agent(0).await;
    stage.take(&ann, &conversation).await;
    // A bucket fills while it is emptied: of so many at once, some are too many whatever the machine's speed.
    for (token, policy) in [(&visitor.token, "\"send\";q=3;w=3"), (&ann.token, "\"send\";q=2;w=2")] {
        let sent = (0..40).map(|n| {
            let client_id = n.to_string();
            let (stage, conversation) = (&stage, &conversation);
            async move { stage.api.post_message(token, conversation, &client_id, "text").await.unwrap() }
        });
        let answers = futures_util::future::join_all(sent).await;
        let mut limited = answers.iter().filter(|answer| answer.status == 429);
        let first = limited.next().unwrap();
        refused(first, 429, "RATE_LIMITED");
        assert_eq!(first.header("retry-after"), "1", "{first}");
        assert!(answers.iter().all(|answer| [201, 429].contains(&answer.status)));
        assert!(answers.iter().all(|answer| answer.header("ratelimit-policy") == policy), "{answers:?}");
        assert!(answers.iter().filter(|answer| answer.status == 201).count() >= 2);
    }
}

#[tokio::test]
async fn zero_turns_rates_and_counts_off() {
    let stage = Stage::start(Options::unlimited()).await;
    let visitor = stage.visitor().await;
    let answer = stage.api.try_visitor(stage.site_key()).await.unwrap();
    assert!(answer.header("ratelimit").is_empty() && answer.header("ratelimit-policy").is_empty());
    for n in 0..12 {
        let started = stage.api.start_conversation(&visitor.token, &n.to_string(), None).await.unwrap();
        started.expect(201).unwrap();
    }
}
