//! Every request is judged here before any handler sees it, in the public contract's order: sizes, route and method,
//! authentication, rate, origin, role. What comes after (existence, media type, syntax, schema, state) is the
//! handler's; that existence comes first is held by [`existence`]. Nothing of the body is read here, so a refusal costs
//! nothing.

use std::net::IpAddr;

use cluster::AgentKey;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Version, header};
use identity::Caller;

use crate::app::App;
use crate::config::Limits;
use crate::errors::{ApiError, ErrorCode};
use crate::http::engine::bearer::bearer;
use crate::http::engine::body;
use crate::http::engine::cors;
use crate::http::engine::reply::Reply;
use crate::http::table::paths::{Match, Paths};
use crate::http::table::{Pages, Params, Rate, Route, Row, Who};
use crate::rates::reads;
use crate::rates::{Key, Limit, Verdict};

pub(crate) mod existence;

/// What came of it, when nothing was refused.
pub(crate) enum Judgement {
    /// A handler may answer.
    Handle {
        /// The row with its handler.
        route: &'static Route,
        /// The caller.
        caller: Caller,
        /// What stands in the path.
        params: Params,
    },
    /// No handler is needed: OPTIONS.
    Answer(Reply),
}

/// What is noticed on the way, and stands in the answer whatever it will be.
#[derive(Default)]
pub(crate) struct Noticed {
    /// The row's path, for metrics and the log: never what the client wrote.
    pub(crate) pattern: Option<&'static str>,
    /// The answer depends on the origin, or another origin's would.
    pub(crate) depends_on_origin: bool,
    /// The page that may read the answer.
    pub(crate) origin: Option<HeaderValue>,
    /// What the rates say.
    pub(crate) rates: Vec<Verdict>,
}

/// Judges a request from `address`.
pub(crate) async fn judge(
    app: &App,
    paths: &Paths,
    address: IpAddr,
    request: &Parts,
    noticed: &mut Noticed,
) -> Result<Judgement, ApiError> {
    let limits = &app.config.limits;
    let found = paths.find(request.uri.path());
    let (found, route) = match shape(found.as_ref(), request, limits) {
        Ok(shaped) => shaped,
        Err(refused) => {
            let row = found.as_ref().and_then(|found| found.row_or_any(&request.method));
            let pages = row.map_or(Pages::OfSites, |row| row.who.pages());
            noticed.depends_on_origin = pages != Pages::All;
            let origin = cors::origin_of(&request.headers).ok().flatten();
            let_read_refusal(app, pages, origin, noticed).await;
            return Err(refused);
        }
    };
    let Some(route) = route else {
        noticed.pattern = found.pattern();
        return options(app, found, &request.headers, noticed).await.map(Judgement::Answer);
    };
    let row = &route.row;
    noticed.pattern = Some(row.path);
    let pages = row.who.pages();
    noticed.depends_on_origin = pages != Pages::All;
    if !row.is_of_node() && !app.cluster.serves() {
        return Err(stands_by());
    }

    let origin = cors::origin_of(&request.headers)?;
    let caller = authenticate(app, row.who, request).await;
    if let Ok(caller) = &caller {
        note_seen(app, caller);
    }
    let judged = match caller {
        Ok(caller) => rates(app, row, &caller, address, noticed).await.map(|()| caller),
        Err(refused) => Err(refused),
    };
    let caller = match judged {
        Ok(caller) => caller,
        Err(refused) => {
            let_read_refusal(app, pages, origin, noticed).await;
            return Err(refused);
        }
    };
    if let Some(origin) = origin
        && pages != Pages::All
    {
        let passes = match &caller {
            Caller::Anonymous => may_ask(app, pages, origin).await?,
            known => match origin.to_str() {
                Ok(origin) => app.allows_origin(known, origin).await?,
                Err(_) => false,
            },
        };
        if !passes {
            return Err(cors::refused());
        }
        noticed.origin = Some(origin.clone());
    }
    row.who.admits(&caller)?;
    Ok(Judgement::Handle { route, caller, params: found.params(&request.uri, row) })
}

/// The path, and the row of its method; without a row it is an OPTIONS.
fn shape<'a>(
    found: Option<&'a Match<'a>>,
    request: &Parts,
    limits: &Limits,
) -> Result<(&'a Match<'a>, Option<&'static Route>), ApiError> {
    uri_size(request, limits)?;
    let route = found.and_then(|found| found.route(&request.method));
    head_size(&request.headers, limits)?;
    body_size(request, route.map(|route| &route.row), limits)?;
    host(request)?;
    transfer_coding(request)?;
    let found = found.ok_or_else(ApiError::not_found)?;
    match route {
        None if request.method == Method::OPTIONS => Ok((found, None)),
        None => Err(method_not_allowed(found)),
        Some(route) => Ok((found, Some(route))),
    }
}

/// A page that may ask at all may read why it was refused; when that cannot be said now, it may not.
async fn let_read_refusal(app: &App, pages: Pages, origin: Option<&HeaderValue>, noticed: &mut Noticed) {
    if let Some(origin) = origin
        && pages != Pages::All
        && may_ask(app, pages, origin).await.is_ok_and(|may| may)
    {
        noticed.origin = Some(origin.clone());
    }
}

/// Another node of the cluster serves: what is asked here is asked there, by the proxy in front or by the client's next try.
fn stands_by() -> ApiError {
    let error = ApiError::new(ErrorCode::Unavailable, "this node stands by, and another one serves");
    error.retry_after_ms(1_000)
}

fn uri_size(request: &Parts, limits: &Limits) -> Result<(), ApiError> {
    let target = request.uri.path_and_query().map_or(0, |target| target.as_str().len());
    if target > limits.uri_bytes_max {
        return Err(ApiError::new(ErrorCode::UriTooLong, "the path and query are too long"));
    }
    Ok(())
}

fn head_size(headers: &HeaderMap, limits: &Limits) -> Result<(), ApiError> {
    // As on the wire: name, colon, space, value, end of line.
    let bytes: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    if headers.len() > limits.headers_max || bytes > limits.header_bytes_max {
        return Err(ApiError::new(ErrorCode::HeadersTooLarge, "the headers are too many or too large"));
    }
    Ok(())
}

/// Of a body whose length is told; another is held to the limit while it is read.
fn body_size(request: &Parts, row: Option<&Row>, limits: &Limits) -> Result<(), ApiError> {
    let length = request.headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    let chunked = request.headers.contains_key(header::TRANSFER_ENCODING);
    if let Some(length) = length {
        let max = row.map_or(limits.body_bytes_max as u64, |row| row.body.bytes_max(limits));
        // hyper has parsed it, so what does not fit a number is too large.
        if length.parse::<u64>().unwrap_or(u64::MAX) > max {
            return Err(body::too_large(max));
        }
    } else if !chunked && row.is_some_and(|row| row.body.is_required()) {
        return Err(ApiError::new(ErrorCode::LengthRequired, "this route needs a body, and its length"));
    }
    Ok(())
}

fn method_not_allowed(found: &Match<'_>) -> ApiError {
    let allow = HeaderValue::try_from(found.methods()).expect("the names of methods are a header value");
    let message = format!("this path does not take this method, but {}", found.methods());
    ApiError::new(ErrorCode::MethodNotAllowed, message).with_header(header::ALLOW, allow)
}

/// A preflight needs no credential: whether its page may ask at all is all that is judged. Any other OPTIONS is told
/// the methods.
async fn options(
    app: &App,
    found: &Match<'_>,
    headers: &HeaderMap,
    noticed: &mut Noticed,
) -> Result<Reply, ApiError> {
    noticed.depends_on_origin = true;
    let methods = found.methods();
    let asked = cors::preflight_method(headers).zip(cors::origin_of(headers)?);
    let Some((method, origin)) = asked else {
        let allow = HeaderValue::try_from(methods).expect("the names of methods are a header value");
        return Ok(Reply::empty(StatusCode::NO_CONTENT).with_header(header::ALLOW, allow));
    };
    let pages = found.row_or_any(&method).map_or(Pages::Own, |row| row.who.pages());
    if !may_ask(app, pages, origin).await? {
        return Err(cors::refused());
    }
    noticed.origin = Some(origin.clone());
    Ok(cors::preflight(&methods))
}

/// Whether any site lets pages of this origin ask, or it is our own.
async fn may_ask(app: &App, pages: Pages, origin: &HeaderValue) -> Result<bool, ApiError> {
    let Ok(origin) = origin.to_str() else { return Ok(false) };
    if app.origins.is_own(origin) {
        return Ok(true);
    }
    match pages {
        Pages::All | Pages::Own => Ok(false),
        Pages::OfSites => Ok(app.origins.is_on_any_site(app.store.records.as_ref(), origin).await?),
    }
}

async fn authenticate(app: &App, who: Who, request: &Parts) -> Result<Caller, ApiError> {
    let authorization = one(&request.headers, &header::AUTHORIZATION)?;
    match who {
        Who::Open | Who::LogIn | Who::Socket => Ok(Caller::Anonymous),
        Who::Site { in_query } => {
            let given = one(&request.headers, &HEADER_SITE_KEY)?;
            let key = match given {
                Some(value) => value.to_str().map_err(|_| invalid_token())?.into(),
                None if in_query => site_in_query(request)
                    .ok_or_else(|| unauthenticated("a site key (header X-Site-Key, or ?site=)"))?,
                None => return Err(unauthenticated("a site key (header X-Site-Key)")),
            };
            Ok(app.identity.site(&key).await?)
        }
        Who::BearerOrLink if authorization.is_none() => Ok(Caller::Anonymous),
        Who::Bearer { .. } | Who::BearerOrLink => {
            let value = authorization
                .ok_or_else(|| unauthenticated("a bearer token (header Authorization: Bearer TOKEN)"))?;
            let token = bearer(value).ok_or_else(no_bearer)?;
            Ok(app.identity.bearer(token).await?)
        }
    }
}

/// A person who asks for anything is there.
fn note_seen(app: &App, caller: &Caller) {
    match caller {
        Caller::Visitor { workspace, visitor, .. } => app.cluster.visitor_seen(*workspace, visitor.id),
        Caller::Agent { workspace, agent, .. } => {
            app.cluster.agent_seen(AgentKey { workspace: *workspace, agent: agent.id }, agent.status);
        }
        Caller::Anonymous | Caller::Site { .. } => {}
    }
}

const HEADER_SITE_KEY: header::HeaderName = header::HeaderName::from_static("x-site-key");

/// HTTP/1.1 needs a `Host`. Of two of them, two servers in a row might each go by another one (RFC 9112, section 3.2), and
/// also when the target names another host than the header.
fn host(request: &Parts) -> Result<(), ApiError> {
    let host = one(&request.headers, &header::HOST)?;
    if host.is_none() && request.version >= Version::HTTP_11 {
        return Err(ApiError::new(ErrorCode::InvalidHeader, "there must be a host header"));
    }
    if let (Some(host), Some(named)) = (host, request.uri.authority())
        && !host.as_bytes().eq_ignore_ascii_case(named.as_str().as_bytes())
    {
        let message = "the target and the host header must name the same host";
        return Err(ApiError::new(ErrorCode::InvalidHeader, message));
    }
    Ok(())
}

/// Of the codings that a body may be transferred in only `chunked` is known here, once. hyper looks at the last one alone,
/// and a server before this one might not (RFC 9112, section 6.1).
fn transfer_coding(request: &Parts) -> Result<(), ApiError> {
    match one(&request.headers, &header::TRANSFER_ENCODING)? {
        Some(coding) if !coding.as_bytes().eq_ignore_ascii_case(b"chunked") => {
            let message = "a body must be sent as it is, or in chunks";
            Err(ApiError::new(ErrorCode::InvalidHeader, message))
        }
        Some(_) | None => Ok(()),
    }
}

/// A header that may be sent once.
fn one<'a>(headers: &'a HeaderMap, name: &header::HeaderName) -> Result<Option<&'a HeaderValue>, ApiError> {
    let mut values = headers.get_all(name).iter();
    let value = values.next();
    if values.next().is_some() {
        let message = format!("there must be one {name} header");
        return Err(ApiError::new(ErrorCode::InvalidHeader, message));
    }
    Ok(value)
}

fn site_in_query(request: &Parts) -> Option<std::borrow::Cow<'_, str>> {
    let query = request.uri.query()?;
    form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "site").map(|(_, value)| value)
}

fn unauthenticated(what: &str) -> ApiError {
    ApiError::new(ErrorCode::Unauthenticated, format!("{what} is needed"))
}

fn invalid_token() -> ApiError {
    ApiError::new(ErrorCode::InvalidToken, "this credential is not known")
}

fn no_bearer() -> ApiError {
    let message = "this credential is not known: the header is Authorization: Bearer TOKEN, with one token";
    ApiError::new(ErrorCode::InvalidToken, message)
}

async fn rates(
    app: &App,
    row: &Row,
    caller: &Caller,
    address: IpAddr,
    noticed: &mut Noticed,
) -> Result<(), ApiError> {
    for rate in row.rates {
        let verdict = match rate {
            Rate::Conversations => app.rates.take(Limit::ConversationsOfAddress, Key::of_address(address)),
            Rate::Visitors => app.rates.take(Limit::VisitorsOfAddress, Key::of_address(address)),
            Rate::LogIns => app.rates.peek(Limit::LoginsOfAddress, Key::of_address(address)),
            Rate::Send => match caller {
                Caller::Visitor { visitor, .. } => {
                    app.rates.take(Limit::VisitorSend, Key::of_visitor(visitor.id))
                }
                Caller::Agent { agent, .. } => app.rates.take(Limit::AgentSend, Key::of_agent(agent.id)),
                Caller::Anonymous | Caller::Site { .. } => None,
            },
            Rate::Changes => {
                let key = reads::person(caller).unwrap_or_else(|| Key::of_address(address));
                app.rates.take(Limit::Changes, key)
            }
            // Told only when it refuses: what is left of so many bytes helps no client.
            Rate::Reads => app.reads.refusal_in_time(&app.rates, caller, address).await,
            Rate::Sockets => {
                let failed = app.rates.peek(Limit::FailedHellosOfAddress, Key::of_address(address));
                failed.filter(|verdict| verdict.retry_after.is_some())
            }
        };
        let Some(verdict) = verdict else { continue };
        let retry_after = verdict.retry_after;
        noticed.rates.push(verdict);
        if let Some(wait) = retry_after {
            return Err(ApiError::too_often(wait));
        }
    }
    Ok(())
}
