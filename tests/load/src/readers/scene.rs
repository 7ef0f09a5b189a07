//! A server with long conversations, and who reads what of them.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::Context;
use driver::{Agent, Api, Options, Sandbox, Visitor};
use futures_util::stream::{self, StreamExt, TryStreamExt};
use serde_json::json;
use tokio::time::Instant;

use crate::bench::SERVER_CORE;
use crate::latency::Latencies;
use crate::wire::Wire;

/// Requests under way at once while the scene is set.
const AT_ONCE: usize = 32;
/// Visitors who read.
const VISITORS: usize = 200;
/// Of each one's conversation: a page of events, 220 kB.
const MESSAGES: usize = 200;
const TEXT_BYTES: usize = 900;
/// What one socket replays at once.
const LONG: usize = 990;
/// Of the conversations whose agent's file is read.
const AROUND_FILE: [usize; 2] = [10, 5_000];
const FILE_READS: usize = 200;
const CANNED: usize = 500;
/// Connections of a crowd: a small one, and nearly as many as one address may have.
const SOME: usize = 200;
const MANY: usize = 390;
const SOCKETS: usize = 10;

/// One connection, and what it asks for again and again.
pub(super) struct Reader {
    pub(super) from: IpAddr,
    pub(super) token: String,
    /// Nothing for a socket.
    pub(super) path: String,
    /// That a socket subscribes to.
    pub(super) conversation: Option<String>,
}

/// A crowd, and its name in the table.
pub(super) struct Wish {
    pub(super) name: &'static str,
    pub(super) readers: Vec<Reader>,
}

struct Talk {
    visitor: Visitor,
    conversation: String,
}

pub(super) struct Scene {
    sandbox: Sandbox,
    admin: Agent,
    agents: Vec<Agent>,
    talks: Vec<Talk>,
    long: Vec<Talk>,
    honest: Talk,
    honest_path: String,
}

impl Scene {
    /// The limits on what is written are off, so that the scene can be set; those on reading are the server's own.
    pub(super) async fn set() -> anyhow::Result<Self> {
        let options = [
            "visitors_per_minute_per_address",
            "conversations_per_minute_per_address",
            "visitor_send_burst",
            "agent_send_burst",
            "changes_burst",
        ]
        .into_iter()
        .fold(Options::default().core(SERVER_CORE), |options, limit| options.limit(limit, 0));
        let sandbox = Sandbox::start(options).await?;
        let (api, ready) = (sandbox.api(), sandbox.ready());
        let admin = api.login(&ready.admin.email, &ready.admin.password).await?;
        let mut agents = Vec::new();
        for login in &ready.agents {
            agents.push(api.login(&login.email, &login.password).await?);
        }
        for number in 0..CANNED {
            let text = "y".repeat(TEXT_BYTES);
            let canned =
                json!({ "shortcut": format!("c{number}"), "title": "T", "text": text, "scope": "workspace" });
            api.post("/api/v1/chat/canned-responses")
                .bearer(&admin.token)
                .json(&canned)
                .send()
                .await?
                .expect(201)?;
        }
        let key = &ready.site_key;
        let talks = |count: usize, messages: usize| {
            let api = &api;
            let talk = move |_| Talk::of(api, key, messages);
            stream::iter(0..count).map(talk).buffer_unordered(AT_ONCE).try_collect::<Vec<Talk>>()
        };
        let (long, honest) = (talks(SOCKETS, LONG).await?, Talk::of(&api, key, 1).await?);
        let talks = talks(VISITORS, MESSAGES).await?;
        let honest_path = format!("/api/v1/chat/conversations/{}", honest.conversation);
        Ok(Self { sandbox, admin, agents, talks, long, honest, honest_path })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.sandbox.api().address()
    }

    pub(super) fn cpu(&self) -> anyhow::Result<Duration> {
        self.sandbox.cpu()
    }

    /// The connection of the one who writes, and the path of their conversation.
    pub(super) fn honest(&self) -> anyhow::Result<(Wire, &str)> {
        Ok((Wire::open(self.address(), self.honest.visitor.token.clone())?, &self.honest_path))
    }

    /// All crowds, each with addresses of its own.
    pub(super) fn wishes(&self) -> Vec<Wish> {
        let pages = |crowd: u8, connections: usize, visitors: usize, addresses: usize| {
            let reader = |number: usize| {
                let talk = &self.talks[number % visitors];
                let path = format!("/api/v1/chat/conversations/{}/events?limit=200", talk.conversation);
                Reader {
                    from: address(crowd, number % addresses),
                    token: talk.visitor.token.clone(),
                    path,
                    conversation: None,
                }
            };
            (0..connections).map(reader).collect::<Vec<_>>()
        };
        let lists = |number: usize| {
            let (token, path) = match number % 3 {
                0 => (&self.admin.token, "/api/v1/chat/agent/conversations?view=all&limit=200"),
                1 => (&self.agents[0].token, "/api/v1/chat/agent/conversations?view=team&limit=200"),
                _ => (&self.agents[1].token, "/api/v1/chat/canned-responses?q=yy&limit=200"),
            };
            Reader { from: address(6, 0), token: token.clone(), path: path.to_owned(), conversation: None }
        };
        let sockets = |number: usize| {
            let talk = &self.long[number];
            Reader {
                from: address(7, 0),
                token: talk.visitor.token.clone(),
                path: String::new(),
                conversation: Some(talk.conversation.clone()),
            }
        };
        vec![
            Wish { name: "nobody", readers: Vec::new() },
            Wish { name: "pages: 200 connections of one visitor", readers: pages(1, SOME, 1, 1) },
            Wish { name: "pages: 390 connections of one visitor", readers: pages(2, MANY, 1, 1) },
            Wish { name: "pages: 200 visitors of one address", readers: pages(3, SOME, VISITORS, 1) },
            Wish {
                name: "pages: 200 visitors, 390 connections of one address",
                readers: pages(4, MANY, VISITORS, 1),
            },
            Wish {
                name: "pages: 200 visitors, 390 connections of as many addresses",
                readers: pages(5, MANY, VISITORS, MANY),
            },
            Wish { name: "lists: 390 connections of three agents", readers: (0..MANY).map(lists).collect() },
            Wish {
                name: "replays: 10 sockets that subscribe again and again",
                readers: (0..SOCKETS).map(sockets).collect(),
            },
        ]
    }

    /// How long a visitor waits for an agent's file in the middle of a short conversation and of a long one.
    pub(super) async fn files(&self) -> anyhow::Result<String> {
        let api = self.sandbox.api();
        let key = &self.sandbox.ready().site_key;
        let mut page = String::from(
            "\n| events around an agent's file | a visitor's GET p50 / p99, ms |\n|---:|---:|\n",
        );
        for events in AROUND_FILE {
            let talk = Talk::of(&api, key, events / 2).await?;
            let (agent, conversation) = (&self.admin.token, &talk.conversation);
            let taken = format!("/api/v1/chat/agent/conversations/{conversation}/accept");
            api.set_status(agent, "online").await?.expect(200)?;
            api.post(taken).bearer(agent).send().await?.expect(200)?;
            let part = |name: &str, more: &str, bytes: &str| {
                format!("--b\r\ncontent-disposition: form-data; name=\"{name}\"{more}\r\n\r\n{bytes}\r\n")
            };
            let body = [
                part("conversation_id", "", conversation),
                part("file", "; filename=\"a.txt\"\r\ncontent-type: text/plain", "A text."),
                "--b--\r\n".to_owned(),
            ]
            .concat();
            let upload = api.post("/api/v1/chat/upload").bearer(agent);
            let uploaded = upload.body("multipart/form-data; boundary=b", body).send().await?.expect(201)?;
            let file = uploaded["file_id"].as_str().context("a file without id")?;
            let message = json!({ "client_id": "file", "file_ids": [file] });
            let path = format!("/api/v1/chat/conversations/{conversation}/messages");
            api.post(path).bearer(agent).json(&message).send().await?.expect(201)?;
            talk.write(&api, events / 2..events).await?;
            let mut latencies = Latencies::default();
            for _ in 0..FILE_READS {
                let begun = Instant::now();
                let path = format!("/api/v1/chat/files/{file}");
                api.get(path).bearer(&talk.visitor.token).send().await?.expect(200)?;
                latencies.add(begun.elapsed());
            }
            let took = latencies.percentiles();
            let ms = |us: u32| f64::from(us) / 1e3;
            page += &format!("| {events} | {:.2} / {:.2} |\n", ms(took.p50_us), ms(took.p99_us));
        }
        Ok(page)
    }
}

impl Talk {
    async fn of(api: &Api, site_key: &str, messages: usize) -> anyhow::Result<Self> {
        let visitor = api.visitor(site_key).await?;
        let started = api.start_conversation(&visitor.token, "start", None).await?.expect(201)?;
        let conversation = started["conversation"]["id"].as_str().context("a conversation without id")?;
        let talk = Self { conversation: conversation.to_owned(), visitor };
        talk.write(api, 0..messages).await?;
        Ok(talk)
    }

    async fn write(&self, api: &Api, numbers: std::ops::Range<usize>) -> anyhow::Result<()> {
        let text = "x".repeat(TEXT_BYTES);
        for number in numbers {
            let client_id = format!("m{number}");
            api.post_message(&self.visitor.token, &self.conversation, &client_id, &text)
                .await?
                .expect(201)?;
        }
        Ok(())
    }
}

/// All of 127.0.0.0/8 is this machine.
fn address(crowd: u8, number: usize) -> IpAddr {
    let [high, low] = (number as u16 + 1).to_be_bytes();
    Ipv4Addr::new(127, crowd, high, low).into()
}
