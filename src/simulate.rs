//! `demo --visitors N`: visitors who come, ask, wait, and go, through the public API like anybody else. Nobody simulated
//! answers them: they are there so that a queue is, for a person to work on.

use std::ops::Range;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use rand::RngExt;
use rand::seq::IndexedRandom;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::demo::Demo;

/// What they are called.
const NAMES: [&str; 24] = [
    "Mia", "Noah", "Zoe", "Ivo", "Lea", "Omar", "Rosa", "Tim", "Aiko", "Ben", "Carla", "Deniz", "Elif",
    "Finn", "Gita", "Hugo", "Ines", "Jan", "Kofi", "Lena", "Milo", "Nina", "Otto", "Pia",
];
/// What they ask first.
const QUESTIONS: [&str; 6] = [
    "Hello, my order has not arrived yet. Can you look?",
    "Do you ship to Norway?",
    "The invoice has the wrong address on it.",
    "Can I change the size of what I ordered?",
    "Is the blue one still in stock?",
    "My voucher is not accepted at the checkout.",
];
/// What they say while nobody answers.
const NUDGES: [&str; 4] =
    ["It is order 10472.", "I can wait.", "Is anybody there?", "Could somebody look, please?"];
/// What they say when they are answered.
const REPLIES: [&str; 4] =
    ["Ah, I see.", "Could you check again, please?", "That would be great.", "And how long does it take?"];
const FAREWELL: &str = "Thank you, that was all!";
/// How large an answer may be; none is nearly so large.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;

/// So many come soon, so that there is something to see.
const FIRST: u32 = 4;
/// Between the first ones.
const SOON: Duration = Duration::from_secs(2);
/// Between any two who come later, however many may be there at once: six conversations a minute leave four of those
/// that an address may start to the people who try the demo beside them.
const COME_EVERY: Duration = Duration::from_secs(10);
/// How long one waits for an answer: with [`COME_EVERY`] about twenty are there, if so many may be.
const PATIENCE_S: Range<u64> = 150..280;
/// How long one who is talked with waits for the next answer.
const PATIENCE_ANSWERED_S: u64 = 120;
/// How long the server is asked to wait for news.
const NEWS_WITHIN_S: u64 = 20;

/// Has at most `count` visitors at a time talk to the server at `url`, for as long as what is returned is kept.
pub fn visitors(url: &str, demo: &Demo, count: u16) -> JoinSet<()> {
    let mut all = JoinSet::new();
    if count > 0 {
        let address = url.trim_start_matches("http://").to_owned();
        all.spawn(come_and_go(address, demo.site_key.clone(), usize::from(count)));
    }
    all
}

async fn come_and_go(address: String, site_key: String, count: usize) {
    let mut inside = JoinSet::new();
    let mut came: u32 = 0;
    loop {
        if inside.len() >= count {
            inside.join_next().await;
        }
        let (address, site_key) = (address.clone(), site_key.clone());
        inside.spawn(async move {
            if let Err(error) = visit(&address, &site_key).await {
                tracing::debug!(error, "a simulated visitor was turned away");
            }
        });
        came = came.saturating_add(1);
        tokio::time::sleep(if came < FIRST { SOON } else { COME_EVERY }).await;
        while inside.try_join_next().is_some() {}
    }
}

/// One visit: come in, ask, wait and say so now and then, reply to what is answered, go.
async fn visit(address: &str, site_key: &str) -> Result<(), String> {
    let mut guest = Guest::come(address, site_key).await?;
    let mut leaves_at = Instant::now() + seconds(PATIENCE_S);
    let mut nudges_at = Instant::now() + seconds(30..70);
    let mut replies_left = rand::rng().random_range(1..4);
    let (mut nudges, mut replies) = (in_turn(&NUDGES), in_turn(&REPLIES));
    let mut is_answered = false;
    while Instant::now() < leaves_at {
        let news = guest.news().await?;
        if news.ended {
            break;
        }
        if news.answered {
            is_answered = true;
            if replies_left == 0 {
                guest.say(FAREWELL).await?;
                break;
            }
            replies_left -= 1;
            guest.say(replies.next().unwrap_or(FAREWELL)).await?;
            leaves_at = Instant::now() + Duration::from_secs(PATIENCE_ANSWERED_S);
        } else if !is_answered && Instant::now() > nudges_at {
            guest.say(nudges.next().unwrap_or(FAREWELL)).await?;
            nudges_at = Instant::now() + seconds(50..110);
        }
    }
    guest.go(is_answered).await
}

/// A simulated visitor in a conversation.
struct Guest {
    line: Line,
    bearer: String,
    /// Of the visitor's conversation.
    path: String,
    /// The visitor has read the log up to here.
    seq: u64,
}

/// What happened since the visitor read last.
#[derive(Default)]
struct News {
    /// An agent wrote.
    answered: bool,
    ended: bool,
}

impl Guest {
    async fn come(address: &str, site_key: &str) -> Result<Self, String> {
        let mut line = Line::open(address).await?;
        let site = ("x-site-key", site_key);
        let visitor = line.post("/api/v1/chat/visitors", site, json!({"name": pick(&NAMES)})).await?;
        let bearer = format!("Bearer {}", visitor["token"].as_str().unwrap_or_default());
        let start =
            json!({"client_id": fresh_name(), "text": pick(&QUESTIONS), "attributes": {"page": "/checkout"}});
        let started = line.post("/api/v1/chat/conversations", ("authorization", &bearer), start).await?;
        let id = started["conversation"]["id"].as_str().unwrap_or_default();
        let path = format!("/api/v1/chat/conversations/{id}");
        Ok(Self { line, bearer, path, seq: 0 })
    }

    /// Waits for it, not long.
    async fn news(&mut self) -> Result<News, String> {
        let path = format!("{}/events?after={}&wait_s={NEWS_WITHIN_S}", self.path, self.seq);
        let page = self.line.get(&path, ("authorization", &self.bearer)).await?;
        let mut news = News::default();
        for event in page["data"].as_array().into_iter().flatten() {
            self.seq = event["seq"].as_u64().unwrap_or(self.seq);
            news.answered |= event["kind"] == "message" && event["by"]["kind"] == "agent";
            news.ended |= event["kind"] == "ended";
        }
        if news.answered {
            self.post("read", json!({"seq": self.seq})).await?;
        }
        Ok(news)
    }

    /// Thinks, types, sends.
    async fn say(&mut self, text: &str) -> Result<(), String> {
        tokio::time::sleep(seconds(1..5)).await;
        self.post("typing", json!({"typing": true, "preview": text})).await?;
        tokio::time::sleep(seconds(1..4)).await;
        self.post("messages", json!({"client_id": fresh_name(), "text": text})).await?;
        Ok(())
    }

    /// Also when it has ended already. A visitor who was not answered has nothing to rate.
    async fn go(mut self, is_answered: bool) -> Result<(), String> {
        self.post("end", json!({})).await?;
        if is_answered {
            let score = rand::rng().random_range(3..=5);
            self.post("rating", json!({"score": score})).await?;
        }
        Ok(())
    }

    async fn post(&mut self, what: &str, body: Value) -> Result<Value, String> {
        let path = format!("{}/{what}", self.path);
        self.line.post(&path, ("authorization", &self.bearer), body).await
    }
}

fn seconds(range: Range<u64>) -> Duration {
    Duration::from_millis(rand::rng().random_range(range.start * 1000..range.end * 1000))
}

fn pick(texts: &[&'static str]) -> &'static str {
    texts.choose(&mut rand::rng()).copied().unwrap_or("Hello")
}

/// From one of them on, so that nobody repeats themselves at once.
fn in_turn(texts: &'static [&'static str]) -> impl Iterator<Item = &'static str> {
    let first = rand::rng().random_range(0..texts.len());
    texts.iter().copied().cycle().skip(first)
}

fn fresh_name() -> String {
    format!("sim-{:016x}", rand::rng().random::<u64>())
}

/// A kept connection to the server.
struct Line {
    host: String,
    sender: SendRequest<Full<Bytes>>,
}

impl Line {
    async fn open(address: &str) -> Result<Self, String> {
        let stream = TcpStream::connect(address).await.map_err(|error| error.to_string())?;
        let (sender, connection) =
            handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
        // It ends with its sender.
        tokio::spawn(connection);
        Ok(Self { host: address.to_owned(), sender })
    }

    /// Returns what was answered; an answer that is no success is an error.
    async fn get(&mut self, path: &str, credential: (&str, &str)) -> Result<Value, String> {
        self.ask(Method::GET, path, credential, Bytes::new()).await
    }

    /// As [`Line::get`], with a body.
    async fn post(&mut self, path: &str, credential: (&str, &str), body: Value) -> Result<Value, String> {
        self.ask(Method::POST, path, credential, Bytes::from(body.to_string())).await
    }

    async fn ask(
        &mut self,
        method: Method,
        path: &str,
        credential: (&str, &str),
        body: Bytes,
    ) -> Result<Value, String> {
        if self.sender.ready().await.is_err() {
            // The server closes lines that were silent for a while.
            *self = Self::open(&self.host).await?;
        }
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, &self.host)
            .header(header::CONTENT_TYPE, "application/json")
            .header(credential.0, credential.1)
            .body(Full::new(body))
            .map_err(|error| error.to_string())?;
        let answer = self.sender.send_request(request).await.map_err(|error| error.to_string())?;
        let status = answer.status();
        let bytes = Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect().await;
        let bytes = bytes.map_err(|error| error.to_string())?.to_bytes();
        if !status.is_success() {
            return Err(format!("{path}: {status}"));
        }
        if status == StatusCode::NO_CONTENT {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&bytes).map_err(|error| error.to_string())
    }
}
