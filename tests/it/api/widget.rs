//! What a widget reads first, and what browsers ask before they ask.

use driver::Options;
use http::Method;
use serde_json::json;

use super::{Stage, invalid, refused};

const PATH: &str = "/api/v1/chat/widget/config";

#[tokio::test]
async fn the_config_is_read_by_header_or_query_and_not_sent_twice() {
    let stage = Stage::start(Options::default().limit("text_bytes_max", 77)).await;
    let (key, ready) = (stage.site_key(), stage.sandbox.ready());
    let first = stage.api.get(PATH).site(key).send().await.unwrap();
    let etag = first.header("etag").to_owned();
    assert!(etag.starts_with('"') || etag.starts_with("W/\""), "{first}");
    let config = first.expect(200).unwrap();
    let fields = ["name", "locale", "theme", "hours", "prechat", "tracking", "limits", "socket_url"];
    for field in fields {
        assert!(config.get(field).is_some(), "{field}: {config}");
    }
    assert_eq!(config["site_id"], ready.site_id.as_str());
    assert_eq!((&config["online"], &config["accepting"]), (&json!(false), &json!(true)));
    assert_eq!((&config["limits"]["text_bytes_max"], &config["tracking"]), (&json!(77), &json!("consent")));
    assert!(config["socket_url"].as_str().unwrap().ends_with("/api/v1/chat/socket"), "{config}");

    let in_query = stage.api.get(format!("{PATH}?site={key}")).send().await.unwrap();
    assert_eq!((in_query.header("etag"), &in_query.body), (etag.as_str(), &config));
    for known in [etag.as_str(), "*", &format!("\"other\", {etag}")] {
        let call = stage.api.get(PATH).site(key).header("if-none-match", known);
        let unchanged = call.send().await.unwrap();
        assert_eq!((unchanged.status, unchanged.bytes.len()), (304, 0), "{known}");
        assert_eq!(unchanged.header("etag"), etag);
    }
    // It changes with what it says.
    stage.agent(0).await;
    let later = stage.api.get(PATH).site(key).header("if-none-match", &etag).send().await.unwrap();
    assert_ne!(later.header("etag"), etag);
    assert_eq!(later.expect(200).unwrap()["online"], true);
}

#[tokio::test]
async fn who_gives_no_key_or_a_wrong_one_is_told_which() {
    let stage = Stage::start(Options::default()).await;
    refused(&stage.api.get(PATH).send().await.unwrap(), 401, "UNAUTHENTICATED");
    for key in ["pk_00000000000000000000000000000000", "nonsense"] {
        refused(&stage.api.get(PATH).site(key).send().await.unwrap(), 401, "INVALID_TOKEN");
        let in_query = stage.api.get(format!("{PATH}?site={key}")).send().await.unwrap();
        refused(&in_query, 401, "INVALID_TOKEN");
    }
    let visitor = stage.visitor().await;
    let by_token = stage.api.get(PATH).bearer(&visitor.token).send().await.unwrap();
    refused(&by_token, 401, "UNAUTHENTICATED");
    let key = stage.site_key();
    invalid(&stage.api.get(format!("{PATH}?site={key}&surprise=1")).send().await.unwrap(), "surprise");
    let twice = stage.api.get(format!("{PATH}?site={key}&site={key}")).send().await.unwrap();
    assert!([401, 422].contains(&twice.status), "{twice}");
}

#[tokio::test]
async fn head_is_get_without_a_body_and_other_methods_are_refused() {
    let stage = Stage::start(Options::default()).await;
    let get = stage.api.get(PATH).site(stage.site_key()).send().await.unwrap();
    let head = stage.api.call(Method::HEAD, PATH).site(stage.site_key()).send().await.unwrap();
    assert_eq!((head.status, head.bytes.len()), (200, 0));
    for header in ["etag", "content-type", "content-length"] {
        assert_eq!(head.header(header), get.header(header), "{header}");
    }
    let (visitor, conversation) = stage.talk().await;
    let path = format!("/api/v1/chat/conversations/{conversation}");
    let head = stage.api.call(Method::HEAD, &path).bearer(&visitor.token).send().await.unwrap();
    assert_eq!((head.status, head.bytes.len()), (200, 0));
    let missing = "/api/v1/chat/conversations/cnv_none";
    let head = stage.api.call(Method::HEAD, missing).bearer(&visitor.token).send().await.unwrap();
    assert_eq!((head.status, head.bytes.len()), (404, 0));

    let deleted = stage.api.delete(PATH).site(stage.site_key()).send().await.unwrap();
    refused(&deleted, 405, "METHOD_NOT_ALLOWED");
    assert!(deleted.header("allow").contains("GET"), "{:?}", deleted.headers);
    // Which methods there are is judged before who asks.
    refused(&stage.api.delete(path).send().await.unwrap(), 405, "METHOD_NOT_ALLOWED");
    let nowhere = stage.api.get("/api/v1/chat/nowhere").send().await.unwrap();
    refused(&nowhere, 404, "NOT_FOUND");
}

#[tokio::test]
async fn a_preflight_needs_a_listed_origin_and_the_request_its_own_sites() {
    let stage = Stage::start(Options::default()).await;
    let admin = stage.admin().await;
    let team = &stage.sandbox.ready().team_id;
    let site = json!({ "name": "Listed", "origins": ["https://listed.example"], "team_id": team });
    let listed = stage.make(&admin, "sites", &site).await;
    let preflight = async |path: &str, method: &str, origin: &str| {
        let call = stage.api.call(Method::OPTIONS, path).header("origin", origin);
        call.header("access-control-request-method", method).send().await.unwrap()
    };
    let origin = "https://listed.example";
    for (path, method) in [(PATH, "GET"), ("/api/v1/chat/conversations", "POST")] {
        let answer = preflight(path, method, origin).await;
        assert_eq!((answer.status, answer.bytes.len()), (204, 0), "{answer}");
        assert_eq!(answer.header("access-control-allow-origin"), origin);
        assert!(answer.header("access-control-allow-methods").contains(method), "{:?}", answer.headers);
        assert!(answer.header("access-control-allow-headers").contains("x-site-key"), "{:?}", answer.headers);
        assert!(!answer.headers.contains_key("access-control-allow-credentials"));
        for foreign in ["https://evil.example", "http://listed.example", "https://listed.example:444", "null"]
        {
            let answer = preflight(path, method, foreign).await;
            refused(&answer, 403, "ORIGIN_NOT_ALLOWED");
            assert!(!answer.headers.contains_key("access-control-allow-origin"), "{:?}", answer.headers);
        }
    }
    // Agents work on the server's own pages.
    let agents = "/api/v1/chat/agent/status";
    refused(&preflight(agents, "PUT", origin).await, 403, "ORIGIN_NOT_ALLOWED");
    preflight(agents, "PUT", &stage.sandbox.ready().url).await.expect(204).unwrap();

    let asked =
        async |key: &str| stage.api.get(PATH).site(key).header("origin", origin).send().await.unwrap();
    let allowed = asked(listed["key"].as_str().unwrap()).await;
    assert_eq!(allowed.header("access-control-allow-origin"), origin);
    assert!(allowed.header("vary").to_lowercase().contains("origin"), "{:?}", allowed.headers);
    allowed.expect(200).unwrap();
    // On another site's list, not on this one's.
    refused(&asked(stage.site_key()).await, 403, "ORIGIN_NOT_ALLOWED");
    let status = stage.api.get(agents).bearer(&admin.token).header("origin", origin).send().await.unwrap();
    refused(&status, 403, "ORIGIN_NOT_ALLOWED");

    // What is refused before anybody is known can be read, too: else a page would see a broken network.
    let large = vec![b' '; 300_000];
    let post = |path: &str| stage.api.post(path).header("origin", origin);
    let long = format!("{PATH}?site={}", "x".repeat(9000));
    let answers = [
        (post("/api/v1/chat/conversations").body("application/json", large), 413),
        (stage.api.get(long).header("origin", origin), 414),
        (stage.api.get("/api/v1/nothing").header("origin", origin), 404),
        (stage.api.get("/api/v1/chat/visitors").header("origin", origin), 405),
        (stage.api.get(PATH).header("origin", origin).header("x-large", &"x".repeat(17_000)), 431),
        (post("/api/v1/chat/visitors").header("x-site-key", "pk_nobodys"), 401),
    ];
    for (call, status) in answers {
        let answer = call.send().await.unwrap();
        assert_eq!(
            (answer.status, answer.header("access-control-allow-origin")),
            (status, origin),
            "{answer}"
        );
    }
    // Not by pages that may not ask, nor of what is for the server's own pages.
    for (path, from) in
        [("/api/v1/nothing", "https://evil.example"), ("/api/v1/nothing", "null"), (agents, origin)]
    {
        let answer = stage.api.call(Method::DELETE, path).header("origin", from).send().await.unwrap();
        assert!(answer.status >= 400 && answer.header("vary").to_lowercase().contains("origin"), "{answer}");
        assert!(!answer.headers.contains_key("access-control-allow-origin"), "{path}: {:?}", answer.headers);
    }

    // Any other OPTIONS is told the methods.
    let told = stage.api.call(Method::OPTIONS, "/api/v1/chat/conversations").send().await.unwrap();
    assert_eq!(told.status, 204);
    assert!(told.header("allow").contains("POST"), "{:?}", told.headers);
}
