//! Visitors: made, renewed, proven, and not too many of them.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use driver::{Answer, Options};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Map, Value, json};
use sha2::Sha256;

use super::{Stage, id_of, invalid, refused};

const PATH: &str = "/api/v1/chat/visitors";
const SECRET: &str = "thirty-two bytes of a secret key";

async fn enter(stage: &Stage, key: &str, old_token: Option<&str>, body: &Value) -> Answer {
    let call = stage.api.post(PATH).site(key).json(body);
    let call = match old_token {
        Some(token) => call.bearer(token),
        None => call,
    };
    call.send().await.unwrap()
}

/// A JWT as a site's owner makes it; `exp` is far away.
fn signed(header: &Value, claims: &Value, secret: &str) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", part(header), part(claims));
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
}

fn identity(subject: &str) -> Value {
    let claims =
        json!({ "sub": subject, "exp": 9_999_999_999_u64, "name": "Proven", "email": "p@x.example" });
    json!({ "identity": { "token": signed(&json!({ "alg": "HS256", "typ": "JWT" }), &claims, SECRET) } })
}

/// The key of a new site whose owner signs who its visitors are.
async fn signed_site(stage: &Stage) -> String {
    let admin = stage.admin().await;
    let team = &stage.sandbox.ready().team_id;
    let site = json!({ "name": "Signed", "origins": [], "team_id": team, "identity_secret": SECRET });
    stage.make(&admin, "sites", &site).await["key"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_visitor_is_made_once_and_renewed_with_their_old_token() {
    let stage = Stage::start(Options::unlimited()).await;
    let said = json!({ "name": "Vera", "email": "vera@x.example", "attributes": { "plan": "pro", "seats": 3, "new": true } });
    let made = enter(&stage, stage.site_key(), None, &said).await.expect(201).unwrap();
    let (id, token) = (made["visitor_id"].as_str().unwrap(), made["token"].as_str().unwrap());
    assert!(id.starts_with("vis_") && made["verified"] == false, "{made}");
    assert!(made["expires_at"].as_str().unwrap().ends_with('Z'), "{made}");

    let renewed = enter(&stage, stage.site_key(), Some(token), &json!({})).await.expect(200).unwrap();
    assert_eq!(renewed["visitor_id"], id);
    assert_ne!(renewed["token"], token);
    // Both tokens are the same visitor, and what they said of themselves was kept.
    let started = stage.api.start_conversation(token, "c", None).await.unwrap().expect(201).unwrap();
    let seen = stage.seen(renewed["token"].as_str().unwrap(), &id_of(&started)).await;
    assert_eq!((&seen["visitor"]["name"], &seen["visitor"]["visitor_id"]), (&json!("Vera"), &json!(id)));

    // A body may be missing, for it has no field that is required.
    let bare = stage.api.post(PATH).site(stage.site_key()).send().await.unwrap();
    assert_ne!(bare.expect(201).unwrap()["visitor_id"], id);
}

#[tokio::test]
async fn an_old_token_that_is_not_valid_here_never_becomes_a_new_visitor() {
    let stage = Stage::start(Options::unlimited()).await;
    let admin = stage.admin().await;
    let team = &stage.sandbox.ready().team_id;
    let site = json!({ "name": "Other", "origins": ["https://other.example"], "team_id": team });
    let other = stage.make(&admin, "sites", &site).await;
    let visitor = stage.visitor().await;
    let mut changed = visitor.token.clone();
    changed.replace_range(changed.len() - 3.., "AAA");
    let of_another = (other["key"].as_str().unwrap(), visitor.token.as_str());
    let key = stage.site_key();
    for (key, token) in [of_another, (key, "sbv_nonsense"), (key, &changed), (key, &admin.token)] {
        refused(&enter(&stage, key, Some(token), &json!({})).await, 401, "INVALID_TOKEN");
    }
    let basic = stage.api.post(PATH).site(key).header("authorization", "Basic eDp5").send().await.unwrap();
    refused(&basic, 401, "INVALID_TOKEN");
    let twice = stage.api.post(PATH).site(key).bearer(&visitor.token).bearer(&visitor.token);
    assert_eq!(twice.send().await.unwrap().status, 400);
}

#[tokio::test]
async fn only_a_known_site_makes_visitors() {
    let stage = Stage::start(Options::unlimited()).await;
    refused(&stage.api.post(PATH).send().await.unwrap(), 401, "UNAUTHENTICATED");
    for key in ["pk_00000000000000000000000000000000", "nonsense"] {
        refused(&stage.api.try_visitor(key).await.unwrap(), 401, "INVALID_TOKEN");
    }
    // The key in the query is for the widget's config only.
    let in_query = stage.api.post(format!("{PATH}?site={}", stage.site_key())).send().await.unwrap();
    refused(&in_query, 401, "UNAUTHENTICATED");
    let called = |origin| stage.api.post(PATH).site(stage.site_key()).header("origin", origin).send();
    refused(&called("https://evil.example").await.unwrap(), 403, "ORIGIN_NOT_ALLOWED");
    refused(&called("null").await.unwrap(), 403, "ORIGIN_NOT_ALLOWED");
    let own = called(&stage.sandbox.ready().origin).await.unwrap();
    assert_eq!(own.header("access-control-allow-origin"), stage.sandbox.ready().origin);
    own.expect(201).unwrap();
}

#[tokio::test]
async fn a_signed_identity_is_the_same_visitor_and_a_forged_one_is_nobody() {
    let stage = Stage::start(Options::unlimited()).await;
    let key = &signed_site(&stage).await;
    let first = enter(&stage, key, None, &identity("ann")).await.expect(201).unwrap();
    assert_eq!(first["verified"], true);
    let again = enter(&stage, key, None, &identity("ann")).await.expect(200).unwrap();
    assert_eq!(again["visitor_id"], first["visitor_id"]);

    // Two verified ones never merge.
    let bob = enter(&stage, key, None, &identity("bob")).await.expect(201).unwrap();
    let bob_token = bob["token"].as_str().unwrap();
    let asked = enter(&stage, key, Some(bob_token), &identity("ann")).await.expect(200).unwrap();
    assert_eq!(asked["visitor_id"], first["visitor_id"]);
    let still = enter(&stage, key, Some(bob_token), &json!({})).await.expect(200).unwrap();
    assert_eq!(still["visitor_id"], bob["visitor_id"]);

    let claims = json!({ "sub": "ann", "exp": 9_999_999_999_u64 });
    let hs256 = json!({ "alg": "HS256" });
    let expired = json!({ "sub": "ann", "exp": 1_000_000_000 });
    let forged = [
        signed(&hs256, &claims, "another secret of thirty-two byte"),
        signed(&json!({ "alg": "none" }), &claims, SECRET),
        signed(&json!({ "alg": "RS256" }), &claims, SECRET),
        signed(&hs256, &expired, SECRET),
        signed(&hs256, &json!({ "sub": "ann" }), SECRET),
        "a.b.c".to_owned(),
        String::new(),
    ];
    for token in forged {
        let answer = enter(&stage, key, None, &json!({ "identity": { "token": token } })).await;
        assert_eq!(answer.status, 401, "{token}: {answer}");
    }
    // The message is for the one who integrates: it names the claim and the rule.
    for (claims, words) in [
        (json!({ "sub": "ann" }), "claim exp must be there"),
        (json!({ "sub": "ann", "exp": "9999999999" }), "claim exp must be a number, not a text"),
        (json!({ "sub": {}, "exp": 9_999_999_999_u64 }), "claim sub must be who the visitor is"),
        (expired.clone(), "seconds ago"),
    ] {
        let token = signed(&hs256, &claims, SECRET);
        let answer = enter(&stage, key, None, &json!({ "identity": { "token": token } })).await;
        let said = answer.body["error"]["message"].as_str().unwrap();
        assert!(answer.status == 401 && said.contains(words), "{answer}");
    }
    // A number is taken as its digits; what need not be there may be anything.
    for (sub, name) in [(json!(4711), json!("")), (json!("4711"), json!(7))] {
        let claims = json!({ "sub": sub, "exp": 9_999_999_999_u64, "name": name, "email": "" });
        let token = signed(&hs256, &claims, SECRET);
        let known = enter(&stage, key, None, &json!({ "identity": { "token": token } })).await;
        assert_eq!(known.body["verified"], true, "{known}");
        assert_eq!(known.status, if sub.is_number() { 201 } else { 200 }, "{known}");
    }
    // The demo's own site has no secret.
    let without = enter(&stage, stage.site_key(), None, &identity("ann")).await;
    assert_eq!(without.status, 401, "{without}");
}

#[tokio::test]
async fn an_anonymous_visitor_who_is_verified_becomes_that_visitor_and_keeps_their_open_conversations() {
    let stage = Stage::start(Options::unlimited()).await;
    let key = &signed_site(&stage).await;
    // Nobody had the identity before: the visitor gets it and keeps their id.
    let fresh = enter(&stage, key, None, &json!({})).await.expect(201).unwrap();
    let proven = enter(&stage, key, fresh["token"].as_str(), &identity("new")).await.expect(200).unwrap();
    assert_eq!((&proven["visitor_id"], &proven["verified"]), (&fresh["visitor_id"], &json!(true)));

    let first = enter(&stage, key, None, &identity("ann")).await.expect(201).unwrap();
    let anonymous = enter(&stage, key, None, &json!({})).await.expect(201).unwrap();
    let token = anonymous["token"].as_str().unwrap();
    let started = stage.api.start_conversation(token, "c", Some("kept")).await.unwrap().expect(201).unwrap();
    let proven = enter(&stage, key, Some(token), &identity("ann")).await.expect(200).unwrap();
    assert_eq!(proven["visitor_id"], first["visitor_id"]);
    let seen = stage.api.conversation(proven["token"].as_str().unwrap(), &id_of(&started)).await.unwrap();
    assert_eq!(seen.expect(200).unwrap()["events"][1]["text"], "kept");
}

#[tokio::test]
async fn what_a_page_says_of_its_visitor_has_limits() {
    let stage = Stage::start(Options::unlimited()).await;
    let attributes = |count: usize, key: usize, value: &Value| {
        let of = |n| (format!("{n:0>key$}"), value.clone());
        json!({ "attributes": (0..count).map(of).collect::<Map<_, _>>() })
    };
    let right = [
        attributes(32, 64, &json!(1)),
        attributes(1, 1, &json!("x".repeat(4000))),
        json!({ "name": "n".repeat(200) }),
        json!({ "attributes": {} }),
        json!({ "name": "שלום\u{200f}" }),
    ];
    for body in right {
        enter(&stage, stage.site_key(), None, &body).await.expect(201).unwrap();
    }
    let wrong = [
        (attributes(33, 2, &json!(1)), "attributes"),
        (attributes(1, 65, &json!(1)), "attributes"),
        (attributes(1, 1, &json!("x".repeat(4097))), "attributes"),
        (json!({ "name": "n".repeat(201) }), "name"),
        (json!({ "name": " " }), "name"),
        (json!({ "name": "a\u{0}b" }), "name"),
        (json!({ "name": "Ann \u{202e}nimda" }), "name"),
        (json!({ "name": "\u{2066}Ann\u{2069}" }), "name"),
        (json!({ "name": 5 }), "name"),
        (json!({ "email": "no address" }), "email"),
        (json!({ "surprise": 1 }), "surprise"),
        (json!({ "identity": { "token": "t", "surprise": 1 } }), "identity.surprise"),
        (json!({ "identity": {} }), "identity.token"),
    ];
    for (body, field) in wrong {
        invalid(&enter(&stage, stage.site_key(), None, &body).await, field);
    }
    for value in [json!({}), json!([1]), json!([null])] {
        let answer = enter(&stage, stage.site_key(), None, &attributes(1, 1, &value)).await;
        refused(&answer, 422, "VALIDATION_FAILED");
    }
    let raw = |text: &'static str| stage.api.post(PATH).site(stage.site_key()).body("application/json", text);
    refused(&raw(r#"{"name":"a","name":"b"}"#).send().await.unwrap(), 422, "VALIDATION_FAILED");
    refused(&raw(r#"{"name":"a""#).send().await.unwrap(), 400, "INVALID_JSON");
    let unknown = stage.api.post(format!("{PATH}?surprise=1")).site(stage.site_key()).send().await.unwrap();
    refused(&unknown, 422, "VALIDATION_FAILED");
}

#[tokio::test]
async fn visitors_of_one_address_are_counted_and_told_how_many_are_left() {
    let stage = Stage::start(Options::default().limit("visitors_per_minute_per_address", 2)).await;
    for left in [1, 0] {
        let answer = stage.api.try_visitor(stage.site_key()).await.unwrap();
        assert_eq!(answer.header("ratelimit-policy"), "\"visitors\";q=2;w=60");
        assert!(answer.header("ratelimit").starts_with(&format!("\"visitors\";r={left};t=")), "{answer}");
        answer.expect(201).unwrap();
    }
    let answer = stage.api.try_visitor(stage.site_key()).await.unwrap();
    refused(&answer, 429, "RATE_LIMITED");
    assert!(answer.header("ratelimit").starts_with("\"visitors\";r=0;t="), "{answer}");
    let retry_after: u64 = answer.header("retry-after").parse().unwrap();
    let retry_after_ms = answer.body["error"]["retry_after_ms"].as_u64().unwrap();
    assert!((1..=30).contains(&retry_after) && retry_after_ms <= retry_after * 1000, "{answer}");
    // Who is nobody is told that first.
    refused(&stage.api.try_visitor("nonsense").await.unwrap(), 401, "INVALID_TOKEN");
}
