//! Visitors' tokens as an attacker tries them: from before an identity was proven, from before a log-out, from before a site
//! required identities.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use driver::{Answer, Api, Options, Sandbox, Socket};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::house::{ask, assert_refused, text};

const PATH: &str = "/api/v1/chat/visitors";
pub(crate) const SECRET: &str = "thirty-two bytes of a secret key";
/// Within this a revocation holds everywhere.
const REVOKED: Duration = Duration::from_secs(5);

/// A server with a site whose owner signs who its visitors are.
struct Shop {
    sandbox: Sandbox,
    api: Api,
    admin: driver::Agent,
    site: String,
    key: String,
}

impl Shop {
    async fn open() -> Self {
        let sandbox = Sandbox::start(Options::unlimited()).await.unwrap();
        let (api, login) = (sandbox.api(), &sandbox.ready().admin);
        let admin = api.login(&login.email, &login.password).await.unwrap();
        let team = &sandbox.ready().team_id;
        let site = json!({ "name": "Shop", "origins": [], "team_id": team, "identity_secret": SECRET });
        let site = ask(api.post("/api/v1/admin/sites"), &admin, &site).await.expect(201).unwrap();
        let (site, key) = (text(&site["id"]).to_owned(), text(&site["key"]).to_owned());
        Self { sandbox, api, admin, site, key }
    }

    async fn enter(&self, old_token: Option<&str>, subject: Option<&str>) -> Answer {
        let body = match subject {
            Some(subject) => json!({ "identity": { "token": signed(subject) } }),
            None => json!({}),
        };
        let call = self.api.post(PATH).site(&self.key).json(&body);
        let call = match old_token {
            Some(token) => call.bearer(token),
            None => call,
        };
        call.send().await.unwrap()
    }

    /// The token that came of it.
    async fn entered(&self, old_token: Option<&str>, subject: Option<&str>) -> String {
        let answer = self.enter(old_token, subject).await;
        assert!(matches!(answer.status, 200 | 201), "{answer}");
        text(&answer.body["token"]).to_owned()
    }

    async fn socket(&self, token: &str) -> Socket {
        let mut socket = Socket::open(&self.api).await.unwrap();
        socket.hello(token, &[]).await.unwrap();
        socket
    }

    /// Starts a conversation of this name with this token, and gives its id.
    async fn started(&self, token: &str, name: &str) -> String {
        let started = self.api.start_conversation(token, name, Some("hello")).await.unwrap();
        text(&started.expect(201).unwrap()["conversation"]["id"]).to_owned()
    }

    /// Nothing that the token was good for is it good for now.
    async fn assert_ended(&self, token: &str, conversation: &str) {
        let read = self.api.conversation(token, conversation).await.unwrap();
        let write = self.api.post_message(token, conversation, "late", "it is me").await.unwrap();
        let start = self.api.start_conversation(token, "late", None).await.unwrap();
        let renew = self.enter(Some(token), None).await;
        let steal = self.enter(Some(token), Some("mallory")).await;
        for answer in [read, write, start, renew, steal] {
            assert_refused(&answer, 401, "TOKEN_REVOKED");
        }
        let mut late = Socket::open(&self.api).await.unwrap();
        late.send_json(&json!({ "type": "hello", "token": token })).await.unwrap();
        assert_eq!(late.expect_close(REVOKED).await.unwrap().0, Some(4401));
    }
}

/// What the site's owner says of a visitor, signed with [`SECRET`].
pub(crate) fn signed(subject: &str) -> String {
    let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let claims = json!({ "sub": subject, "exp": 9_999_999_999_u64 });
    let signed = format!("{}.{}", part(json!({ "alg": "HS256" })), part(claims));
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
}

#[tokio::test]
async fn tokens_and_sockets_from_before_a_proof_or_a_log_out_are_worth_nothing() {
    let shop = Shop::open().await;
    // An identity that nobody had; then one that somebody has, and the anonymous visitor becomes that person.
    for name in ["first", "second"] {
        let fixed = shop.entered(None, None).await;
        let tab = shop.entered(Some(&fixed), None).await;
        let conversation = shop.started(&fixed, name).await;
        let (mut one, mut other) = (shop.socket(&fixed).await, shop.socket(&tab).await);
        let proven = shop.entered(Some(&tab), Some("ann")).await;
        for socket in [&mut one, &mut other] {
            assert_eq!(socket.expect_close(REVOKED).await.unwrap().0, Some(4401));
        }
        for old in [&fixed, &tab] {
            shop.assert_ended(old, &conversation).await;
        }
        let seen = shop.api.conversation(&proven, &conversation).await.unwrap().expect(200).unwrap();
        assert_eq!(seen["events"][1]["text"], "hello", "{seen}");
    }

    let first = shop.entered(None, Some("ann")).await;
    let tab = shop.entered(Some(&first), None).await;
    let bystander = shop.entered(None, None).await;
    let conversation = shop.started(&tab, "third").await;
    let (mut phone, mut theirs) = (shop.socket(&first).await, shop.socket(&bystander).await);
    let log_out =
        async |token: &str| shop.api.post(format!("{PATH}/logout")).bearer(token).send().await.unwrap();
    log_out(&tab).await.expect(204).unwrap();
    assert_eq!(phone.expect_close(REVOKED).await.unwrap().0, Some(4401));
    for old in [&first, &tab] {
        shop.assert_ended(old, &conversation).await;
        assert_refused(&log_out(old).await, 401, "TOKEN_REVOKED");
    }
    let pong = theirs.request(json!({ "type": "ping" })).await.unwrap();
    assert_eq!(pong["type"], "pong");
    let back = shop.entered(None, Some("ann")).await;
    shop.api.conversation(&back, &conversation).await.unwrap().expect(200).unwrap();
}

#[tokio::test]
async fn a_site_that_begins_to_require_identities_lets_older_anonymous_visitors_only_read_and_end() {
    let shop = Shop::open().await;
    let (anonymous, proven) = (shop.entered(None, None).await, shop.entered(None, Some("ann")).await);
    let (conversation, of_ann) = (shop.started(&anonymous, "c").await, shop.started(&proven, "c").await);
    let mut socket = shop.socket(&anonymous).await;
    let path = format!("/api/v1/admin/sites/{}", shop.site);
    let required = json!({ "identity_required": true });
    ask(shop.api.patch(path), &shop.admin, &required).await.expect(200).unwrap();

    let of = |what: &str| format!("/api/v1/chat/conversations/{conversation}/{what}");
    let typing = shop.api.post(of("typing")).bearer(&anonymous).json(&json!({ "typing": true }));
    for refused in [
        shop.api.start_conversation(&anonymous, "new", Some("hi")).await.unwrap(),
        shop.api.start_conversation(&anonymous, "c", Some("hello")).await.unwrap(),
        shop.api.post_message(&anonymous, &conversation, "m", "hi").await.unwrap(),
        typing.send().await.unwrap(),
        crate::house::upload(&shop.api, &anonymous, &conversation, "a.txt", b"text").await,
    ] {
        assert_refused(&refused, 403, "FORBIDDEN");
    }
    let send = json!({ "type": "send", "conversation_id": conversation, "client_id": "s", "text": "hi" });
    let typing = json!({ "type": "typing", "conversation_id": conversation, "typing": true });
    for frame in [send, typing] {
        let refused = socket.request(frame).await.unwrap();
        assert_eq!(refused["error"]["code"], "FORBIDDEN", "{refused}");
    }
    assert_eq!(shop.enter(Some(&anonymous), None).await.status, 401);

    shop.api.conversation(&anonymous, &conversation).await.unwrap().expect(200).unwrap();
    shop.api.end(&anonymous, &conversation).await.unwrap().expect(200).unwrap();
    shop.api.post_message(&proven, &of_ann, "m", "hi").await.unwrap().expect(201).unwrap();
    shop.api.start_conversation(&proven, "new", None).await.unwrap().expect(201).unwrap();
}

/// Sends a request whose body comes slowly: its first half, then what happens meanwhile, then the rest. Says the status and the
/// answer.
async fn slowly(api: &Api, path: &str, token: &str, body: &Value, meanwhile: impl Future) -> (u16, String) {
    let body = body.to_string();
    let (first, rest) = body.split_at(body.len() / 2);
    let mut stream = TcpStream::connect(api.address()).await.unwrap();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {token}\r\ncontent-type: application/json\r\n\
         connection: close\r\ncontent-length: {}\r\n\r\n{first}",
        api.address(),
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    // It was judged when its head was there: a request that came later is answered.
    for _ in 0..20 {
        api.get("/healthz").send().await.unwrap();
    }
    meanwhile.await;
    // As slow as a person on a bad line.
    tokio::time::sleep(Duration::from_millis(200)).await;
    stream.write_all(rest.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    (answer[9..12].parse().unwrap(), answer)
}

#[tokio::test]
async fn what_was_begun_with_a_token_that_ends_meanwhile_ends_with_it() {
    let shop = Shop::open().await;
    let api = &shop.api;
    let begin = async || {
        let token = shop.entered(None, None).await;
        let started = api.start_conversation(&token, "c", Some("hello")).await.unwrap().expect(201).unwrap();
        (token, format!("/api/v1/chat/conversations/{}", text(&started["conversation"]["id"])))
    };

    // A poll that waits tells nothing of what comes after the proof.
    for ends_by in ["proof", "log-out"] {
        let (anonymous, path) = begin().await;
        let poll = api.get(format!("{path}/events?after=2&wait_s=20")).bearer(&anonymous).send();
        let prove = async {
            for _ in 0..20 {
                api.get(&path).bearer(&anonymous).send().await.unwrap().expect(200).unwrap();
            }
            let token = if ends_by == "proof" {
                shop.entered(Some(&anonymous), Some("poll")).await
            } else {
                let logged_out = api.post(format!("{PATH}/logout")).bearer(&anonymous).send().await.unwrap();
                assert_eq!(logged_out.status, 204, "{logged_out}");
                // An agent answers what the visitor, who is gone, has asked.
                let note = json!({ "client_id": "m", "text": "for ann alone", "note": true });
                let call = api.post(format!("{path}/messages"));
                ask(call, &shop.admin, &note).await.expect(201).unwrap();
                return;
            };
            let message = json!({ "client_id": "m", "text": "for ann alone" });
            let call = api.post(format!("{path}/messages")).bearer(&token).json(&message);
            call.send().await.unwrap().expect(201).unwrap();
        };
        let (polled, ()) = tokio::join!(poll, prove);
        let polled = polled.unwrap();
        assert!(!polled.to_string().contains("for ann alone"), "{ends_by}: {polled}");
        assert_refused(&polled, 401, "TOKEN_REVOKED");
    }

    // A body that comes slowly writes nothing once its token has ended.
    let (anonymous, path) = begin().await;
    let say = |client_id: &str| json!({ "client_id": client_id, "text": "as if verified" });
    let messages = format!("{path}/messages");
    let (status, answer) = slowly(api, &messages, &anonymous, &say("kept"), async {}).await;
    assert_eq!(status, 201, "{answer}");
    let prove = async { shop.entered(Some(&anonymous), Some("slow")).await };
    let (status, answer) = slowly(api, &messages, &anonymous, &say("late"), prove).await;
    assert!(status == 401 && answer.contains("TOKEN_REVOKED"), "{answer}");

    // An agent who is logged out, and an admin who is none any more.
    let operator = &shop.admin;
    let new = async |email: &str| {
        let (password, role) = ("a long password", "admin");
        let body = json!({ "email": email, "name": "Bea", "password": password, "role": role });
        let made = ask(api.post("/api/v1/admin/agents"), operator, &body).await.expect(201).unwrap();
        (text(&made["id"]).to_owned(), api.login(email, password).await.unwrap())
    };
    let (_, bea) = new("bea@example.org").await;
    let log_out = async {
        let body = json!({ "refresh_token": bea.refresh_token });
        api.post("/api/v1/auth/logout").json(&body).send().await.unwrap();
    };
    let team = |name: &str| json!({ "name": name });
    let teams = "/api/v1/admin/teams";
    let (status, answer) = slowly(api, teams, &bea.token, &team("Late"), log_out).await;
    assert!(status == 401 && answer.contains("TOKEN_REVOKED"), "{answer}");
    let (id, cid) = new("cid@example.org").await;
    let lower = async {
        let call = api.patch(format!("/api/v1/admin/agents/{id}"));
        ask(call, operator, &json!({ "role": "agent" })).await.expect(200).unwrap();
    };
    let (status, answer) = slowly(api, teams, &cid.token, &team("Lower"), lower).await;
    assert!(status == 403 && answer.contains("FORBIDDEN"), "{answer}");
}

#[tokio::test]
async fn the_demo_gives_its_log_ins_under_its_own_names_alone() {
    let shop = Shop::open().await;
    let port = shop.api.address().port();
    let ask = async |lines: &str, file: &str| {
        let request = format!("GET /demo/{file} HTTP/1.1\r\nhost: {lines}\r\nconnection: close\r\n\r\n");
        let answer = shop.api.raw(request.as_bytes(), Duration::from_secs(5)).await.unwrap();
        String::from_utf8(answer).unwrap()
    };
    for host in
        ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "10.1.2.3", "[2001:db8::1]", "x"]
    {
        for host in [host.to_owned(), format!("{host}:{port}")] {
            let answer = ask(&host, "session.json").await;
            assert!(answer.starts_with("HTTP/1.1 403 ") && !answer.contains("password"), "{host}: {answer}");
            assert!(ask(&host, "demo.js").await.starts_with("HTTP/1.1 200 "), "{host}");
        }
    }
    for host in [
        format!("127.0.0.1:{port}"),
        format!("LocalHost:{port}"),
        format!("[::1]:{port}"),
        "localhost".into(),
    ] {
        let answer = ask(&host, "session.json").await;
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("password"), "{host}: {answer}");
    }
    // A browser says which page asks.
    let here = format!("127.0.0.1:{port}");
    for line in [
        "origin: https://evil.example",
        "origin: null",
        "origin: http://127.0.0.1",
        "origin: http://127.0.0.1.evil.example",
        "origin: http://localhost:1",
        "sec-fetch-site: cross-site",
        "sec-fetch-site: same-site",
        "sec-fetch-site: same-origin\r\nsec-fetch-site: cross-site",
    ] {
        let answer = ask(&format!("{here}\r\n{line}"), "session.json").await;
        assert!(answer.starts_with("HTTP/1.1 4") && !answer.contains("password"), "{line}: {answer}");
    }
    for line in [
        format!("origin: http://{here}"),
        "sec-fetch-site: same-origin".to_owned(),
        "sec-fetch-site: none".to_owned(),
    ] {
        let answer = ask(&format!("{here}\r\n{line}"), "session.json").await;
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("password"), "{line}: {answer}");
    }
    drop(shop.sandbox);
}
