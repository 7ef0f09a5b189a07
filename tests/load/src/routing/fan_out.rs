//! One conversation that many sockets look at: how soon the last of them has a message, and how many messages it carries.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, bail};
use driver::{Frame, Options, Socket, process};
use serde_json::json;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

use super::Effort;
use super::office::{Office, Talk, Trouble};
use crate::latency::{Latencies, Percentiles};

/// Messages that not all have yet, while as many are sent as go: far within the window of a socket (256).
const UNDER_WAY_MAX: usize = 16;
const PATIENCE: Duration = Duration::from_secs(30);
const TEXT: &str = "Hello, my order has not arrived yet";

pub(crate) struct FanOut {
    pub(crate) sockets: usize,
    /// From the request to its 201, one message at a time.
    pub(crate) acknowledged: Percentiles,
    /// From the request until the last socket has it.
    pub(crate) last: Percentiles,
    /// As many as go.
    pub(crate) messages_per_s: f64,
    pub(crate) server_cpu_us_per_event: f64,
    pub(crate) server_cores: f64,
    pub(crate) load_cores: f64,
}

struct Board {
    sockets: usize,
    /// How many have each event, until all do.
    had: Mutex<HashMap<u64, usize>>,
    /// How many events all have, beginning with the first message.
    whole: Mutex<u64>,
    moved: Notify,
    trouble: Trouble,
}

impl Board {
    fn got(&self, seq: u64) {
        let mut had = self.had.lock().expect("nobody panics while holding it");
        let count = had.entry(seq).or_default();
        *count += 1;
        if *count == self.sockets {
            had.remove(&seq);
            *self.whole.lock().expect("nobody panics while holding it") += 1;
            self.moved.notify_one();
        }
    }

    fn whole(&self) -> u64 {
        *self.whole.lock().expect("nobody panics while holding it")
    }

    /// Until all sockets have so many messages.
    async fn wait_for(&self, messages: u64) -> anyhow::Result<()> {
        while self.whole() < messages {
            timeout(PATIENCE, self.moved.notified()).await.context("an event did not reach all sockets")?;
            self.trouble.check()?;
        }
        Ok(())
    }
}

/// Opens the sockets on a server with these options, then sends one message after the other, then as many as go.
pub(super) async fn measure(effort: &Effort, options: Options) -> anyhow::Result<FanOut> {
    let files = process::raise_file_limit()?;
    if effort.sockets as u64 + 100 > files {
        bail!("{} sockets do not fit into the limit of {files} open files", effort.sockets);
    }
    let office = Office::open(options).await?;
    let mut talks = office.talks(1).await?;
    let talk = talks.pop().context("one was started")?;
    let board = Arc::new(Board {
        sockets: effort.sockets,
        had: Mutex::default(),
        whole: Mutex::new(0),
        moved: Notify::new(),
        trouble: Trouble::default(),
    });
    for _ in 0..effort.sockets {
        let socket = subscribe(&office, &talk).await?;
        let board = Arc::clone(&board);
        tokio::spawn(async move {
            let error = look_on(socket, &board).await;
            board.trouble.tell(error);
            board.moved.notify_one();
        });
    }
    let (mut acknowledged, mut last) = (Latencies::default(), Latencies::default());
    let mut sent = 0;
    for _ in 0..effort.messages {
        let begun = Instant::now();
        sent = send(&office, &talk, sent).await?;
        acknowledged.add(begun.elapsed());
        board.wait_for(sent).await?;
        last.add(begun.elapsed());
    }

    let (begun, before, cpu) = (Instant::now(), sent, (office.sandbox.cpu()?, process::own_cpu()));
    while begun.elapsed() < Duration::from_secs(effort.seconds) {
        sent = send(&office, &talk, sent).await?;
        board.wait_for(sent.saturating_sub(UNDER_WAY_MAX as u64)).await?;
    }
    board.wait_for(sent).await?;
    let (took, messages) = (begun.elapsed().as_secs_f64(), (sent - before) as f64);
    let server_s = office.sandbox.cpu()?.saturating_sub(cpu.0).as_secs_f64();
    let load_s = process::own_cpu().saturating_sub(cpu.1).as_secs_f64();
    Ok(FanOut {
        sockets: effort.sockets,
        acknowledged: acknowledged.percentiles(),
        last: last.percentiles(),
        messages_per_s: messages / took,
        server_cpu_us_per_event: server_s * 1e6 / (messages * effort.sockets as f64),
        server_cores: server_s / took,
        load_cores: load_s / took,
    })
}

/// Gives how many were sent with this one.
async fn send(office: &Office, talk: &Talk, sent: u64) -> anyhow::Result<u64> {
    let client_id = format!("m{sent}");
    let posted = office.api.post_message(&talk.visitor.token, &talk.conversation, &client_id, TEXT).await?;
    posted.expect(201)?;
    Ok(sent + 1)
}

async fn subscribe(office: &Office, talk: &Talk) -> anyhow::Result<Socket> {
    let mut socket = Socket::open(&office.api).await?;
    socket.hello(&talk.visitor.token, &[]).await?;
    let subscribe = json!({ "type": "subscribe", "conversation_id": talk.conversation });
    let reply = socket.request(subscribe).await?;
    if reply["type"] != "subscribed" {
        bail!("not subscribed: {reply}");
    }
    Ok(socket)
}

/// Counts the messages that come, until the socket ends; gives why.
async fn look_on(mut socket: Socket, board: &Board) -> anyhow::Error {
    loop {
        match socket.next_within(PATIENCE).await {
            Ok(Some(Frame::Json(frame))) if frame["type"] == "event" => {
                board.got(frame["seq"].as_u64().unwrap_or_default());
            }
            Ok(Some(Frame::Json(frame))) if frame["type"] == "gap" => {
                return anyhow::anyhow!("a socket was too slow: {frame}");
            }
            Ok(Some(Frame::Json(_)) | None) => {}
            Ok(Some(Frame::Closed { code, reason })) => {
                return anyhow::anyhow!("a socket was closed: {code:?} {reason}");
            }
            Err(error) => return error,
        }
    }
}
