//! One request from its head to its answer: judged, handed through warp to its handler, and finished with the headers
//! that every answer carries.

use std::convert::Infallible;
use std::future::Future;
use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use bytes::Buf;
use futures_util::FutureExt;
use futures_util::stream::{self, Stream, StreamExt};
use http::header::{self, HeaderName, HeaderValue};
use http::{HeaderMap, Method, Request, Version};
use hyper::body::{Body as _, Incoming};
use identity::Caller;
use tokio::time::Instant;
use tower_service::Service;
use tracing::Instrument;
use warp::Filter;
use warp::reply::Response;

use crate::app::App;
use crate::errors::ApiError;
use crate::errors::RequestId;
use crate::http::engine::body::Body;
use crate::http::engine::call::Call;
use crate::http::engine::cors;
use crate::http::engine::trace_context;
use crate::http::judge::existence::Existence;
use crate::http::judge::{Judgement, Noticed, judge};
use crate::http::table::paths::Paths;
use crate::http::table::{Params, Rate, Route, Who};
use crate::rates::reads;
use crate::rates::{Key, RATELIMIT, RATELIMIT_POLICY};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Answers one request that came in on a connection from `peer`.
pub(crate) async fn answer(
    app: Arc<App>,
    paths: Arc<Paths>,
    peer: IpAddr,
    request: Request<Incoming>,
) -> Result<Response, Infallible> {
    let started = Instant::now();
    let method = request.method().clone();
    let request_id = RequestId::of(request.headers().get(&REQUEST_ID));
    let span = span(&request_id, request.headers());
    let mut noticed = Noticed::default();
    let whole = Whole(Arc::new(AtomicBool::new(request.body().is_end_stream())));

    let response = respond(&app, &paths, peer, request, &request_id, &mut noticed, &whole)
        .instrument(span.clone())
        .await;
    let response = finished(response, &request_id, &noticed, &whole);
    let (status, took) = (response.status(), started.elapsed());
    let route = noticed.pattern.unwrap_or("none");
    app.metrics.answered(&method, route, status, took);
    span.in_scope(
        || tracing::debug!(%method, route, status = status.as_u16(), took_ms = ms(took), "answered"),
    );
    if method != Method::GET && status.is_success() && route.starts_with(SETTINGS) {
        span.in_scope(|| tracing::info!(%method, route, "settings were changed"));
    }
    Ok(response)
}

/// The routes that change what admins set up.
const SETTINGS: &str = "/api/v1/admin/";

/// Whether all of the request's body was read. After a refusal that left some of it unread the connection closes, and
/// the client must know: a request that it sends behind the refused one would get no answer.
#[derive(Clone)]
struct Whole(Arc<AtomicBool>);

/// What the log says of everything that happens within a request.
fn span(request_id: &RequestId, headers: &HeaderMap) -> tracing::Span {
    let traceparent = trace_context::parent(headers);
    tracing::info_span!("request", request_id = request_id.as_str(), traceparent)
}

fn ms(took: Duration) -> f64 {
    (took.as_secs_f64() * 1e6).round() / 1e3
}

async fn respond(
    app: &Arc<App>,
    paths: &Paths,
    peer: IpAddr,
    request: Request<Incoming>,
    request_id: &RequestId,
    noticed: &mut Noticed,
    whole: &Whole,
) -> Response {
    let (parts, body) = request.into_parts();
    let address = app.peers.client_address(peer, &parts.headers);
    let (route, caller, params) = match judge(app, paths, address, &parts, noticed).await {
        Ok(Judgement::Handle { route, .. }) if route.row.who != Who::Open && app.cluster.is_over() => {
            return refuse(app, &ApiError::unavailable("another server opened this store"), request_id);
        }
        Ok(Judgement::Handle { route, caller, params }) => (route, caller, params),
        Ok(Judgement::Answer(reply)) => return reply.into_response(),
        Err(error) => return refuse(app, &error, request_id),
    };
    let judged = Judged {
        app: Arc::clone(app),
        route,
        caller,
        params,
        query: parts.uri.query().unwrap_or_default().to_owned(),
        headers: parts.headers,
        peer: address,
        version: parts.version,
        request_id: request_id.clone(),
        whole: whole.clone(),
    };
    let mut request = Request::new(body);
    request.extensions_mut().insert(Handoff(Arc::new(Mutex::new(Some(judged)))));
    // A handler that panics has a fault; its client is told so like of any other, and the connection lives.
    match AssertUnwindSafe(warp::service(handlers()).call(request)).catch_unwind().await {
        Ok(Ok(response)) => response,
        Ok(Err(never)) => match never {},
        Err(_) => refuse(app, &ApiError::internal("the handler panicked"), request_id),
    }
}

/// The one place where a request's error is logged, counted and answered.
fn refuse(app: &App, error: &ApiError, request_id: &RequestId) -> Response {
    error.log(request_id);
    app.metrics.refused(error.code());
    error.reply(request_id).into_response()
}

/// All of a request but its body.
struct Judged {
    app: Arc<App>,
    route: &'static Route,
    caller: Caller,
    params: Params,
    query: String,
    headers: HeaderMap,
    peer: IpAddr,
    version: Version,
    request_id: RequestId,
    whole: Whole,
}

/// Carries a judged request through warp, whose extensions want to be cloned; it is taken once.
#[derive(Clone)]
struct Handoff(Arc<Mutex<Option<Judged>>>);

/// warp extracts, a handler works; nothing is rejected here.
fn handlers() -> impl Filter<Extract = (Response,), Error = warp::Rejection, Future: Future + Send> + Clone {
    warp::ext::get::<Handoff>().and(warp::body::stream()).then(handle)
}

async fn handle<S, B>(handoff: Handoff, chunks: S) -> Response
where
    S: Stream<Item = Result<B, warp::Error>> + Send + Sync + 'static,
    B: Buf,
{
    let judged = handoff.0.lock().expect("nobody panics while holding it").take();
    let judged = judged.expect("each request is handed over once");
    let (app, request_id) = (Arc::clone(&judged.app), judged.request_id.clone());
    let (Route { row, handler }, peer) = (judged.route, judged.peer);
    let limits = &app.config.limits;
    let bytes_max = row.body.bytes_max(limits);
    let timeout = Duration::from_secs(limits.body_timeout_s);
    let whole = judged.whole;
    let chunks = chunks.chain(stream::poll_fn(move |_| {
        whole.0.store(true, Ordering::Relaxed);
        Poll::Ready(None)
    }));
    let call = Call {
        app: judged.app,
        row,
        caller: judged.caller,
        params: judged.params,
        query: judged.query,
        body: Body::new(chunks, bytes_max, timeout, &app.bodies, Key::of_address(peer)),
        headers: judged.headers,
        peer: judged.peer,
        version: judged.version,
        request_id: judged.request_id,
    };
    let reads = row.rates.contains(&Rate::Reads).then(|| call.caller.clone());
    let existence = Existence::of(&call);
    match handler(call).await {
        Ok(reply) => {
            if let Some(caller) = reads {
                reads::charge(&app.rates, &caller, peer, reply.whole_bytes());
            }
            reply.into_response()
        }
        Err(error) => {
            let error = match existence {
                Some(existence) => existence.before(&app, error).await,
                None => error,
            };
            refuse(&app, &error, &request_id)
        }
    }
}

/// Puts on what every answer carries.
fn finished(mut response: Response, request_id: &RequestId, noticed: &Noticed, whole: &Whole) -> Response {
    let is_refusal = response.status().is_client_error() || response.status().is_server_error();
    let headers = response.headers_mut();
    if is_refusal && !whole.0.load(Ordering::Relaxed) {
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    headers.insert(REQUEST_ID, request_id.header_value());
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    for verdict in &noticed.rates {
        headers.append(RATELIMIT_POLICY, verdict.policy.clone());
        headers.append(RATELIMIT, verdict.remaining());
    }
    if noticed.depends_on_origin {
        headers.append(header::VARY, HeaderValue::from_static("Origin"));
    }
    if let Some(origin) = &noticed.origin {
        headers.extend(cors::allow(origin));
    }
    response
}
