//! The server as a client sees it, over real connections: the order of judgement, limits, time-outs, the upgrade.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::table::Who;
use super::testing::{Answer, OTHER_SHOP, SHOP, Server};
use crate::config::Config;
use crate::demo::{AgentLogIn, Demo, LogIn};

const SOON: Duration = Duration::from_secs(5);

#[tokio::test]
async fn each_error_has_its_code_and_the_earlier_judgement_wins() {
    let server = Server::start(|limits| {
        limits.body_bytes_max = 1024;
        limits.uri_bytes_max = 128;
        limits.header_bytes_max = 2048;
        limits.headers_max = 16;
    })
    .await;
    let bearer = format!("Bearer {}", server.visitor);
    let agent = format!("Bearer {}", server.agent);
    let long_path = format!("GET /{}", "x".repeat(200));
    let long_value = "x".repeat(2048);
    let json = ("content-type", "application/json");
    let auth = ("authorization", bearer.as_str());
    let auth_agent = ("authorization", agent.as_str());
    let many: Vec<(String, &str)> = (0..20).map(|n| (format!("x-{n}"), "1")).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|(name, value)| (name.as_str(), *value)).collect();

    type Case<'a> = (&'a str, Vec<(&'a str, &'a str)>, &'a str, u16, &'a str);
    let cases: Vec<Case<'_>> = vec![
        // Sizes before anything else, also of what does not exist.
        (&long_path, vec![], "", 414, "URI_TOO_LONG"),
        ("GET /nothing", vec![("x-long", &long_value)], "", 431, "HEADERS_TOO_LARGE"),
        ("GET /nothing", many, "", 431, "HEADERS_TOO_LARGE"),
        ("POST /nothing", vec![("content-length", "1025")], "", 413, "PAYLOAD_TOO_LARGE"),
        ("POST /t/send", vec![("content-length", "1025")], "", 413, "PAYLOAD_TOO_LARGE"),
        ("POST /t/send", vec![], "", 411, "LENGTH_REQUIRED"),
        // Route and method.
        ("GET /nothing", vec![], "", 404, "NOT_FOUND"),
        ("GET /t/open/", vec![], "", 404, "NOT_FOUND"),
        ("GET //t/open", vec![], "", 404, "NOT_FOUND"),
        ("GET /t/both/", vec![auth], "", 404, "NOT_FOUND"),
        ("DELETE /t/visitor", vec![], "", 405, "METHOD_NOT_ALLOWED"),
        ("BREW /t/visitor", vec![], "", 405, "METHOD_NOT_ALLOWED"),
        // Authentication.
        ("GET /t/visitor", vec![], "", 401, "UNAUTHENTICATED"),
        ("GET /t/visitor", vec![auth, auth], "", 400, "INVALID_HEADER"),
        ("GET /t/open", vec![auth, auth], "", 400, "INVALID_HEADER"),
        ("GET /t/visitor", vec![("authorization", "Basic YTpi")], "", 401, "INVALID_TOKEN"),
        ("GET /t/visitor", vec![("authorization", "Bearer ")], "", 401, "INVALID_TOKEN"),
        ("GET /t/visitor", vec![("authorization", "Bearer nobody")], "", 401, "INVALID_TOKEN"),
        ("GET /t/visitor?token=x", vec![("x-site-key", "shop-key")], "", 401, "UNAUTHENTICATED"),
        ("GET /t/file", vec![("authorization", "Bearer nobody")], "", 401, "INVALID_TOKEN"),
        ("GET /t/site", vec![], "", 401, "UNAUTHENTICATED"),
        ("GET /t/site?site=shop-key", vec![], "", 401, "UNAUTHENTICATED"),
        ("GET /t/site", vec![("x-site-key", "nobody")], "", 401, "INVALID_TOKEN"),
        (
            "GET /t/site",
            vec![("x-site-key", "shop-key"), ("x-site-key", "shop-key")],
            "",
            400,
            "INVALID_HEADER",
        ),
        (
            "POST /t/send",
            vec![("content-length", "9"), ("origin", "https://evil.example")],
            "{\"text\":1",
            401,
            "UNAUTHENTICATED",
        ),
        // Origin, then role.
        ("GET /t/visitor", vec![auth, ("origin", OTHER_SHOP)], "", 403, "ORIGIN_NOT_ALLOWED"),
        ("GET /t/visitor", vec![auth, ("origin", "null")], "", 403, "ORIGIN_NOT_ALLOWED"),
        ("GET /t/visitor", vec![auth, ("origin", SHOP), ("origin", SHOP)], "", 400, "INVALID_HEADER"),
        ("GET /t/agent", vec![auth_agent, ("origin", SHOP)], "", 403, "ORIGIN_NOT_ALLOWED"),
        ("GET /t/agent", vec![auth, ("origin", OTHER_SHOP)], "", 403, "ORIGIN_NOT_ALLOWED"),
        ("GET /t/agent", vec![auth], "", 403, "FORBIDDEN"),
        ("GET /t/admin", vec![auth_agent], "", 403, "FORBIDDEN"),
        ("GET /t/visitor", vec![auth_agent], "", 403, "FORBIDDEN"),
        // Media type, syntax, schema.
        ("POST /t/send", vec![auth, ("content-length", "2")], "{}", 415, "UNSUPPORTED_MEDIA_TYPE"),
        ("POST /t/send", vec![auth, ("content-length", "1"), json], "{", 400, "INVALID_JSON"),
        ("POST /t/send", vec![auth, ("content-length", "0"), json], "", 400, "INVALID_JSON"),
        ("POST /t/send", vec![auth, ("content-length", "7"), json], "{\"x\":1}", 422, "VALIDATION_FAILED"),
        ("POST /t/send", vec![auth, ("content-length", "2"), json], "[]", 422, "VALIDATION_FAILED"),
        ("GET /t/panic", vec![], "", 500, "INTERNAL"),
    ];
    for (request, headers, body, status, code) in cases {
        let answer = server.ask(request, &headers, body).await;
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{request} {headers:?}");
        assert!(answer.header("x-request-id").is_some(), "{answer:?}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{answer:?}");
        assert_eq!(answer.header("content-type"), Some("application/json"), "{answer:?}");
        assert_eq!(answer.header("www-authenticate"), (status == 401).then_some("Bearer"), "{answer:?}");
        assert_eq!(answer.header("allow").is_some(), status == 405, "{answer:?}");
    }
}

#[tokio::test]
async fn what_is_allowed_is_answered_with_the_headers_that_every_answer_has() {
    let server = Server::start(|_| {}).await;
    let bearer = format!("bearer {}", server.visitor);
    let auth = ("Authorization", bearer.as_str());
    let own = server.own_origin();
    for (request, headers, body, status) in [
        ("GET /t/open", vec![("origin", "https://any.example")], "", 200),
        ("GET /t/visitor", vec![auth], "", 200),
        ("GET /t/visitor", vec![auth, ("origin", SHOP)], "", 200),
        ("GET /t/visitor", vec![auth, ("origin", own.as_str())], "", 200),
        ("GET /t/site", vec![("x-site-key", "shop-key"), ("origin", SHOP)], "", 200),
        ("GET /t/config?site=shop-key", vec![], "", 200),
        ("GET /t/both/7", vec![auth], "", 200),
        ("GET /t/file?signature=x", vec![], "", 200),
        ("GET /t/file", vec![auth, ("origin", SHOP)], "", 200),
        ("PUT /t/both/7", vec![auth], "", 201),
        (
            "POST /t/open",
            vec![("content-length", "12"), ("content-type", "application/json")],
            "{\"text\":\"a\"}",
            201,
        ),
        (
            "POST /t/open",
            vec![("transfer-encoding", "chunked"), ("content-type", "application/json")],
            "c\r\n{\"text\":\"a\"}\r\n0\r\n\r\n",
            201,
        ),
        ("GET /t/stream", vec![], "", 200),
    ] {
        let answer = server.ask(request, &headers, body).await;
        assert_eq!(answer.status, status, "{request} {headers:?} {answer:?}");
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert!(answer.header("content-length").is_some(), "{answer:?}");
        let judged = headers.iter().find(|(name, _)| *name == "origin" && !request.contains("/t/open"));
        assert_eq!(answer.header("access-control-allow-origin"), judged.map(|(_, origin)| *origin));
        assert_eq!(answer.header("access-control-allow-credentials"), None);
        assert_eq!(
            answer.header("vary").is_some(),
            !request.contains("/t/open") && !request.contains("/t/stream")
        );
    }
}

#[tokio::test]
async fn a_name_that_a_client_gives_its_request_comes_back() {
    let server = Server::start(|_| {}).await;
    let answer = server.ask("GET /nothing", &[("x-request-id", "mine-1")], "").await;
    assert_eq!(answer.header("x-request-id"), Some("mine-1"));
    assert!(answer.body.contains("\"request_id\":\"mine-1\""));
    let answer = server.ask("GET /nothing", &[("x-request-id", "not mine")], "").await;
    assert_ne!(answer.header("x-request-id"), Some("not mine"));
}

#[tokio::test]
async fn head_is_get_without_a_body_and_options_tells_the_methods() {
    let server = Server::start(|_| {}).await;
    let answer = server.ask("HEAD /t/open", &[], "").await;
    assert_eq!((answer.status, answer.body.as_str()), (200, ""));
    assert_eq!(answer.header("content-length"), Some("11"));
    let answer = server.ask("OPTIONS /t/both/1", &[], "").await;
    assert_eq!((answer.status, answer.header("allow")), (204, Some("GET, PUT, HEAD, OPTIONS")));
    assert_eq!(server.ask("OPTIONS /nothing", &[], "").await.status, 404);
}

#[tokio::test]
async fn a_preflight_is_answered_by_the_page_s_origin_alone() {
    let server = Server::start(|_| {}).await;
    let own = server.own_origin();
    for (path, origin, status) in [
        ("/t/visitor", SHOP, 204),
        ("/t/visitor", OTHER_SHOP, 204),
        ("/t/visitor", own.as_str(), 204),
        ("/t/visitor", "https://evil.example", 403),
        ("/t/visitor", "https://shop.example.evil.example", 403),
        ("/t/visitor", "http://shop.example", 403),
        ("/t/agent", SHOP, 403),
        ("/t/agent", own.as_str(), 204),
        ("/nothing", SHOP, 404),
    ] {
        let headers = [("origin", origin), ("access-control-request-method", "GET")];
        let answer = server.ask(&format!("OPTIONS {path}"), &headers, "").await;
        assert_eq!(answer.status, status, "{path} {origin}");
        // That there is no such path a page of a site may read as well.
        let allowed = matches!(status, 204 | 404).then_some(origin);
        assert_eq!(answer.header("access-control-allow-origin"), allowed, "{path} {origin}");
        assert_eq!(answer.header("access-control-allow-credentials"), None);
    }
}

#[tokio::test]
async fn a_page_of_a_site_can_read_why_it_was_refused_and_no_other_page() {
    let server = Server::start(|_| {}).await;
    let refused = server.ask("GET /t/visitor", &[("origin", SHOP)], "").await;
    assert_eq!((refused.status, refused.header("access-control-allow-origin")), (401, Some(SHOP)));
    let foreign = server.ask("GET /t/visitor", &[("origin", "https://evil.example")], "").await;
    assert_eq!((foreign.status, foreign.header("access-control-allow-origin")), (401, None));
}

#[tokio::test]
async fn a_limited_route_always_says_what_is_left() {
    let server = Server::start(|limits| limits.visitor_send_burst = 2).await;
    let bearer = format!("Bearer {}", server.visitor);
    let headers =
        [("authorization", bearer.as_str()), ("content-type", "application/json"), ("content-length", "2")];
    let mut left = Vec::new();
    for _ in 0..2 {
        let answer = server.ask("POST /t/send", &headers, "{}").await;
        assert_eq!((answer.status, answer.header("ratelimit-policy")), (201, Some("\"send\";q=2;w=2")));
        left.push(answer.header("ratelimit").unwrap().to_owned());
    }
    assert_eq!(left, ["\"send\";r=1;t=1", "\"send\";r=0;t=2"]);
    let refused = server.ask("POST /t/send", &headers, "{}").await;
    assert_eq!((refused.status, refused.code().as_str()), (429, "RATE_LIMITED"));
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert!(refused.header("ratelimit").is_some());
}

#[tokio::test]
async fn a_chunked_body_is_stopped_at_the_limit() {
    let server = Server::start(|limits| limits.body_bytes_max = 1024).await;
    let headers = [("transfer-encoding", "chunked"), ("content-type", "application/json")];
    let body = format!("800\r\n{}\r\n", "x".repeat(0x800));
    let answer = server.ask("POST /t/open", &headers, &body).await;
    assert_eq!((answer.status, answer.code().as_str()), (413, "PAYLOAD_TOO_LARGE"));
}

#[tokio::test]
async fn a_large_body_that_is_refused_does_not_cost_the_client_its_answer() {
    let server = Server::start(|_| {}).await;
    let body = "x".repeat(4 << 20);
    let length = body.len().to_string();
    let answer = server.ask("POST /t/open", &[("content-length", &length)], &body).await;
    assert_eq!((answer.status, answer.code().as_str()), (413, "PAYLOAD_TOO_LARGE"));
}

#[tokio::test]
async fn half_a_head_is_answered_408_and_silence_is_closed() {
    let server = Server::start(|limits| limits.header_timeout_s = 1).await;
    let mut silent = server.connect().await;
    let mut slow = server.connect().await;
    slow.write_all(b"GET /t/open HTTP/1.1\r\nhost:").await.unwrap();
    let answer = timeout(SOON, Answer::read(&mut slow)).await.unwrap();
    assert_eq!((answer.status, answer.code().as_str()), (408, "REQUEST_TIMEOUT"));
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    let mut nothing = Vec::new();
    timeout(SOON, silent.read_to_end(&mut nothing)).await.unwrap().unwrap();
    assert_eq!(nothing, b"");
}

#[tokio::test]
async fn half_a_body_is_answered_408() {
    let server = Server::start(|limits| limits.body_timeout_s = 1).await;
    let headers = [("content-length", "10"), ("content-type", "application/json")];
    let answer = timeout(SOON, server.ask("POST /t/open", &headers, "{")).await.unwrap();
    assert_eq!((answer.status, answer.code().as_str()), (408, "REQUEST_TIMEOUT"));
}

#[tokio::test]
async fn what_hyper_cannot_parse_is_answered_in_the_contract_s_words() {
    let server = Server::start(|_| {}).await;
    let huge = "x".repeat(200_000);
    let many: String = (0..300).map(|n| format!("x-{n}: 1\r\n")).collect();
    for (bytes, status, code) in [
        (format!("GET /t/open HTTP/1.1\r\nx-huge: {huge}\r\n\r\n"), 431, "HEADERS_TOO_LARGE"),
        (format!("GET /t/open HTTP/1.1\r\n{many}\r\n"), 431, "HEADERS_TOO_LARGE"),
        ("GET /t/open HTTP/1.1\r\nbad header\r\n\r\n".into(), 400, "INVALID_REQUEST"),
        ("\u{1}\u{2}\u{3}\r\n\r\n".into(), 400, "INVALID_REQUEST"),
    ] {
        let answer = timeout(SOON, server.ask_raw(&bytes)).await.unwrap();
        assert_eq!((answer.status, answer.code().as_str()), (status, code));
    }
}

#[tokio::test]
async fn an_address_has_so_many_connections_and_one_more_is_told_so() {
    let server = Server::start(|limits| limits.connections_per_address = 2).await;
    let mut first = server.connect().await;
    let second = server.connect().await;
    // Both are counted once the first of them is answered, since they are accepted in order.
    let mut third = server.connect().await;
    let answer = timeout(SOON, Answer::read(&mut third)).await.unwrap();
    assert_eq!((answer.status, answer.code().as_str()), (429, "RATE_LIMITED"));
    assert!(answer.header("retry-after").is_some());
    first.write_all(b"GET /t/open HTTP/1.1\r\nhost: t\r\nconnection: close\r\n\r\n").await.unwrap();
    assert_eq!(Answer::read(&mut first).await.status, 200);
    drop((first, second));
}

#[tokio::test]
async fn only_a_trusted_proxy_speaks_for_its_clients() {
    let headers = [("x-forwarded-for", "198.51.100.7, 203.0.113.9")];
    let server = Server::start(|_| {}).await;
    assert_eq!(server.ask("GET /t/open", &headers, "").await.body, "\"127.0.0.1\"");
    let trusting = Config { trusted_proxies: vec!["127.0.0.0/8".parse().unwrap()], ..Config::default() };
    let server = Server::with(trusting).await;
    assert_eq!(server.ask("GET /t/open", &headers, "").await.body, "\"203.0.113.9\"");
}

fn upgrade(origin: &str, more: &str) -> String {
    format!(
        "GET /api/v1/chat/socket HTTP/1.1\r\nhost: t\r\nconnection: keep-alive, Upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\norigin: {origin}\r\n{more}\r\n"
    )
}

#[tokio::test]
async fn an_upgrade_hands_over_the_connection_with_what_came_behind_it() {
    let server = Server::start(|_| {}).await;
    let mut socket = server.connect().await;
    let request = upgrade(OTHER_SHOP, "sec-websocket-protocol: other, switchboard.v1\r\n");
    socket.write_all(format!("{request}early").as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"early") {
        assert!(timeout(SOON, socket.read_buf(&mut bytes)).await.unwrap().unwrap() > 0, "{bytes:?}");
    }
    let answer = Answer::parse(&String::from_utf8(bytes).unwrap());
    assert_eq!((answer.status, answer.body.as_str()), (101, "early"));
    assert_eq!(answer.header("sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    assert_eq!(answer.header("sec-websocket-protocol"), Some("switchboard.v1"));
    socket.write_all(b"late").await.unwrap();
    let mut late = [0; 4];
    timeout(SOON, socket.read_exact(&mut late)).await.unwrap().unwrap();
    assert_eq!(&late, b"late");
}

#[tokio::test]
async fn an_upgrade_is_refused_for_a_foreign_page_a_wrong_request_and_too_many() {
    let server = Server::start(|limits| limits.sockets_per_address = 1).await;
    let right = upgrade(SHOP, "connection: close\r\n");
    for (request, status, code) in [
        (upgrade("https://evil.example", "connection: close\r\n"), 403, "ORIGIN_NOT_ALLOWED"),
        (right.replace("upgrade: websocket", "x: y"), 426, "UPGRADE_REQUIRED"),
        (right.replace("version: 13", "version: 8"), 426, "UPGRADE_REQUIRED"),
        (right.replace("dGhlIHNhbXBsZSBub25jZQ==", "short"), 400, "INVALID_HEADER"),
        (right.replace("/socket", "/socket?token=x"), 422, "VALIDATION_FAILED"),
        (right.replace("HTTP/1.1", "HTTP/1.0"), 426, "UPGRADE_REQUIRED"),
    ] {
        let answer = timeout(SOON, server.ask_raw(&request)).await.unwrap();
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{request}");
        assert_eq!(
            answer.header("upgrade").or(answer.header("sec-websocket-version")).is_some(),
            status == 426
        );
    }
    let mut first = server.connect().await;
    first.write_all(upgrade(SHOP, "").as_bytes()).await.unwrap();
    let mut some = [0; 12];
    first.read_exact(&mut some).await.unwrap();
    assert_eq!(&some, b"HTTP/1.1 101");
    let answer = server.ask_raw(&right).await;
    assert_eq!((answer.status, answer.code().as_str()), (429, "RATE_LIMITED"));
}

#[tokio::test]
async fn a_stop_lets_a_request_end_and_closes_what_is_idle() {
    let server = Server::start(|_| {}).await;
    let mut idle = server.connect().await;
    let mut busy = server.connect().await;
    busy.write_all(b"GET /t/slow HTTP/1.1\r\nhost: t\r\n\r\n").await.unwrap();
    // Once its answer has begun it is at work, and the connection before it is accepted too.
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"begun ") {
        assert!(timeout(SOON, busy.read_buf(&mut bytes)).await.unwrap().unwrap() > 0, "{bytes:?}");
    }
    server.stop();
    timeout(SOON, busy.read_to_end(&mut bytes)).await.unwrap().unwrap();
    assert!(bytes.ends_with(b"begun rest"));
    let mut nothing = Vec::new();
    timeout(SOON, idle.read_to_end(&mut nothing)).await.unwrap().unwrap();
    drop((idle, busy));
    timeout(SOON, server.served).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_thousand_half_open_connections_and_slow_bodies_do_not_stop_the_others() {
    let server = Server::start(|limits| limits.connections_per_address = 0).await;
    let mut open = Vec::new();
    for n in 0..1000 {
        let mut connection = server.connect().await;
        let begun: &[u8] = match n % 3 {
            0 => b"",
            1 => b"GET /t/open HTTP/1.1\r\nho",
            _ => b"POST /t/open HTTP/1.1\r\nhost: t\r\ncontent-type: application/json\r\ncontent-length: 200000\r\n\r\n{",
        };
        connection.write_all(begun).await.unwrap();
        open.push(connection);
    }
    let answer = timeout(SOON, server.ask("GET /t/open", &[], "")).await.unwrap();
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn the_server_says_how_it_is() {
    let server = Server::start(|_| {}).await;
    assert_eq!(server.ask("GET /healthz", &[], "").await.status, 200);
    let starting = server.ask("GET /readyz", &[], "").await;
    assert_eq!((starting.status, starting.code().as_str()), (503, "UNAVAILABLE"));
    server.app.readiness.set(true);
    assert_eq!(server.ask("GET /readyz", &[], "").await.status, 200);
    server.ask("GET /t/both/secret-id", &[], "").await;
    let metrics = server.ask("GET /metrics", &[], "").await;
    assert!(metrics.body.contains("route=\"/t/both/{id}\",status=\"4xx\""), "{}", metrics.body);
    assert!(!metrics.body.contains("secret-id"));
}

#[tokio::test]
async fn the_api_document_names_each_route_and_says_who_may_use_it() {
    let server = Server::start(|_| {}).await;
    let answer = server.ask("GET /api/v1/openapi.json", &[], "").await;
    let document: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    for row in super::table::table().map(|route| &route.row) {
        let operation = &document["paths"][row.path][row.method.as_str().to_lowercase()];
        assert!(operation["responses"].is_object(), "{} {}", row.method, row.path);
        let secured = operation.get("security").is_some();
        let wanted = matches!(row.who, Who::Bearer { .. } | Who::BearerOrLink | Who::Site { .. });
        assert_eq!(secured, wanted, "{} {}", row.method, row.path);
        assert!(!row.doc.summary.is_empty() && !row.doc.tag.is_empty() && !row.doc.answers.is_empty());
    }
    let codes =
        document["components"]["schemas"]["Error"]["properties"]["error"]["properties"]["code"]["enum"]
            .clone();
    assert_eq!(codes.as_array().unwrap().len(), crate::errors::ErrorCode::ALL.len());

    let etag = answer.header("etag").unwrap();
    let again = server.ask("GET /api/v1/openapi.json", &[("if-none-match", etag)], "").await;
    assert_eq!((again.status, again.body.as_str()), (304, ""));
    let other = Server::start(|_| {}).await;
    assert_eq!(other.ask("GET /api/v1/openapi.json", &[], "").await.header("etag"), Some(etag));
}

#[tokio::test]
async fn pages_load_nothing_that_they_do_not_name() {
    let server = Server::start(|_| {}).await;
    for path in ["/", "/docs"] {
        let page = server.ask(&format!("GET {path}"), &[], "").await;
        let policy = page.header("content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'none'; ") && !policy.contains("unsafe"), "{policy}");
        assert!(page.body.starts_with("<!doctype html>") && !page.body.contains("<script"), "{path}");
    }
}

#[tokio::test]
async fn the_demo_is_there_in_a_demo_alone() {
    let server = Server::start(|_| {}).await;
    assert_eq!(server.ask("GET /demo/demo.js", &[], "").await.status, 404);

    let mut documents = super::documents::build(&server.app.config);
    let log_in = |name: &str| (format!("{name}@demo.example"), format!("{name}'s password"));
    let ((email, password), ann) = (log_in("admin"), log_in("ann"));
    let demo = Demo {
        workspace_id: "ws_1".into(),
        site_id: "site_1".into(),
        site_key: "pk_1".into(),
        origin: server.app.origins.own()[0].to_string(),
        team_id: "team_1".into(),
        admin: LogIn { email, password },
        agents: vec![AgentLogIn { agent_id: "agt_1".into(), email: ann.0, password: ann.1 }],
    };
    documents.show_demo(&server.app.origins, &demo);
    let session = documents.demo_file("session.json").unwrap().reply(&http::HeaderMap::new()).text();
    assert!(session.contains("pk_1") && session.contains("ann's password"), "{session}");
    assert!(!session.contains("admin"), "the page is not given the admin's log-in: {session}");
    let page = documents.home.reply(&http::HeaderMap::new());
    let policy = page.header(&http::header::CONTENT_SECURITY_POLICY).unwrap().to_str().unwrap();
    assert!(policy.contains(&format!("connect-src 'self' ws://{}", server.address)), "{policy}");
    assert!(documents.demo_file("demo.js").is_some() && documents.demo_file("index.html").is_none());
}
