//! HTTP/1 and the upgrade: the least that can be done with hyper.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use domain::{MessageId, Timestamp};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode, header};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use crate::agent::Agent;
use crate::message::{Log, Message, Post};

/// What all connections share.
pub(crate) struct Front<L> {
    log: L,
    agent: Agent,
}

impl<L: Log> Front<L> {
    pub(crate) fn new(log: L) -> Self {
        Self { log, agent: Agent::default() }
    }

    /// Serves until the process is ended.
    pub(crate) async fn serve(self, listener: TcpListener) -> anyhow::Result<()> {
        let front = Arc::new(self);
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            tokio::spawn(Arc::clone(&front).connection(stream));
        }
    }

    async fn connection(self: Arc<Self>, stream: TcpStream) {
        let answer = service_fn(move |request| {
            let front = Arc::clone(&self);
            async move { Ok::<_, Infallible>(front.answer(request).await) }
        });
        let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), answer);
        if let Err(error) = connection.with_upgrades().await {
            eprintln!("a connection: {error}");
        }
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let answered = match (request.method(), request.uri().path()) {
            (&Method::POST, path) => match conversation(path) {
                Some(conversation) => self.post(conversation, request.into_body()).await,
                None => return empty(StatusCode::NOT_FOUND),
            },
            (&Method::GET, _) => self.upgrade(request),
            _ => return empty(StatusCode::METHOD_NOT_ALLOWED),
        };
        answered.unwrap_or_else(|error| {
            eprintln!("a request: {error:#}");
            empty(StatusCode::INTERNAL_SERVER_ERROR)
        })
    }

    async fn post(&self, conversation: usize, body: Incoming) -> anyhow::Result<Response<Full<Bytes>>> {
        let body = body.collect().await?.to_bytes();
        let Post { client_id, text } = serde_json::from_slice(&body)?;
        let at = now();
        let message_id = MessageId::new(at, rand::random());
        let message = Message { conversation, message_id, at, client_id: &client_id, text: &text };
        let seq = self.log.append(&message).await?;
        self.agent.push(&serde_json::to_vec(&message.event(seq))?).await;
        let answer = Response::builder()
            .status(StatusCode::CREATED)
            .header(header::CONTENT_TYPE, "application/json")
            .body(serde_json::to_vec(&message.posted(seq))?.into())?;
        Ok(answer)
    }

    fn upgrade(&self, mut request: Request<Incoming>) -> anyhow::Result<Response<Full<Bytes>>> {
        let Some(key) = request.headers().get(header::SEC_WEBSOCKET_KEY) else {
            return Ok(empty(StatusCode::UPGRADE_REQUIRED));
        };
        let accept = derive_accept_key(key.as_bytes());
        self.agent.comes(hyper::upgrade::on(&mut request));
        let answer = Response::builder()
            .status(StatusCode::SWITCHING_PROTOCOLS)
            .header(header::CONNECTION, "upgrade")
            .header(header::UPGRADE, "websocket")
            .header(header::SEC_WEBSOCKET_ACCEPT, accept)
            .body(Full::default())?;
        Ok(answer)
    }
}

/// Of `/api/v1/chat/conversations/7/messages`: 7.
fn conversation(path: &str) -> Option<usize> {
    path.strip_prefix("/api/v1/chat/conversations/")?.strip_suffix("/messages")?.parse().ok()
}

fn empty(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    response
}

#[expect(
    clippy::disallowed_methods,
    reason = "this program is no part of the server, and has no other clock"
)]
fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_ms(since.as_millis() as u64)
}
