//! From HTTP to a socket: which requests are upgraded, from which pages, and how many.

use driver::{Answer, Api, Options, Socket};
use http::Method;
use serde_json::json;

use super::raw::Raw;
use super::{PATIENCE, Stage, assert_lives, close_code};

const PATH: &str = "/api/v1/chat/socket";
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

/// Asks for an upgrade that is expected to be refused, with these headers beside those that it needs.
async fn refused(api: &Api, headers: &[(&'static str, &str)]) -> Answer {
    let needed = [
        ("connection", "keep-alive, Upgrade"),
        ("upgrade", "WebSocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", KEY),
    ];
    let given = |name: &str| headers.iter().any(|(other, _)| *other == name);
    let needed = needed.iter().filter(|(name, _)| !given(name));
    let call = needed.chain(headers).fold(api.get(PATH), |call, (name, value)| call.header(name, value));
    call.send().await.unwrap()
}

#[tokio::test]
async fn an_upgrade_that_is_none_is_refused_as_http() {
    let stage = Stage::start(Options::default()).await;
    let api = &stage.api;
    let plain = api.get(PATH).send().await.unwrap();
    assert_eq!((plain.status, plain.code()), (426, "UPGRADE_REQUIRED"), "{plain}");
    assert_eq!(plain.header("upgrade"), "websocket");
    assert!(!plain.header("x-request-id").is_empty());
    for half in [("upgrade", "h2c"), ("connection", "close")] {
        let answer = refused(api, &[half]).await;
        assert_eq!((answer.status, answer.code()), (426, "UPGRADE_REQUIRED"), "{half:?}: {answer}");
    }
    for version in ["8", "", "13, 8"] {
        let answer = refused(api, &[("sec-websocket-version", version)]).await;
        assert_eq!((answer.status, answer.header("sec-websocket-version")), (426, "13"), "{version}");
    }
    for key in ["", "short", "dGhlIHNhbXBsZSBub25jZQ"] {
        let answer = refused(api, &[("sec-websocket-key", key)]).await;
        assert_eq!((answer.status, answer.code()), (400, "INVALID_HEADER"), "{key}: {answer}");
    }
    let answer = api.get(format!("{PATH}?token=secret")).send().await.unwrap();
    assert_eq!((answer.status, answer.code()), (422, "VALIDATION_FAILED"), "{answer}");
    let answer = api.call(Method::POST, PATH).send().await.unwrap();
    assert_eq!((answer.status, answer.code()), (405, "METHOD_NOT_ALLOWED"), "{answer}");
}

#[tokio::test]
async fn the_subprotocol_is_echoed_to_those_who_ask_for_it() {
    let stage = Stage::start(Options::default()).await;
    let visitor = stage.visitor().await;
    for (asked, echoed) in [
        ("sec-websocket-protocol: switchboard.v1\r\n", true),
        ("sec-websocket-protocol: other, switchboard.v1\r\n", true),
        ("sec-websocket-protocol: other\r\nsec-websocket-protocol: switchboard.v1\r\n", true),
        ("sec-websocket-protocol: other\r\n", false),
        ("", false),
    ] {
        let Raw { head, .. } = Raw::open(&stage.api, asked).await;
        assert!(head.starts_with("http/1.1 101 "), "{asked}: {head}");
        assert!(head.contains("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo="), "{head}");
        assert_eq!(head.contains("sec-websocket-protocol: switchboard.v1\r\n"), echoed, "{asked}: {head}");
        assert_eq!(head.contains("sec-websocket-protocol"), echoed, "{asked}: {head}");
    }
    // Who offers none is served all the same.
    let mut socket = Socket::open_with(&stage.api, &[]).await.unwrap();
    socket.hello(&visitor.token, &[]).await.unwrap();
}

#[tokio::test]
async fn pages_of_no_site_are_refused_at_once_and_those_of_another_site_after_the_hello() {
    let stage = Stage::start(Options::default()).await;
    let (api, ready) = (&stage.api, stage.sandbox.ready());
    let admin = stage.admin().await;
    let site = json!({ "name": "Other", "origins": ["https://other.example"], "team_id": ready.team_id });
    let made = api.post("/api/v1/admin/sites").bearer(&admin.token).json(&site).send().await.unwrap();
    let other_key = made.expect(201).unwrap()["key"].as_str().unwrap().to_owned();

    for origin in
        ["https://evil.example", "null", "https://other.example.evil.example", "http://other.example"]
    {
        let answer = refused(api, &[("origin", origin)]).await;
        assert_eq!((answer.status, answer.code()), (403, "ORIGIN_NOT_ALLOWED"), "{origin}: {answer}");
    }
    let here = api.visitor(&ready.site_key).await.unwrap().token;
    let there = api.visitor(&other_key).await.unwrap().token;
    for (origin, token, welcome) in [
        ("https://other.example", &there, true),
        ("https://other.example", &here, false),
        ("https://other.example", &admin.token, false),
        (&ready.url, &here, true),
        (&ready.url, &there, true),
        (&ready.url, &admin.token, true),
    ] {
        let mut socket = Socket::open_with(api, &[("origin", origin)]).await.unwrap();
        if welcome {
            socket.hello(token, &[]).await.unwrap();
        } else {
            socket.send_json(&json!({ "type": "hello", "token": token })).await.unwrap();
            assert_eq!(close_code(&mut socket).await, Some(4403));
        }
    }
}

#[tokio::test]
async fn over_the_limit_of_an_address_the_upgrade_is_refused_until_one_goes() {
    let stage = Stage::start(Options::default().limit("sockets_per_address", 2)).await;
    let visitor = stage.visitor().await;
    let mut first = stage.socket(&visitor.token).await;
    // One that has not said hello counts as well.
    let second = Socket::open(&stage.api).await.unwrap();
    let answer = refused(&stage.api, &[]).await;
    assert_eq!((answer.status, answer.code()), (429, "RATE_LIMITED"), "{answer}");
    assert_eq!(answer.header("retry-after"), "5");
    assert_eq!(answer.header("ratelimit-policy"), "\"sockets\";q=2");
    assert_eq!(answer.header("ratelimit"), "\"sockets\";r=0;t=5");
    assert!(answer.body["error"]["retry_after_ms"].is_u64(), "{answer}");

    drop(second);
    let freed = async { while Socket::open(&stage.api).await.is_err() {} };
    tokio::time::timeout(PATIENCE, freed).await.unwrap();
    assert_lives(&mut first).await;
}

#[tokio::test]
async fn over_the_limit_of_a_person_their_oldest_socket_is_closed_with_4409() {
    let limits = Options::default().limit("sockets_per_visitor", 2).limit("sockets_per_agent", 1);
    let stage = Stage::start(limits).await;
    let (visitor, neighbour, agent) = (stage.visitor().await, stage.visitor().await, stage.agent(0).await);
    let mut neighbours = stage.socket(&neighbour.token).await;
    let mut first = stage.socket(&visitor.token).await;
    let mut second = stage.socket(&visitor.token).await;
    let mut third = stage.socket(&visitor.token).await;
    assert_eq!(close_code(&mut first).await, Some(4409));
    for living in [&mut second, &mut third, &mut neighbours] {
        assert_lives(living).await;
    }

    let mut first = stage.socket(&agent.token).await;
    let mut second = stage.socket(&agent.token).await;
    assert_eq!(close_code(&mut first).await, Some(4409));
    assert_lives(&mut second).await;
}
