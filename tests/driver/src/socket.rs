//! A client of the persistent socket.

use std::collections::VecDeque;
use std::time::Duration;

use anyhow::{Context, bail};
use futures_util::{SinkExt, StreamExt};
use http::{HeaderName, HeaderValue};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::error::{Error, ProtocolError};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use crate::api::Api;

/// Pushes that nobody has taken; far more than a test leaves lying.
const PUSHES_MAX: usize = 100_000;
/// So that thousands of idle clients fit beside the server (tungstenite's own is 128 KiB).
const READ_BUFFER_BYTES: usize = 4 * 1024;

/// What came from the server.
#[derive(Clone, Debug, PartialEq)]
pub enum Frame {
    /// A frame of the contract.
    Json(Value),
    /// The end.
    Closed {
        /// None: the connection broke off.
        code: Option<u16>,
        /// As the server gave it.
        reason: String,
    },
}

/// An open socket. Pings are answered while somebody reads it.
#[derive(Debug)]
pub struct Socket {
    stream: WebSocketStream<TcpStream>,
    requests: u64,
    /// What came while an answer was awaited, oldest first.
    pushes: VecDeque<Value>,
    /// How long an answer or an awaited push may take.
    patience: Duration,
}

impl Socket {
    /// Opens one, without a hello.
    pub async fn open(api: &Api) -> anyhow::Result<Self> {
        Self::open_with(api, &[("sec-websocket-protocol", "switchboard.v1")]).await
    }

    /// Opens one with exactly these headers beside those that an upgrade needs.
    pub async fn open_with(api: &Api, headers: &[(&'static str, &str)]) -> anyhow::Result<Self> {
        let mut request = format!("ws://{}/api/v1/chat/socket", api.address()).into_client_request()?;
        for (name, value) in headers {
            request.headers_mut().append(HeaderName::from_static(name), HeaderValue::from_str(value)?);
        }
        let config = WebSocketConfig::default().read_buffer_size(READ_BUFFER_BYTES);
        let opened = async {
            let stream = TcpStream::connect(api.address()).await?;
            stream.set_nodelay(true)?;
            let (stream, _) = client_async_with_config(request, stream, Some(config)).await?;
            anyhow::Ok(stream)
        };
        let patience = api.patience();
        let stream = timeout(patience, opened).await.context("the upgrade was not answered")??;
        Ok(Self { stream, requests: 0, pushes: VecDeque::new(), patience })
    }

    /// Says who is there and where to go on, each conversation after a `seq` or, without one, live; gives the
    /// `welcome`.
    pub async fn hello(&mut self, token: &str, resume: &[(&str, Option<u64>)]) -> anyhow::Result<Value> {
        let position = |(conversation_id, after): &(&str, Option<u64>)| match after {
            Some(after) => json!({ "conversation_id": conversation_id, "after": after }),
            None => json!({ "conversation_id": conversation_id }),
        };
        let resume: Vec<Value> = resume.iter().map(position).collect();
        let welcome = self.request(json!({ "type": "hello", "token": token, "resume": resume })).await?;
        if welcome["type"] != "welcome" {
            bail!("a welcome was expected: {welcome}");
        }
        Ok(welcome)
    }

    /// Sends a frame as it is.
    pub async fn send_json(&mut self, frame: &Value) -> anyhow::Result<()> {
        self.send(Message::text(frame.to_string())).await
    }

    /// Sends any message of the WebSocket protocol.
    pub async fn send(&mut self, message: Message) -> anyhow::Result<()> {
        timeout(self.patience, self.stream.send(message))
            .await
            .context("the server does not read")?
            .map_err(Into::into)
    }

    /// Sends a frame under a new `id` and gives what replies to it, also an `error`. What comes before the reply is
    /// kept for [`Socket::next`] and [`Socket::expect_push`].
    pub async fn request(&mut self, mut frame: Value) -> anyhow::Result<Value> {
        self.requests += 1;
        let id = self.requests.to_string();
        frame["id"] = id.as_str().into();
        self.send_json(&frame).await?;
        let until = Instant::now() + self.patience;
        loop {
            match self.read(until).await?.with_context(|| format!("no reply to {frame}"))? {
                Frame::Json(reply) if reply["reply_to"] == id.as_str() => return Ok(reply),
                Frame::Json(push) => self.keep(push)?,
                Frame::Closed { code, reason } => {
                    bail!("closed ({code:?} {reason}) before the reply to {frame}")
                }
            }
        }
    }

    /// The next frame, kept or new.
    pub async fn next(&mut self) -> anyhow::Result<Frame> {
        self.next_within(self.patience).await?.context("nothing came")
    }

    /// The next frame, kept or new; none when nothing comes in this time.
    pub async fn next_within(&mut self, patience: Duration) -> anyhow::Result<Option<Frame>> {
        match self.pushes.pop_front() {
            Some(push) => Ok(Some(Frame::Json(push))),
            None => self.read(Instant::now() + patience).await,
        }
    }

    /// What was kept while an answer was awaited, and has not been taken since.
    pub fn take_pushes(&mut self) -> VecDeque<Value> {
        std::mem::take(&mut self.pushes)
    }

    /// The first push that is `wanted`, kept or yet to come; all others stay, in their order.
    pub async fn expect_push(
        &mut self,
        wanted: impl Fn(&Value) -> bool,
        patience: Duration,
    ) -> anyhow::Result<Value> {
        if let Some(place) = self.pushes.iter().position(&wanted) {
            return Ok(self.pushes.remove(place).expect("it was just found there"));
        }
        let until = Instant::now() + patience;
        loop {
            match self.read(until).await?.context("the awaited push did not come")? {
                Frame::Json(push) if wanted(&push) => return Ok(push),
                Frame::Json(push) => self.keep(push)?,
                Frame::Closed { code, reason } => bail!("closed ({code:?} {reason}) before the awaited push"),
            }
        }
    }

    /// The code and the reason with which the server closes; what comes before is dropped.
    pub async fn expect_close(&mut self, patience: Duration) -> anyhow::Result<(Option<u16>, String)> {
        let until = Instant::now() + patience;
        loop {
            if let Frame::Closed { code, reason } = self.read(until).await?.context("it stays open")? {
                return Ok((code, reason));
            }
        }
    }

    fn keep(&mut self, push: Value) -> anyhow::Result<()> {
        if self.pushes.len() == PUSHES_MAX {
            bail!("{PUSHES_MAX} pushes have not been taken");
        }
        self.pushes.push_back(push);
        Ok(())
    }

    /// None when nothing comes until then. Safe to be dropped at any await: nothing is taken off the stream by halves.
    async fn read(&mut self, until: Instant) -> anyhow::Result<Option<Frame>> {
        loop {
            let Ok(message) = timeout_at(until, self.stream.next()).await else { return Ok(None) };
            let closed = |code, reason| Ok(Some(Frame::Closed { code, reason }));
            match message {
                Some(Ok(Message::Text(text))) => {
                    let frame = serde_json::from_str(&text).with_context(|| format!("not JSON: {text}"))?;
                    return Ok(Some(Frame::Json(frame)));
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(Message::Close(Some(close)))) => {
                    return closed(Some(close.code.into()), close.reason.to_string());
                }
                Some(Ok(Message::Close(None))) | None => return closed(None, String::new()),
                Some(Ok(Message::Binary(_) | Message::Frame(_))) => bail!("the server sent no text"),
                Some(Err(
                    Error::Io(_)
                    | Error::ConnectionClosed
                    | Error::Protocol(ProtocolError::ResetWithoutClosingHandshake),
                )) => return closed(None, String::new()),
                Some(Err(error)) => return Err(error.into()),
            }
        }
    }
}
