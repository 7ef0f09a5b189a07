//! The routes of talking, as their clients have them: what each answers, each error that the contract names for it,
//! and each limit. One file a resource; the tests of a file share servers where they do not disturb each other.

use driver::{Agent, Answer, Api, Options, Sandbox, Visitor};
use serde_json::{Value, json};

mod conversations;
mod events;
mod limits;
mod lists;
mod messages;
mod status;
mod tags;
mod transfer;
mod verbs;
mod visitors;
mod widget;

/// An id that is well-formed and names nothing.
const NOBODYS: &str = "cnv_0190aaaabbbb8ccc8dddeeeeffff0000";

/// A server of the test's own.
struct Stage {
    sandbox: Sandbox,
    api: Api,
}

impl Stage {
    /// Of a server on which nothing happens by itself while a test runs: offers last and agents stay present.
    async fn start(options: Options) -> Self {
        let options =
            options.setting("routing.accept_timeout_s", "600").setting("routing.agent_grace_s", "600");
        let sandbox = Sandbox::start(options).await.unwrap();
        let api = sandbox.api();
        Self { sandbox, api }
    }

    fn site_key(&self) -> &str {
        &self.sandbox.ready().site_key
    }

    async fn visitor(&self) -> Visitor {
        self.api.visitor(self.site_key()).await.unwrap()
    }

    /// A new visitor with a conversation that says "hello" in its second event.
    async fn talk(&self) -> (Visitor, String) {
        let visitor = self.visitor().await;
        let answer = self.api.start_conversation(&visitor.token, "talk", Some("hello")).await.unwrap();
        let started = answer.expect(201).unwrap();
        (visitor, id_of(&started))
    }

    /// An agent of the demo's team, logged in and online.
    async fn agent(&self, place: usize) -> Agent {
        let login = &self.sandbox.ready().agents[place];
        let agent = self.api.login(&login.email, &login.password).await.unwrap();
        self.api.set_status(&agent.token, "online").await.unwrap().expect(200).unwrap();
        agent
    }

    async fn admin(&self) -> Agent {
        let login = &self.sandbox.ready().admin;
        self.api.login(&login.email, &login.password).await.unwrap()
    }

    /// What an admin makes: `kind` is `teams`, `sites` or `agents`.
    async fn make(&self, admin: &Agent, kind: &str, body: &Value) -> Value {
        let call = self.api.post(format!("/api/v1/admin/{kind}")).bearer(&admin.token).json(body);
        call.send().await.unwrap().expect(201).unwrap()
    }

    /// An agent of these teams with room for `capacity`, logged in, and still offline.
    async fn new_agent(&self, admin: &Agent, name: &str, teams: &[&str], capacity: u32) -> Agent {
        let (email, password) = (format!("{name}@made.example"), format!("password of {name}"));
        let body = json!({ "email": email, "password": password, "name": name, "role": "agent",
            "team_ids": teams, "capacity": capacity });
        self.make(admin, "agents", &body).await;
        self.api.login(&email, &password).await.unwrap()
    }

    /// A path is what follows `/api/v1/chat/`, here and below.
    async fn get(&self, token: &str, path: &str) -> Answer {
        self.api.get(format!("/api/v1/chat/{path}")).bearer(token).send().await.unwrap()
    }

    async fn post(&self, token: &str, path: &str, body: &Value) -> Answer {
        self.api.post(format!("/api/v1/chat/{path}")).bearer(token).json(body).send().await.unwrap()
    }

    /// The answer must have this status, and be about a conversation, which is given.
    async fn verb(&self, token: &str, path: &str, body: &Value) -> Value {
        self.post(token, path, body).await.expect(200).unwrap()["conversation"].take()
    }

    async fn say(&self, token: &str, conversation: &str, client_id: &str) -> Value {
        let text = format!("text of {client_id}");
        let answer = self.api.post_message(token, conversation, client_id, &text).await.unwrap();
        answer.expect(201).unwrap()
    }

    /// The conversation as who holds the token has it.
    async fn seen(&self, token: &str, conversation: &str) -> Value {
        let answer = self.api.conversation(token, conversation).await.unwrap();
        answer.expect(200).unwrap()["conversation"].take()
    }

    /// All events, as who holds the token has them; the log must be dense.
    async fn log(&self, token: &str, conversation: &str) -> Vec<Value> {
        let answer = self.api.events(token, conversation, "limit=200").await.unwrap();
        let page = answer.expect(200).unwrap();
        let events = page["data"].as_array().unwrap().clone();
        for (place, event) in events.iter().enumerate() {
            assert_eq!(event["seq"], place as u64 + 1, "{page}");
        }
        assert_eq!(page["last_seq"], events.len() as u64, "{page}");
        events
    }

    async fn kinds(&self, token: &str, conversation: &str) -> Vec<String> {
        let log = self.log(token, conversation).await;
        log.iter().map(|event| event["kind"].as_str().unwrap().to_owned()).collect()
    }

    async fn take(&self, agent: &Agent, conversation: &str) {
        self.api.accept(&agent.token, conversation).await.unwrap().expect(200).unwrap();
    }
}

fn id_of(started: &Value) -> String {
    started["conversation"]["id"].as_str().unwrap().to_owned()
}

/// It must be an error of this status and code, with all that every error has.
#[track_caller]
fn refused(answer: &Answer, status: u16, code: &str) {
    assert_eq!((answer.status, answer.code()), (status, code), "{answer}");
    let error = &answer.body["error"];
    assert_eq!(answer.body.as_object().unwrap().len(), 1, "{answer}");
    assert!(!error["message"].as_str().unwrap().is_empty(), "{answer}");
    assert_eq!(error["request_id"], answer.header("x-request-id"), "{answer}");
    assert_eq!(answer.header("x-content-type-options"), "nosniff", "{answer}");
    assert_eq!(answer.header("www-authenticate") == "Bearer", status == 401, "{answer}");
}

/// It must be refused for what it says, and first for this field.
#[track_caller]
fn invalid(answer: &Answer, field: &str) {
    refused(answer, 422, "VALIDATION_FAILED");
    let detail = &answer.body["error"]["details"][0];
    assert_eq!(detail["field"], field, "{answer}");
    assert!(!detail["rule"].as_str().unwrap().is_empty(), "{answer}");
}

/// An error without what differs from request to request: two of them can be compared.
fn said(answer: &Answer) -> (u16, Value) {
    let mut body = answer.body.clone();
    body["error"].as_object_mut().unwrap().remove("request_id");
    (answer.status, body)
}

/// The ids of a list's page, in its order.
fn ids(page: &Value) -> Vec<&str> {
    page["data"].as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap()).collect()
}
