//! The accept loop: connections and their limits, HTTP/1 on each, and the way out of it for sockets.
//!
//! One task a connection. How many there are, in all and by address, how long a head may take, how long a peer may not
//! read, and how long a drain may last are held here; everything about a single request is not.

use std::future::poll_fn;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use crate::app::App;
use crate::config::Limits;
use crate::descriptors;
use crate::errors::RequestId;
use crate::errors::{ApiError, ErrorCode};
use crate::http::engine::reply::HandoverSlot;
use crate::http::engine::service;
use crate::http::engine::stream::{Left, Patience, Progress, Stream};
use crate::http::table::paths::Paths;
use crate::linger::linger;
use crate::rates::seats::{Seat, Seats};
use crate::rates::{Key, headers_of_taken};
use crate::socket::Handover;

/// Connections that are told why they are refused at once; one more is closed without a word.
const REFUSALS_MAX: usize = 64;
/// hyper's own limits, wider than those of the config, so that ours answer. What it buffers is held for every
/// connection that sends slowly, so it is no wider than that.
const HYPER_HEADERS_MAX: usize = 256;
const HYPER_BUFFER_SLACK_BYTES: usize = 8 * 1024;
/// How long the answer may take that says why a connection is refused.
const REFUSE_WITHIN: Duration = Duration::from_secs(2);
/// Until it is worth trying again for a place among an address's connections.
const SEAT_WAIT: Duration = Duration::from_millis(SEAT_WAIT_MS);
const SEAT_WAIT_MS: u64 = 1_000;
/// Until accepting is tried again when the system has no more files to give.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Speaks with a socket after its upgrade, until it is closed. It gets the bytes that came in behind the request.
pub type ServeSocket = fn(Arc<App>, TcpStream, Bytes, Handover) -> BoxFuture<'static, ()>;

/// What is served on a listener.
#[derive(Clone)]
pub struct Front {
    /// What handlers share.
    pub app: Arc<App>,
    /// The routes of this listener.
    pub paths: Arc<Paths>,
    /// Takes sockets over.
    pub serve_socket: ServeSocket,
}

/// Serves `listener` until `stop` is true; then takes no more, lets each connection end its request, and closes what
/// is left after `grace`. Sockets hear of the stop by themselves, and have the same time.
pub async fn serve(listener: TcpListener, front: Front, mut stop: watch::Receiver<bool>, grace: Duration) {
    let mut connections = JoinSet::new();
    let acceptor = Acceptor::new(front, stop.clone());
    loop {
        tokio::select! {
            () = told_to_stop(&mut stop) => break,
            Some(ended) = connections.join_next() => tell_panic(ended),
            accepted = listener.accept() => match accepted {
                Ok((tcp, peer)) => acceptor.admit(tcp, peer, &mut connections),
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    drop(listener);
    let all_ended = async {
        while let Some(ended) = connections.join_next().await {
            tell_panic(ended);
        }
    };
    if tokio::time::timeout(grace, all_ended).await.is_err() {
        tracing::warn!(connections = connections.len(), "closing the connections that did not end in time");
        connections.shutdown().await;
    }
}

async fn told_to_stop(stop: &mut watch::Receiver<bool>) {
    // That nobody can say it any more means the same.
    let _told = stop.wait_for(|stopping| *stopping).await.is_ok();
}

fn tell_panic(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        tracing::error!(%error, "a connection's task panicked");
    }
}

/// Decides over new connections.
struct Acceptor {
    front: Front,
    /// Of the listener, at once.
    connections_max: usize,
    http: http1::Builder,
    seats: Seats,
    refusals: Arc<Semaphore>,
    stop: watch::Receiver<bool>,
}

impl Acceptor {
    fn new(front: Front, stop: watch::Receiver<bool>) -> Self {
        let limits = &front.app.config.limits;
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new())
            // Between two requests; a head has less time, which the stream keeps.
            .header_read_timeout(Duration::from_secs(limits.keep_alive_s))
            .max_headers(HYPER_HEADERS_MAX)
            .max_buf_size(limits.header_bytes_max + limits.uri_bytes_max + HYPER_BUFFER_SLACK_BYTES)
            // Without it hyper drops a handler in the middle of its work when its client has gone.
            .half_close(true);
        let connections_max = descriptors::connections_max();
        Self {
            front,
            connections_max,
            http,
            seats: Seats::default(),
            // They are told out of what connections leave to the store.
            refusals: Arc::new(Semaphore::new(REFUSALS_MAX.min(connections_max / 4))),
            stop,
        }
    }

    /// Gives the connection its task, or refuses it.
    fn admit(&self, tcp: TcpStream, peer: SocketAddr, connections: &mut JoinSet<()>) {
        let address = peer.ip().to_canonical();
        let app = &self.front.app;
        if connections.len() >= self.connections_max {
            let full = ApiError::new(ErrorCode::Unavailable, "too many connections are open: try again");
            return self.refuse(tcp, full.retry_after_ms(SEAT_WAIT_MS), connections);
        }
        // All clients behind a proxy come from its one address.
        let speaks_for_many = app.peers.is_trusted(address);
        let max = if speaks_for_many { 0 } else { app.config.limits.connections_per_address };
        match self.seats.take(Key::of_address(address), max) {
            Some(seat) => {
                let connection = Connection {
                    front: self.front.clone(),
                    peer: address,
                    stop: self.stop.clone(),
                    _seat: seat,
                    _open: app.metrics.connection_opened(),
                };
                connections.spawn(connection.run(tcp, self.http.clone()));
            }
            None => {
                let error = ApiError::rate_limited("too many connections from this address", SEAT_WAIT)
                    .with_headers(headers_of_taken("connections", max, SEAT_WAIT));
                self.refuse(tcp, error, connections);
            }
        }
    }

    /// Tells the peer why, if there is a place left for that.
    fn refuse(&self, tcp: TcpStream, error: ApiError, connections: &mut JoinSet<()>) {
        self.front.app.metrics.refused(error.code());
        if let Ok(permit) = Arc::clone(&self.refusals).try_acquire_owned() {
            connections.spawn(async move {
                answer_and_close(tcp, &error).await;
                drop(permit);
            });
        }
    }
}

/// One connection, which counts as open until it is dropped.
struct Connection {
    front: Front,
    peer: IpAddr,
    stop: watch::Receiver<bool>,
    _seat: Seat,
    _open: crate::metrics::OpenConnection,
}

/// How HTTP on a connection ended.
enum Ending {
    /// There is nothing more to say.
    Closed,
    /// It is a socket now.
    Upgraded(TcpStream, Bytes, Handover),
}

impl Connection {
    async fn run(self, tcp: TcpStream, http: http1::Builder) {
        // Boxed, so that a socket, which lives long, does not keep the memory of HTTP.
        match Box::pin(self.speak_http(tcp, http)).await {
            Ending::Closed => {}
            Ending::Upgraded(tcp, read_ahead, handover) => {
                (self.front.serve_socket)(Arc::clone(&self.front.app), tcp, read_ahead, handover).await;
            }
        }
    }

    async fn speak_http(&self, tcp: TcpStream, http: http1::Builder) -> Ending {
        if let Err(error) = tcp.set_nodelay(true) {
            tracing::debug!(%error, "a connection was gone before it was served");
            return Ending::Closed;
        }
        let limits: &Limits = &self.front.app.config.limits;
        let progress = Arc::new(Progress::default());
        let handover: Arc<Mutex<Option<Handover>>> = Arc::default();
        let patience = Patience {
            head: Duration::from_secs(limits.header_timeout_s),
            stall: Duration::from_secs(limits.body_timeout_s),
        };
        let io = TokioIo::new(Stream::new(tcp, patience, Arc::clone(&progress)));
        let requests = {
            let (front, peer, handover) = (self.front.clone(), self.peer, Arc::clone(&handover));
            hyper::service::service_fn(move |request: Request<Incoming>| {
                progress.begin();
                let progress = Arc::clone(&progress);
                let (app, paths) = (Arc::clone(&front.app), Arc::clone(&front.paths));
                let handover = Arc::clone(&handover);
                Box::pin(async move {
                    let response = service::answer(app, paths, peer, request).await;
                    if let Ok(response) = &response
                        && let Some(slot) = response.extensions().get::<HandoverSlot>()
                    {
                        *handover.lock().expect("nobody panics while holding it") = slot.take();
                    }
                    progress.end();
                    response
                })
            })
        };
        let mut connection = http.serve_connection(io, requests);
        let mut stop = self.stop.clone();
        let mut stopping = false;
        let ended = loop {
            tokio::select! {
                ended = poll_fn(|cx| connection.poll_without_shutdown(cx)) => break ended,
                () = told_to_stop(&mut stop), if !stopping => {
                    stopping = true;
                    Pin::new(&mut connection).graceful_shutdown();
                }
            }
        };
        let parts = connection.into_parts();
        let Left { tcp, refused_with, head_is_late } = parts.io.into_inner().into_left();
        let (read_ahead, handover) =
            (parts.read_buf, handover.lock().expect("nobody panics while holding it").take());
        match (ended, handover) {
            (Ok(()), Some(handover)) => return Ending::Upgraded(tcp, read_ahead, handover),
            // An idle peer need not be waited for: it has sent nothing that is unread.
            (Ok(()), None) if stopping => {}
            (Ok(()), None) => {
                // Its memory is not held for a peer who is only waited for.
                drop(read_ahead);
                linger(tcp).await;
            }
            (Err(error), _) => {
                tracing::debug!(%error, "a connection broke");
                let answer = parse_error(head_is_late || error.is_timeout(), refused_with, &read_ahead);
                drop(read_ahead);
                if let Some(answer) = answer {
                    self.front.app.metrics.refused(answer.code());
                    answer_and_close(tcp, &answer).await;
                }
            }
        }
        Ending::Closed
    }
}

/// The answer to what did not become a request, of which `begun` was read; none: the peer is gone, or sent nothing.
fn parse_error(is_late: bool, refused_by_hyper: Option<u16>, begun: &[u8]) -> Option<ApiError> {
    if is_late && !begun.is_empty() {
        return Some(ApiError::new(ErrorCode::RequestTimeout, "the request's head did not come in time"));
    }
    match refused_by_hyper? {
        414 => Some(uri_too_long()),
        // No line has ended in all that is buffered, so it is the first that is too long.
        431 if !begun.contains(&b'\n') => Some(uri_too_long()),
        431 => Some(ApiError::new(ErrorCode::HeadersTooLarge, "the headers are too many or too large")),
        _ => Some(ApiError::new(ErrorCode::InvalidRequest, "this is not HTTP/1.1")),
    }
}

fn uri_too_long() -> ApiError {
    ApiError::new(ErrorCode::UriTooLong, "the path and query are too long")
}

/// Answers a peer and ends its connection, without hyper.
async fn answer_and_close(mut tcp: TcpStream, error: &ApiError) {
    let request_id = RequestId::random();
    error.log(&request_id);
    let answer = error.reply(&request_id).into_closing_bytes(&request_id);
    let written = tokio::time::timeout(REFUSE_WITHIN, tcp.write_all(&answer)).await;
    if let Ok(Ok(())) = written {
        linger(tcp).await;
    }
}
