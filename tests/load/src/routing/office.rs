//! A server, its team, and those who take part.

use std::sync::Mutex;

use anyhow::{Context, ensure};
use driver::{Agent, Api, Options, Sandbox, Socket, Visitor};
use futures_util::stream::{self, StreamExt, TryStreamExt};
use serde_json::{Value, json};

use crate::bench::SERVER_CORE;

/// Requests under way at once while the scene is set.
const AT_ONCE: usize = 32;
const PASSWORD: &str = "long enough";
/// So that no offer ends while it is measured.
const ACCEPT_TIMEOUT_S: u64 = 600;

/// A conversation and its visitor.
pub(crate) struct Talk {
    pub(super) visitor: Visitor,
    pub(super) conversation: String,
}

pub(crate) struct Office {
    pub(crate) sandbox: Sandbox,
    pub(super) api: Api,
    admin: Agent,
}

impl Office {
    /// A server with these options, whose team waits for an accept.
    pub(crate) async fn open(options: Options) -> anyhow::Result<Self> {
        let sandbox = Sandbox::start(Options::unlimited().core(SERVER_CORE).and(options)).await?;
        let (api, login) = (sandbox.api(), &sandbox.ready().admin);
        let admin = api.login(&login.email, &login.password).await?;
        let office = Self { api, admin, sandbox };
        office.set(&json!({ "assignment": "manual", "accept_timeout_s": ACCEPT_TIMEOUT_S })).await?;
        Ok(office)
    }

    /// `manual`, `offer` or `auto`; true from the answer on.
    pub(super) async fn set_mode(&self, mode: &str) -> anyhow::Result<()> {
        self.set(&json!({ "assignment": mode })).await
    }

    async fn set(&self, team: &Value) -> anyhow::Result<()> {
        let path = format!("/api/v1/admin/teams/{}", self.sandbox.ready().team_id);
        self.api.patch(path).bearer(&self.admin.token).json(team).send().await?.expect(200)?;
        Ok(())
    }

    /// So many new agents of the team, each online with a socket.
    pub(super) async fn agents(&self, count: usize, capacity: usize) -> anyhow::Result<Vec<Socket>> {
        let mut sockets = Vec::new();
        for number in 0..count {
            sockets.push(self.agent(number, capacity).await?);
        }
        Ok(sockets)
    }

    /// A new agent of the team, online with a socket; each has a number of their own.
    pub(super) async fn agent(&self, number: usize, capacity: usize) -> anyhow::Result<Socket> {
        let email = format!("agent-{number}@example.org");
        let agent = json!({
            "email": email, "name": format!("Agent {number}"), "password": PASSWORD, "capacity": capacity,
            "team_ids": [self.sandbox.ready().team_id],
        });
        let made = self.api.post("/api/v1/admin/agents").bearer(&self.admin.token).json(&agent);
        made.send().await?.expect(201)?;
        let agent = self.api.login(&email, PASSWORD).await?;
        self.api.set_status(&agent.token, "online").await?.expect(200)?;
        let mut socket = Socket::open(&self.api).await?;
        socket.hello(&agent.token, &[]).await?;
        Ok(socket)
    }

    /// New visitors.
    pub(super) async fn visitors(&self, count: usize) -> anyhow::Result<Vec<Visitor>> {
        let site_key = &self.sandbox.ready().site_key;
        let arrive = |_| self.api.visitor(site_key);
        stream::iter(0..count).map(arrive).buffer_unordered(AT_ONCE).try_collect().await
    }

    /// A conversation of this visitor.
    pub(super) async fn start(&self, visitor: Visitor) -> anyhow::Result<Talk> {
        let body = self.api.start_conversation(&visitor.token, "start", Some("Hello?")).await?.expect(201)?;
        let conversation = body["conversation"]["id"].as_str().context("a conversation without id")?;
        Ok(Talk { conversation: conversation.to_owned(), visitor })
    }

    /// A conversation of each of so many new visitors, who wait in the team's queue.
    pub(crate) async fn talks(&self, count: usize) -> anyhow::Result<Vec<Talk>> {
        let visitors = self.visitors(count).await?;
        let start = |visitor| self.start(visitor);
        stream::iter(visitors).map(start).buffer_unordered(AT_ONCE).try_collect().await
    }

    /// So many new agents take these, in even parts, and go.
    pub(crate) async fn hold(&self, talks: &[Talk], agents: usize) -> anyhow::Result<()> {
        let each = talks.len().div_ceil(agents).max(1);
        let hold = async |(number, talks): (usize, &[Talk])| {
            let mut socket = self.agent(number, each).await?;
            for talk in talks {
                accept(&mut socket, talk).await?;
            }
            anyhow::Ok(())
        };
        stream::iter(talks.chunks(each).enumerate()).map(hold).buffer_unordered(agents).try_collect().await
    }

    pub(super) async fn end(&self, talks: &[Talk]) -> anyhow::Result<()> {
        let end = async |talk: &Talk| {
            let ended = self.api.end(&talk.visitor.token, &talk.conversation).await?;
            ended.expect(200).map(drop)
        };
        for talk in talks {
            end(talk).await?;
        }
        Ok(())
    }

    /// One figure of `/metrics`.
    pub(super) async fn metric(&self, name: &str) -> anyhow::Result<f64> {
        let metrics = self.api.get("/metrics").send().await?;
        let text = String::from_utf8_lossy(&metrics.bytes);
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok());
        value.with_context(|| format!("no metric {name}"))
    }
}

/// The agent of this socket takes a conversation that waits.
pub(super) async fn accept(socket: &mut Socket, talk: &Talk) -> anyhow::Result<()> {
    let reply = socket.request(json!({ "type": "accept", "conversation_id": talk.conversation })).await?;
    ensure!(reply["type"] != "error", "not accepted: {reply}");
    Ok(())
}

/// The first thing that went wrong for somebody who looks on, told to who waits for all of them.
#[derive(Default)]
pub(super) struct Trouble(Mutex<Option<anyhow::Error>>);

impl Trouble {
    pub(super) fn tell(&self, error: anyhow::Error) {
        self.0.lock().expect("nobody panics while holding it").get_or_insert(error);
    }

    pub(super) fn check(&self) -> anyhow::Result<()> {
        match self.0.lock().expect("nobody panics while holding it").take() {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }
}
