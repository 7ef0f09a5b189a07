//! A team of agents who all want the same conversations, over REST and over sockets.

use std::sync::atomic::{AtomicUsize, Ordering};

use driver::{Agent, Answer, Api, Options, Sandbox, Socket, Visitor};
use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::sync::Mutex;

/// What came of asking for something that not everybody can have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Came {
    /// The clerk has it.
    Won,
    /// The error's code.
    Refused(String),
}

/// An agent, who asks by socket or by REST.
pub(super) struct Clerk {
    pub(super) who: Agent,
    api: Api,
    /// None: the clerk uses REST.
    socket: Option<Mutex<Socket>>,
}

/// The whole team, its visitors, and the server.
pub(super) struct Office {
    pub(super) sandbox: Sandbox,
    pub(super) api: Api,
    pub(super) clerks: Vec<Clerk>,
    /// Sees everything.
    pub(super) admin: Agent,
    conversations: AtomicUsize,
}

impl Office {
    /// Starts a server whose team assigns nothing by itself, with `count` agents online in it. Every second one uses
    /// a socket.
    pub(super) async fn open(count: usize, capacity: u32) -> Self {
        // Those who use REST are there for as long as the test takes.
        let options = Options::unlimited().setting("routing.agent_grace_s", "600");
        Self::open_as(options, &json!({ "assignment": "manual" }), count, capacity).await
    }

    /// The same, and its team has these fields.
    pub(super) async fn open_as(options: Options, team: &Value, count: usize, capacity: u32) -> Self {
        let sandbox = Sandbox::start(options.limit("agent_dead_after_s", 600)).await.unwrap();
        let (api, ready) = (sandbox.api(), sandbox.ready());
        let admin = api.login(&ready.admin.email, &ready.admin.password).await.unwrap();
        let path = format!("/api/v1/admin/teams/{}", ready.team_id);
        let patched = api.patch(path).bearer(&admin.token).json(team);
        patched.send().await.unwrap().expect(200).unwrap();

        let mut clerks = Vec::new();
        for number in 0..count {
            let email = format!("clerk{number}@example.org");
            let made = json!({
                "email": email, "name": format!("Clerk {number}"), "capacity": capacity,
                "team_ids": [ready.team_id], "password": "long enough",
            });
            let made = api.post("/api/v1/admin/agents").bearer(&admin.token).json(&made);
            made.send().await.unwrap().expect(201).unwrap();
            let who = api.login(&email, "long enough").await.unwrap();
            api.set_status(&who.token, "online").await.unwrap().expect(200).unwrap();
            let socket = if number % 2 == 1 {
                let mut socket = Socket::open(&api).await.unwrap();
                socket.hello(&who.token, &[]).await.unwrap();
                Some(Mutex::new(socket))
            } else {
                None
            };
            clerks.push(Clerk { who, api: api.clone(), socket });
        }
        Self { api, clerks, admin, sandbox, conversations: AtomicUsize::new(0) }
    }

    /// A new visitor in a conversation that waits.
    pub(super) async fn conversation(&self) -> String {
        let visitor = self.visitor().await;
        let client_id = format!("c{}", self.conversations.fetch_add(1, Ordering::Relaxed));
        let started = self.api.start_conversation(&visitor.token, &client_id, Some("Hello?")).await.unwrap();
        started.expect(201).unwrap()["conversation"]["id"].as_str().unwrap().to_owned()
    }

    pub(super) async fn conversations(&self, count: usize) -> Vec<String> {
        join_all((0..count).map(|_| self.conversation())).await
    }

    pub(super) async fn visitor(&self) -> Visitor {
        self.api.visitor(&self.sandbox.ready().site_key).await.unwrap()
    }

    /// The conversation as the store has it.
    pub(super) async fn head(&self, conversation: &str) -> Value {
        let read = self.api.conversation(&self.admin.token, conversation).await.unwrap();
        read.expect(200).unwrap()["conversation"].take()
    }

    /// Its whole log.
    pub(super) async fn log(&self, conversation: &str) -> Vec<Value> {
        let mut log: Vec<Value> = Vec::new();
        loop {
            let query = format!("after={}&limit=200", log.len());
            let page = self.api.events(&self.admin.token, conversation, &query).await.unwrap();
            let mut page = page.expect(200).unwrap();
            log.append(page["data"].as_array_mut().unwrap());
            if page["has_more"] == false {
                return log;
            }
        }
    }

    pub(super) fn agent_ids(&self) -> Vec<&str> {
        self.clerks.iter().map(|clerk| clerk.who.agent_id.as_str()).collect()
    }
}

impl Clerk {
    /// Takes a conversation, by socket or by REST.
    pub(super) async fn accept(&self, conversation: &str) -> Came {
        let Some(socket) = &self.socket else {
            return Came::of(&self.api.accept(&self.who.token, conversation).await.unwrap());
        };
        let accept = json!({ "type": "accept", "conversation_id": conversation });
        let mut socket = socket.lock().await;
        let reply = socket.request(accept).await.unwrap();
        // Nobody reads them, and they are many.
        socket.take_pushes();
        match reply["type"].as_str() {
            Some("ok") => Came::Won,
            Some("error") => Came::Refused(reply["error"]["code"].as_str().unwrap().to_owned()),
            Some(_) | None => panic!("neither ok nor error: {reply}"),
        }
    }

    pub(super) async fn release(&self, conversation: &str) -> Came {
        self.verb(conversation, "release", &json!({})).await
    }

    /// `to` as in `{"agent_id": ..}` or `{"team_id": ..}`.
    pub(super) async fn transfer(&self, conversation: &str, to: &Value) -> Came {
        self.verb(conversation, "transfer", &json!({ "to": to })).await
    }

    pub(super) async fn set_status(&self, status: &str) -> Value {
        self.api.set_status(&self.who.token, status).await.unwrap().expect(200).unwrap()
    }

    /// As the agent's actor sees them.
    pub(super) async fn status(&self) -> Value {
        let read = self.api.get("/api/v1/chat/agent/status").bearer(&self.who.token).send().await;
        read.unwrap().expect(200).unwrap()
    }

    /// What the clerk holds, as the lists have it.
    pub(super) async fn mine(&self) -> Vec<String> {
        let list =
            self.api.get("/api/v1/chat/agent/conversations?view=mine&limit=200").bearer(&self.who.token);
        let page = list.send().await.unwrap().expect(200).unwrap();
        ids(page["data"].as_array().unwrap().iter().map(|conversation| &conversation["id"]))
    }

    pub(super) async fn decline(&self, conversation: &str) -> Came {
        self.verb(conversation, "decline", &json!({})).await
    }

    pub(super) async fn reopen(&self, conversation: &str) -> Came {
        self.verb(conversation, "reopen", &json!({})).await
    }

    pub(super) async fn end(&self, conversation: &str) -> Came {
        Came::of(&self.api.end(&self.who.token, conversation).await.unwrap())
    }

    /// The clerk's socket, if they have one, is cut; they are without one for so long.
    pub(super) async fn be_gone_for(&self, time: std::time::Duration) {
        if let Some(socket) = &self.socket {
            let mut held = socket.lock().await;
            // The socket in its place says no hello, so it makes the clerk present no longer than the old one did.
            *held = Socket::open(&self.api).await.unwrap();
            tokio::time::sleep(time).await;
            held.hello(&self.who.token, &[]).await.unwrap();
        }
    }

    async fn verb(&self, conversation: &str, verb: &str, body: &Value) -> Came {
        let path = format!("/api/v1/chat/agent/conversations/{conversation}/{verb}");
        Came::of(&self.api.post(path).bearer(&self.who.token).json(body).send().await.unwrap())
    }
}

impl Came {
    fn of(answer: &Answer) -> Self {
        match answer.status {
            200 | 204 => Came::Won,
            409 | 403 => Came::Refused(answer.code().to_owned()),
            _ => panic!("neither won nor lost: {answer}"),
        }
    }

    /// Panics unless it was won or refused with one of these.
    pub(super) fn only(&self, codes: &[&str]) {
        if let Came::Refused(code) = self {
            assert!(codes.contains(&code.as_str()), "{code} is none of {codes:?}");
        }
    }
}

/// Sorted.
pub(super) fn ids<'a>(values: impl Iterator<Item = &'a Value>) -> Vec<String> {
    let mut ids: Vec<String> = values.map(|id| id.as_str().unwrap().to_owned()).collect();
    ids.sort();
    ids
}
