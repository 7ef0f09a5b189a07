//! A small HTTP/1 client: kept connections, a time-out on every request, and no retry that its caller does not see.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, header};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};

use crate::answer::Answer;

/// How long a request may take, unless its caller says otherwise.
const PATIENCE: Duration = Duration::from_secs(10);

/// A client of one server. A clone shares the connections.
#[derive(Clone, Debug)]
pub struct Api {
    address: SocketAddr,
    /// Connections on which no request is under way; bounded by how many were ever under way at once.
    idle: Arc<Mutex<Vec<SendRequest<Full<Bytes>>>>>,
    patience: Duration,
}

/// A request that is being put together.
#[derive(Debug)]
#[must_use = "it goes out with `send`"]
pub struct Call<'a> {
    api: &'a Api,
    method: Method,
    path: String,
    headers: HeaderMap,
    body: Bytes,
    patience: Duration,
}

impl Api {
    /// Of the server at `address`; nothing is opened yet.
    pub fn new(address: SocketAddr) -> Self {
        Self { address, idle: Arc::default(), patience: PATIENCE }
    }

    /// Waits this long for each answer and for each reply on a socket, instead of 10 s.
    pub fn with_patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// How long an answer may take.
    pub fn patience(&self) -> Duration {
        self.patience
    }

    /// Where the server is.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A request for a whole path, as in `/api/v1/auth/me`.
    pub fn call(&self, method: Method, path: impl Into<String>) -> Call<'_> {
        let (headers, body) = (HeaderMap::new(), Bytes::new());
        Call { api: self, method, path: path.into(), headers, body, patience: self.patience }
    }

    /// A GET.
    pub fn get(&self, path: impl Into<String>) -> Call<'_> {
        self.call(Method::GET, path)
    }

    /// A POST.
    pub fn post(&self, path: impl Into<String>) -> Call<'_> {
        self.call(Method::POST, path)
    }

    /// A PUT.
    pub fn put(&self, path: impl Into<String>) -> Call<'_> {
        self.call(Method::PUT, path)
    }

    /// A PATCH.
    pub fn patch(&self, path: impl Into<String>) -> Call<'_> {
        self.call(Method::PATCH, path)
    }

    /// A DELETE.
    pub fn delete(&self, path: impl Into<String>) -> Call<'_> {
        self.call(Method::DELETE, path)
    }

    /// Sends bytes that need not be HTTP on a connection of their own, and gives all that comes back until the
    /// server closes it or `patience` ends.
    pub async fn raw(&self, bytes: &[u8], patience: Duration) -> anyhow::Result<Vec<u8>> {
        let until = Instant::now() + patience;
        let mut stream = timeout_at(until, TcpStream::connect(self.address)).await??;
        let mut answer = Vec::new();
        // A server that has closed already may still have answered.
        if timeout_at(until, stream.write_all(bytes)).await.is_ok() {
            let mut page = [0; 4096];
            while let Ok(Ok(read @ 1..)) = timeout_at(until, stream.read(&mut page)).await {
                answer.extend_from_slice(&page[..read]);
            }
        }
        Ok(answer)
    }

    /// A connection that is ready for a request: a kept one, or a new one.
    async fn connection(&self) -> anyhow::Result<SendRequest<Full<Bytes>>> {
        while let Some(mut kept) = self.take_idle() {
            if kept.ready().await.is_ok() {
                return Ok(kept);
            }
        }
        let stream = TcpStream::connect(self.address).await.context("cannot connect")?;
        stream.set_nodelay(true)?;
        let (connection, driver) = http1::handshake(TokioIo::new(stream)).await?;
        // Ends with the connection; what breaks it is told to the request that is under way.
        tokio::spawn(driver);
        Ok(connection)
    }

    fn take_idle(&self) -> Option<SendRequest<Full<Bytes>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    fn keep(&self, connection: SendRequest<Full<Bytes>>) {
        if !connection.is_closed() {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
        }
    }

    async fn exchange(&self, mut request: Request<Full<Bytes>>) -> anyhow::Result<Answer> {
        loop {
            let mut connection = self.connection().await?;
            match connection.try_send_request(request).await {
                Ok(response) => {
                    let (head, body) = response.into_parts();
                    let bytes = body.collect().await?.to_bytes();
                    self.keep(connection);
                    let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
                    return Ok(Answer { status: head.status.as_u16(), headers: head.headers, bytes, body });
                }
                Err(mut failed) => match failed.take_message() {
                    // The server had closed the kept connection: not a byte has left, so this is no repeat.
                    Some(unsent) => request = unsent,
                    None => return Err(failed.into_error().into()),
                },
            }
        }
    }
}

impl Call<'_> {
    /// Adds a header.
    ///
    /// # Panics
    ///
    /// On a value that is no header's; [`Api::raw`] sends those.
    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        let value = HeaderValue::from_str(value).expect("a test sends valid headers, or raw bytes");
        self.headers.append(HeaderName::from_static(name), value);
        self
    }

    /// Names the caller by their token.
    pub fn bearer(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    /// Names the caller by their site.
    pub fn site(self, site_key: &str) -> Self {
        self.header("x-site-key", site_key)
    }

    /// Gives it a body of JSON.
    pub fn json(self, body: &Value) -> Self {
        self.body("application/json", body.to_string())
    }

    /// Gives it a body of any type.
    pub fn body(mut self, content_type: &str, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self.header("content-type", content_type)
    }

    /// Waits this long for the whole answer, instead of as long as for any.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Sends it, once. An error means that the outcome is unknown.
    pub async fn send(self) -> anyhow::Result<Answer> {
        let name = format!("{} {}", self.method, self.path);
        let mut request = Request::builder().method(self.method).uri(self.path).body(Full::new(self.body))?;
        *request.headers_mut() = self.headers;
        let host =
            HeaderValue::from_str(&self.api.address.to_string()).expect("an address is a header's value");
        request.headers_mut().entry(header::HOST).or_insert(host);
        timeout(self.patience, self.api.exchange(request))
            .await
            .with_context(|| format!("{name}: no answer within {:?}", self.patience))?
            .with_context(|| name)
    }
}
