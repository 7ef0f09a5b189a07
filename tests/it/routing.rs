//! How conversations find their agents: offers, strategies, needs, presence, the queue, and what explains them. One file
//! a noun; each test has a server and a team of its own.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use driver::{Agent, Answer, Api, Options, Sandbox, Socket};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

mod auto;
mod colleagues;
mod explain;
mod needs;
mod offers;
mod presence;
mod queue;
mod release;
mod reopen;
mod restart;
mod transfer;

/// How long what follows from something may take: word from one actor to another.
const SOON: Duration = Duration::from_secs(10);

/// A server whose only team works as its test wants; its agents are made one by one.
pub(crate) struct Shift {
    sandbox: Sandbox,
    pub(crate) api: Api,
    pub(crate) admin: Agent,
    team: String,
    talks: AtomicUsize,
}

/// An agent at their socket.
pub(crate) struct Seat {
    who: Agent,
    socket: Socket,
}

/// A visitor's conversation.
pub(crate) struct Talk {
    pub(crate) id: String,
    pub(crate) visitor: String,
    /// What its start was answered with.
    started: Value,
}

impl Shift {
    /// With these fields of the team. Offers last and agents stay unless it says otherwise.
    pub(crate) async fn begin(team: Value) -> Self {
        Self::begin_with(Options::unlimited(), team).await
    }

    pub(crate) async fn begin_with(options: Options, team: Value) -> Self {
        let lasting = Options::unlimited()
            .limit("agent_dead_after_s", 600)
            .setting("routing.accept_timeout_s", "600")
            .setting("routing.agent_grace_s", "600");
        let sandbox = Sandbox::start(lasting.and(options)).await.unwrap();
        let (api, ready) = (sandbox.api(), sandbox.ready());
        let admin = api.login(&ready.admin.email, &ready.admin.password).await.unwrap();
        let id = ready.team_id.clone();
        let shift = Self { sandbox, api, admin, team: id, talks: AtomicUsize::new(0) };
        let mut fields = json!({ "agent_ids": [] });
        fields.as_object_mut().unwrap().extend(team.as_object().unwrap().clone());
        shift.change("teams", &shift.team, &fields).await;
        shift
    }

    pub(crate) async fn change(&self, kind: &str, id: &str, fields: &Value) -> Value {
        let call =
            self.api.patch(format!("/api/v1/admin/{kind}/{id}")).bearer(&self.admin.token).json(fields);
        call.send().await.unwrap().expect(200).unwrap()
    }

    pub(crate) async fn make(&self, kind: &str, fields: &Value) -> Value {
        let call = self.api.post(format!("/api/v1/admin/{kind}")).bearer(&self.admin.token).json(fields);
        call.send().await.unwrap().expect(201).unwrap()
    }

    /// Makes an agent of the team, with these of their fields, and logs them in. They are offline.
    pub(crate) async fn hire(&self, name: &str, fields: Value) -> Agent {
        let email = format!("{name}@shift.example");
        let mut all =
            json!({ "email": email, "name": name, "password": "long enough", "team_ids": [self.team] });
        all.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        self.make("agents", &all).await;
        self.api.login(&email, "long enough").await.unwrap()
    }

    /// The same, and they are online, by REST alone.
    pub(crate) async fn agent(&self, name: &str, fields: Value) -> Agent {
        let agent = self.hire(name, fields).await;
        self.set_status(&agent, "online").await;
        agent
    }

    /// The same, with a socket.
    pub(crate) async fn seat(&self, name: &str, fields: Value) -> Seat {
        let who = self.agent(name, fields).await;
        let socket = self.socket(&who).await;
        Seat { who, socket }
    }

    pub(crate) async fn socket(&self, who: &Agent) -> Socket {
        let mut socket = Socket::open(&self.api).await.unwrap();
        socket.hello(&who.token, &[]).await.unwrap();
        socket
    }

    pub(crate) async fn set_status(&self, agent: &Agent, status: &str) -> Value {
        self.api.set_status(&agent.token, status).await.unwrap().expect(200).unwrap()
    }

    /// As the agent's actor sees them.
    pub(crate) async fn status(&self, agent: &Agent) -> Value {
        self.get(&agent.token, "agent/status").await.expect(200).unwrap()
    }

    /// A new visitor with a conversation.
    pub(crate) async fn talk(&self) -> Talk {
        self.talk_about(json!({})).await
    }

    /// The same, with these attributes.
    pub(crate) async fn talk_about(&self, attributes: Value) -> Talk {
        let visitor = self.api.visitor(&self.sandbox.ready().site_key).await.unwrap();
        self.talk_of(&visitor.token, attributes).await
    }

    pub(crate) async fn talk_of(&self, visitor: &str, attributes: Value) -> Talk {
        let client_id = format!("talk-{}", self.talks.fetch_add(1, Ordering::Relaxed));
        let body = json!({ "client_id": client_id, "text": "hello", "attributes": attributes });
        let started =
            self.post(visitor, "conversations", &body).await.expect(201).unwrap()["conversation"].take();
        Talk { id: started["id"].as_str().unwrap().to_owned(), visitor: visitor.to_owned(), started }
    }

    /// A path is what follows `/api/v1/chat/`, here and below.
    pub(crate) async fn get(&self, token: &str, path: &str) -> Answer {
        self.api.get(format!("/api/v1/chat/{path}")).bearer(token).send().await.unwrap()
    }

    pub(crate) async fn post(&self, token: &str, path: &str, body: &Value) -> Answer {
        self.api.post(format!("/api/v1/chat/{path}")).bearer(token).json(body).send().await.unwrap()
    }

    /// An agent's verb on a conversation.
    pub(crate) async fn ask(&self, agent: &Agent, talk: &Talk, verb: &str, body: Value) -> Answer {
        self.post(&agent.token, &format!("agent/conversations/{}/{verb}", talk.id), &body).await
    }

    /// It must be done; gives the conversation.
    pub(crate) async fn verb(&self, agent: &Agent, talk: &Talk, verb: &str, body: Value) -> Value {
        self.ask(agent, talk, verb, body).await.expect(200).unwrap()["conversation"].take()
    }

    pub(crate) async fn end(&self, talk: &Talk) {
        self.api.end(&talk.visitor, &talk.id).await.unwrap().expect(200).unwrap();
    }

    /// As a supervisor sees it.
    pub(crate) async fn seen(&self, talk: &Talk) -> Value {
        let answer = self.api.conversation(&self.admin.token, &talk.id).await.unwrap();
        answer.expect(200).unwrap()["conversation"].take()
    }

    /// Its log, as a supervisor sees it.
    pub(crate) async fn log(&self, talk: &Talk) -> Vec<Value> {
        let answer = self.api.events(&self.admin.token, &talk.id, "limit=200").await.unwrap();
        answer.expect(200).unwrap()["data"].as_array().unwrap().clone()
    }

    /// The entries of its explanation.
    pub(crate) async fn routing(&self, talk: &Talk) -> Vec<Value> {
        let path = format!("agent/conversations/{}/routing", talk.id);
        let body = self.get(&self.admin.token, &path).await.expect(200).unwrap();
        body["data"].as_array().unwrap().clone()
    }

    /// Looks until the conversation is as it is wanted.
    pub(crate) async fn until(&self, talk: &Talk, wanted: impl Fn(&Value) -> bool) -> Value {
        let until = Instant::now() + SOON;
        loop {
            let seen = self.seen(talk).await;
            if wanted(&seen) {
                return seen;
            }
            assert!(Instant::now() < until, "after {SOON:?} it still is {seen}");
            sleep(Duration::from_millis(10)).await;
        }
    }

    pub(crate) async fn until_assigned(&self, talk: &Talk, agent: &Agent) -> Value {
        let his =
            |seen: &Value| seen["state"] == "assigned" && seen["assignee"]["agent_id"] == agent.agent_id;
        self.until(talk, his).await
    }

    pub(crate) async fn until_at(&self, talk: &Talk, position: u64) -> Value {
        self.until(talk, |seen| seen["queue_position"] == position).await
    }
}

impl Seat {
    /// Waits for the offer of this conversation.
    pub(crate) async fn offered(&mut self, talk: &Talk) -> Value {
        let wanted = |push: &Value| push["type"] == "offer" && push["conversation"]["id"] == talk.id;
        let offer = self.socket.expect_push(wanted, SOON).await;
        offer.unwrap_or_else(|error| {
            panic!(
                "{} is not offered to {}: {error}; {:?}",
                talk.id,
                self.who.agent_id,
                self.socket.take_pushes()
            )
        })
    }

    /// Waits for the end of its offer, and gives the reason.
    pub(crate) async fn offer_ended(&mut self, talk: &Talk) -> String {
        let wanted = |push: &Value| push["type"] == "offer_ended" && push["conversation_id"] == talk.id;
        self.socket.expect_push(wanted, SOON).await.unwrap()["reason"].as_str().unwrap().to_owned()
    }
}

#[track_caller]
fn refused(answer: &Answer, status: u16, code: &str) {
    assert_eq!((answer.status, answer.code()), (status, code), "{answer}");
}
