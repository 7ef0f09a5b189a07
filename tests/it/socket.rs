//! The persistent socket, as its clients see it: one file a topic, one server a test.

use std::time::Duration;

use driver::{Agent, Api, Options, Sandbox, Socket, Visitor};
use serde_json::{Value, json};

mod agents;
mod drain;
mod frames;
mod hello;
mod names;
mod paused;
mod raw;
mod routing;
mod send;
mod sight;
mod slow;
mod soft;
mod subscribe;
mod upgrade;
mod viewing;
mod watch;

/// How long anything that is awaited may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// A server of the test's own.
struct Stage {
    sandbox: Sandbox,
    api: Api,
}

/// A visitor and their conversation.
#[derive(Clone)]
struct Talk {
    visitor: Visitor,
    conversation: String,
}

impl Stage {
    async fn start(options: Options) -> Self {
        let sandbox = Sandbox::start(options).await.unwrap();
        let api = sandbox.api();
        Self { sandbox, api }
    }

    async fn visitor(&self) -> Visitor {
        self.api.visitor(&self.sandbox.ready().site_key).await.unwrap()
    }

    /// A new visitor with a conversation of `messages` messages: its last `seq` is one more, for it has `started`.
    async fn talk(&self, messages: u64) -> Talk {
        let visitor = self.visitor().await;
        let conversation = self.conversation_of(&visitor, "talk").await;
        let talk = Talk { visitor, conversation };
        for number in 1..=messages {
            self.say(&talk, &format!("said-{number}")).await;
        }
        talk
    }

    async fn conversation_of(&self, visitor: &Visitor, client_id: &str) -> String {
        let answer = self.api.start_conversation(&visitor.token, client_id, None).await.unwrap();
        let body = answer.expect(201).unwrap();
        body["conversation"]["id"].as_str().unwrap().to_owned()
    }

    /// The visitor says something by HTTP; gives its `seq`.
    async fn say(&self, talk: &Talk, client_id: &str) -> u64 {
        let text = format!("text of {client_id}");
        let answer = self.api.post_message(&talk.visitor.token, &talk.conversation, client_id, &text).await;
        answer.unwrap().expect(201).unwrap()["seq"].as_u64().unwrap()
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

    /// A socket that has said hello.
    async fn socket(&self, token: &str) -> Socket {
        let mut socket = Socket::open(&self.api).await.unwrap();
        socket.hello(token, &[]).await.unwrap();
        socket
    }

    /// A socket that is told of what comes in this conversation from now on.
    async fn listener(&self, token: &str, conversation: &str) -> Socket {
        let mut socket = self.socket(token).await;
        let subscribed = subscribe(&mut socket, conversation, None).await;
        assert_eq!(subscribed["type"], "subscribed", "{subscribed}");
        socket
    }
}

/// Asks for a subscription, and gives the reply.
async fn subscribe(socket: &mut Socket, conversation: &str, after: Option<u64>) -> Value {
    let mut frame = json!({ "type": "subscribe", "conversation_id": conversation });
    if let Some(after) = after {
        frame["after"] = after.into();
    }
    socket.request(frame).await.unwrap()
}

/// Sends a message, and gives the reply.
async fn send(socket: &mut Socket, conversation: &str, client_id: &str, text: &str) -> Value {
    let frame =
        json!({ "type": "send", "conversation_id": conversation, "client_id": client_id, "text": text });
    socket.request(frame).await.unwrap()
}

/// The next push of this type.
async fn push(socket: &mut Socket, kind: &str) -> Value {
    match socket.expect_push(|push| push["type"] == kind, PATIENCE).await {
        Ok(push) => push,
        Err(error) => panic!("no {kind}: {error:#}"),
    }
}

/// The next events of the conversation must be these, each once and in order; gives them.
async fn events(socket: &mut Socket, conversation: &str, seqs: impl IntoIterator<Item = u64>) -> Vec<Value> {
    let is_event = |push: &Value| push["type"] == "event" && push["conversation_id"] == conversation;
    let mut events = Vec::new();
    for seq in seqs {
        let push = match socket.expect_push(is_event, PATIENCE).await {
            Ok(push) => push,
            Err(error) => panic!("no event {seq}: {error:#}"),
        };
        assert_eq!((&push["seq"], &push["event"]["seq"]), (&json!(seq), &json!(seq)), "{push}");
        events.push(push["event"].clone());
    }
    events
}

/// Of events that came, none is left. A waiting visitor is told their place beside them.
fn assert_no_more_events(socket: &mut Socket) {
    let left: Vec<Value> = socket.take_pushes().into_iter().filter(|push| push["type"] != "queue").collect();
    assert_eq!(left, Vec::<Value>::new());
}

/// The socket is open and answers.
async fn assert_lives(socket: &mut Socket) {
    let pong = socket.request(json!({ "type": "ping" })).await.unwrap();
    assert_eq!(pong["type"], "pong", "{pong}");
}

/// The code of an `error` frame; empty when it is none.
fn code(frame: &Value) -> &str {
    if frame["type"] == "error" { frame["error"]["code"].as_str().unwrap_or_default() } else { "" }
}

/// With which code the server closes.
async fn close_code(socket: &mut Socket) -> Option<u16> {
    socket.expect_close(PATIENCE).await.unwrap().0
}
