//! `demo --visitors N`: visitors who come, ask, wait, and go, through the public API like anybody else.

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

use crate::demo::Demo;

/// What they are called.
const NAMES: [&str; 8] = ["Mia", "Noah", "Zoe", "Ivo", "Lea", "Omar", "Rosa", "Tim"];
/// What they ask first.
const QUESTIONS: [&str; 6] = [
    "Hello, my order has not arrived yet. Can you look?",
    "Do you ship to Norway?",
    "The invoice has the wrong address on it.",
    "Can I change the size of what I ordered?",
    "Is the blue one still in stock?",
    "My voucher is not accepted at the checkout.",
];
/// What they say while they wait.
const MORE: [&str; 5] = [
    "It is order 10472.",
    "Thank you!",
    "I can wait.",
    "Could you check again, please?",
    "That would be great.",
];
/// How large an answer may be; none is nearly so large.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;
/// Until one whose server does not answer comes again.
const COME_AGAIN: Duration = Duration::from_secs(5);

/// Has `count` visitors talk to the server at `url` for as long as what is returned is kept.
pub fn visitors(url: &str, demo: &Demo, count: u16) -> JoinSet<()> {
    let mut all = JoinSet::new();
    let address = url.trim_start_matches("http://").to_owned();
    for _ in 0..count {
        all.spawn(visit_again_and_again(address.clone(), demo.site_key.clone()));
    }
    all
}

async fn visit_again_and_again(address: String, site_key: String) {
    loop {
        // They do not all come at once.
        pause(0, 20).await;
        if let Err(error) = visit(&address, &site_key).await {
            tracing::debug!(error, "a simulated visitor was turned away");
            tokio::time::sleep(COME_AGAIN).await;
        }
    }
}

async fn pause(from_s: u64, to_s: u64) {
    let ms = rand::rng().random_range(from_s * 1000..to_s * 1000);
    tokio::time::sleep(Duration::from_millis(ms)).await;
}

fn pick(texts: &[&'static str]) -> &'static str {
    texts.choose(&mut rand::rng()).copied().unwrap_or("Hello")
}

/// One visit: come in, ask, say more now and then, read what is answered, go.
async fn visit(address: &str, site_key: &str) -> Result<(), String> {
    let mut line = Line::open(address).await?;
    let site = ("x-site-key", site_key);
    let visitor = line.post("/api/v1/chat/visitors", site, json!({"name": pick(&NAMES)})).await?;
    let token = visitor["token"].as_str().unwrap_or_default();
    let bearer = format!("Bearer {token}");
    let me = ("authorization", bearer.as_str());

    let start =
        json!({"client_id": fresh_name(), "text": pick(&QUESTIONS), "attributes": {"page": "/checkout"}});
    let started = line.post("/api/v1/chat/conversations", me, start).await?;
    let id = started["conversation"]["id"].as_str().unwrap_or_default();
    let path = |what: &str| format!("/api/v1/chat/conversations/{id}/{what}");
    let messages = rand::rng().random_range(2..6);
    for _ in 0..messages {
        pause(5, 40).await;
        let text = pick(&MORE);
        line.post(&path("typing"), me, json!({"typing": true, "preview": text})).await?;
        pause(1, 4).await;
        line.post(&path("messages"), me, json!({"client_id": fresh_name(), "text": text})).await?;
        line.post(&path("read"), me, json!({"seq": 10_000})).await?;
    }
    pause(10, 60).await;
    line.post(&path("end"), me, json!({})).await?;
    let score = rand::rng().random_range(3..=5);
    line.post(&path("rating"), me, json!({"score": score})).await?;
    Ok(())
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

    /// Posts `body`, and returns what was answered; an answer that is no success is an error.
    async fn post(&mut self, path: &str, credential: (&str, &str), body: Value) -> Result<Value, String> {
        let request = Request::builder()
            .method(Method::POST)
            .uri(path)
            .header(header::HOST, &self.host)
            .header(header::CONTENT_TYPE, "application/json")
            .header(credential.0, credential.1)
            .body(Full::new(Bytes::from(body.to_string())))
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
