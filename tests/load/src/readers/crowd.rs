//! Those who read without end: a thread of the lowest priority with a task for each connection.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, bail};
use futures_util::{SinkExt, StreamExt};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use super::scene::{Reader, Wish};
use crate::wire;

/// The lowest priority there is.
const NICE: i32 = 19;
const READ_BYTES: usize = 64 * 1024;
/// A frame may come every 50 ms (`frames_per_s`); a socket that sends more is closed.
const SUBSCRIBE_EVERY: Duration = Duration::from_millis(60);
/// No other frame that is so short says it.
const CAUGHT_UP: &str = r#""caught_up""#;
const CAUGHT_UP_BYTES_MAX: usize = 200;

/// What came so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    /// Answers with a 200, or replays.
    pub(super) answers: u64,
    /// Answers with a 429.
    pub(super) refused: u64,
    /// Of all of them.
    pub(super) bytes: u64,
}

impl Counts {
    pub(super) fn since(self, before: Self) -> Self {
        Self {
            answers: self.answers - before.answers,
            refused: self.refused - before.refused,
            bytes: self.bytes - before.bytes,
        }
    }
}

#[derive(Default)]
struct Tally {
    answers: AtomicU64,
    refused: AtomicU64,
    bytes: AtomicU64,
}

/// They read until they are stopped.
pub(super) struct Crowd {
    tally: Arc<Tally>,
    stop: oneshot::Sender<()>,
    thread: JoinHandle<anyhow::Result<()>>,
}

impl Crowd {
    pub(super) fn start(server: SocketAddr, wish: Wish) -> anyhow::Result<Self> {
        let (stop, stopped) = oneshot::channel();
        let tally = Arc::new(Tally::default());
        let thread = std::thread::spawn({
            let tally = Arc::clone(&tally);
            move || {
                // On Linux it is the thread's own.
                rustix::process::nice(NICE)?;
                crate::on_runtime(read_all(server, wish.readers, tally, stopped))
            }
        });
        Ok(Self { tally, stop, thread })
    }

    pub(super) fn counts(&self) -> Counts {
        let Tally { answers, refused, bytes } = &*self.tally;
        Counts { answers: answers.load(Relaxed), refused: refused.load(Relaxed), bytes: bytes.load(Relaxed) }
    }

    /// Fails when one of them was not served: then it is no crowd.
    pub(super) fn stop(self) -> anyhow::Result<()> {
        // One that failed does not listen any more, and says why below.
        let _ = self.stop.send(());
        self.thread.join().expect("no thread panics")
    }
}

async fn read_all(
    server: SocketAddr,
    readers: Vec<Reader>,
    tally: Arc<Tally>,
    mut stopped: oneshot::Receiver<()>,
) -> anyhow::Result<()> {
    let mut reading = JoinSet::new();
    for reader in readers {
        let tally = Arc::clone(&tally);
        reading.spawn(async move {
            match &reader.conversation {
                Some(conversation) => subscribe_again(server, &reader, conversation, &tally).await,
                None => ask_again(server, &reader, &tally).await,
            }
        });
    }
    loop {
        tokio::select! {
            _ = &mut stopped => return Ok(()),
            Some(ended) = reading.join_next() => ended?.context("a reader was not served")?,
        }
    }
}

async fn connect(server: SocketAddr, from: IpAddr) -> anyhow::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::new(from, 0))?;
    let stream = socket.connect(server).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

async fn ask_again(server: SocketAddr, reader: &Reader, tally: &Tally) -> anyhow::Result<()> {
    let Reader { token, path, from, .. } = reader;
    let request = format!("GET {path} HTTP/1.1\r\nhost: {server}\r\nauthorization: Bearer {token}\r\n\r\n");
    let mut stream = connect(server, *from).await?;
    let (mut page, mut answer) = (vec![0; READ_BYTES], Vec::new());
    loop {
        stream.write_all(request.as_bytes()).await?;
        answer.clear();
        // Only the head is kept; the body is counted.
        let (head, mut left) = loop {
            let read = stream.read(&mut page).await?;
            if read == 0 {
                bail!("the server closed a kept connection");
            }
            answer.extend_from_slice(&page[..read]);
            if let Some(head) = wire::parse(&answer)? {
                let whole = head.length + head.body_bytes;
                break (head, whole.saturating_sub(answer.len()));
            }
        };
        while left > 0 {
            let read = stream.read(&mut page).await?;
            if read == 0 {
                bail!("an answer was cut off");
            }
            left = left.saturating_sub(read);
        }
        match head.status {
            200 => tally.answers.fetch_add(1, Relaxed),
            429 => tally.refused.fetch_add(1, Relaxed),
            status => bail!("{path}: {status}"),
        };
        tally.bytes.fetch_add((head.length + head.body_bytes) as u64, Relaxed);
    }
}

async fn subscribe_again(
    server: SocketAddr,
    reader: &Reader,
    conversation: &str,
    tally: &Tally,
) -> anyhow::Result<()> {
    let mut request = format!("ws://{server}/api/v1/chat/socket").into_client_request()?;
    request.headers_mut().insert("sec-websocket-protocol", "switchboard.v1".parse()?);
    let (mut socket, _) = client_async(request, connect(server, reader.from).await?).await?;
    let hello = json!({ "id": "1", "type": "hello", "token": reader.token });
    socket.send(Message::text(hello.to_string())).await?;
    let subscribe =
        json!({ "id": "2", "type": "subscribe", "conversation_id": conversation, "after": 0 }).to_string();
    socket.send(Message::text(subscribe.clone())).await?;
    let mut sent = Instant::now();
    while let Some(message) = socket.next().await {
        let Message::Text(text) = message? else { continue };
        tally.bytes.fetch_add(text.len() as u64, Relaxed);
        let is_short = text.len() < CAUGHT_UP_BYTES_MAX;
        let caught_up = is_short && text.contains(CAUGHT_UP);
        let refused = is_short && text.contains(r#""error""#);
        if caught_up {
            tally.answers.fetch_add(1, Relaxed);
        }
        if refused {
            tally.refused.fetch_add(1, Relaxed);
        }
        if caught_up || refused {
            sleep_until(sent + SUBSCRIBE_EVERY).await;
            socket.send(Message::text(subscribe.clone())).await?;
            sent = Instant::now();
        }
    }
    bail!("the server closed a socket");
}
