//! An agent who looks on: one thread, one socket, up to 200 conversations.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, bail};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::{Error, Message, WebSocket, client};

use crate::latency::Latencies;
use crate::schedule::Schedule;
use crate::visitor::due;

/// The contract's `subscriptions_per_socket`, and the most that a hello may resume.
pub(crate) const SUBSCRIPTIONS_MAX: usize = 200;
/// How long the socket is silent before the thread looks whether the run is over.
const TICK: Duration = Duration::from_millis(500);
/// How long the subscriptions may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// A conversation and the last event that the agent needs no more.
pub(crate) type Position = (String, u64);

/// A socket that has caught up with all its conversations.
pub(crate) struct Agent {
    socket: WebSocket<TcpStream>,
}

impl Agent {
    /// Opens the socket and waits until it is live in all `positions`, at most [`SUBSCRIPTIONS_MAX`].
    pub(crate) fn subscribe(
        address: SocketAddr,
        token: &str,
        positions: &[Position],
    ) -> anyhow::Result<Self> {
        let mut socket = open(address, Some("switchboard.v1"))?;
        let resume: Vec<Value> = positions
            .iter()
            .map(|(conversation, after)| json!({ "conversation_id": conversation, "after": after }))
            .collect();
        let hello = json!({ "id": "1", "type": "hello", "token": token, "resume": resume });
        socket.send(Message::text(hello.to_string()))?;
        let mut behind = positions.len();
        while behind > 0 {
            let Message::Text(text) = socket.read()? else { continue };
            let frame: Value = serde_json::from_str(&text)?;
            match frame["type"].as_str() {
                Some("caught_up") => behind -= 1,
                Some("error" | "gap") => bail!("the agent cannot look on: {frame}"),
                Some(_) | None => {}
            }
        }
        socket.get_ref().set_read_timeout(Some(TICK))?;
        Ok(Self { socket })
    }

    /// Opens the socket of a server on which one need not say anything.
    pub(crate) fn connect(address: SocketAddr) -> anyhow::Result<Self> {
        let socket = open(address, None)?;
        socket.get_ref().set_read_timeout(Some(TICK))?;
        Ok(Self { socket })
    }

    /// Takes what comes until it is told to stop and nothing more has come for a moment. Gives the latencies from due
    /// to delivered of the measured messages.
    pub(crate) fn look_on(mut self, schedule: &Schedule, stop: &AtomicBool) -> anyhow::Result<Latencies> {
        let mut delivered = Latencies::default();
        loop {
            match self.socket.read() {
                Ok(Message::Text(frame)) => {
                    if let Some(due) = due(&frame)
                        && schedule.is_measured(due)
                    {
                        delivered.add(schedule.now() - due);
                    }
                }
                Ok(Message::Ping(_) | Message::Pong(_)) => {}
                Ok(other) => bail!("the agent's socket ended: {other:?}"),
                Err(Error::Io(error))
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) =>
                {
                    if stop.load(Ordering::Relaxed) {
                        return Ok(delivered);
                    }
                }
                Err(error) => return Err(error).context("the agent's socket broke"),
            }
        }
    }
}

fn open(address: SocketAddr, subprotocol: Option<&'static str>) -> anyhow::Result<WebSocket<TcpStream>> {
    let mut request = format!("ws://{address}/api/v1/chat/socket").into_client_request()?;
    if let Some(subprotocol) = subprotocol {
        request.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static(subprotocol));
    }
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let (socket, _) = client(request, stream).context("the upgrade failed")?;
    Ok(socket)
}
