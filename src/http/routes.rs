//! The one table of routes: what there is, who may ask, how often, with what body, and how it is documented.
//!
//! [`crate::http::judge`] walks it before any handler runs; the API document, the labels of metrics and logs, and the
//! test of who may what are made of it. To add an endpoint is to add a row.

use std::borrow::Cow;

use domain::Role;
use futures_util::future::BoxFuture;
use http::Method;
use utoipa::openapi::schema::ObjectBuilder;
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::config::{Config, Limits, StoreKind};
use crate::http::api;
use crate::http::call::Call;
use crate::http::error::{ApiError, ErrorCode};
use crate::http::reply::Reply;
use crate::schema::words;

/// One row.
pub struct Route {
    /// HEAD is answered by the row of GET, OPTIONS by the judge.
    pub method: Method,
    /// `/api/v1/chat/conversations/{id}/messages`: what stands in braces is a parameter.
    pub path: &'static str,
    /// Who may ask.
    pub who: Who,
    /// How often; each is judged, in this order.
    pub rates: &'static [Rate],
    /// What body it takes.
    pub body: BodyKind,
    /// Does it.
    pub handler: Handler,
    /// For the API document.
    pub doc: Doc,
}

/// Does what a route is for. Everything that [`Route`] says of the request holds already.
pub type Handler = fn(Call) -> BoxFuture<'static, Result<Reply, ApiError>>;

/// Who may ask. Nobody else: a principal that a row does not name is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// Everybody; no credential is looked at and any page may ask.
    Open,
    /// Who has no credential yet and wants an agent's: log-in, refresh, log-out. Pages of this server only.
    LogIn,
    /// A site, by its key.
    Site {
        /// `?site=` is taken as well as `X-Site-Key`.
        in_query: bool,
    },
    /// Who has a bearer token of one of these kinds.
    Bearer {
        /// A visitor.
        visitor: bool,
        /// An agent of at least this role.
        agent: Option<Role>,
        /// Of agents only the installation's operators.
        operator: bool,
    },
    /// Who has a bearer token of any kind, or instead of one a signed link, which the handler verifies: without a token
    /// the caller is anonymous.
    BearerOrLink,
    /// Whoever opens a socket; he proves himself in its first frame. Pages of any site.
    Socket,
}

impl Who {
    /// Visitors alone.
    pub const VISITOR: Who = Who::Bearer { visitor: true, agent: None, operator: false };
    /// Agents of any role.
    pub const AGENT: Who = Who::of_role(Role::Agent);
    /// Supervisors and admins.
    pub const SUPERVISOR: Who = Who::of_role(Role::Supervisor);
    /// Admins.
    pub const ADMIN: Who = Who::of_role(Role::Admin);
    /// Operators of the installation.
    pub const OPERATOR: Who = Who::Bearer { visitor: false, agent: Some(Role::Admin), operator: true };
    /// Visitors, and agents of any role.
    pub const VISITOR_OR_AGENT: Who =
        Who::Bearer { visitor: true, agent: Some(Role::Agent), operator: false };

    const fn of_role(role: Role) -> Self {
        Who::Bearer { visitor: false, agent: Some(role), operator: false }
    }

    /// Pages of which origin may ask, before it is known who asks.
    pub(crate) fn pages(self) -> Pages {
        match self {
            Who::Open => Pages::All,
            Who::LogIn | Who::Bearer { visitor: false, .. } => Pages::Own,
            Who::Site { .. } | Who::BearerOrLink | Who::Socket | Who::Bearer { visitor: true, .. } => {
                Pages::OfSites
            }
        }
    }
}

/// Pages of which origin may ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pages {
    /// The origin is not judged, and no page of another one can read the answer.
    All,
    /// Those of this server.
    Own,
    /// Those of any site, and of this server.
    OfSites,
}

/// How often. Each is a limit of the config; the judge knows whose bucket it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rate {
    /// A message of the visitor or agent who asks.
    Send,
    /// A conversation started, by address.
    Conversations,
    /// A visitor made or renewed, by address.
    Visitors,
    /// A log-in, by address. The judge only looks: the handler takes one, here and of the account, before it checks
    /// the password, and gives both back when it was right, so that parallel guesses cannot pass together.
    LogIns,
    /// A change that is no message, of the visitor or agent who asks; by address for requests without a person.
    Changes,
    /// What is read. The judge only looks whether something is left, of the person and of the address: what an answer
    /// costs is charged when it is made, and may leave a debt.
    Reads,
    /// A socket opened, by address. The judge only looks whether too many before it proved nobody.
    Sockets,
}

/// What body a route takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyKind {
    /// None; what is sent is not read.
    None,
    /// JSON with at least one required field.
    Json,
    /// JSON without a required field: it may be missing.
    OptionalJson,
    /// `multipart/form-data` with a file.
    Multipart,
}

/// What an upload takes beside the file: its other parts and their headers.
const MULTIPART_BYTES: u64 = 64 * 1024;

impl BodyKind {
    /// The largest that is read.
    pub(crate) fn bytes_max(self, limits: &Limits) -> u64 {
        match self {
            BodyKind::None | BodyKind::Json | BodyKind::OptionalJson => limits.body_bytes_max as u64,
            BodyKind::Multipart => limits.upload_bytes_max + MULTIPART_BYTES,
        }
    }

    /// A request without it is wrong.
    pub(crate) fn is_required(self) -> bool {
        match self {
            BodyKind::None | BodyKind::OptionalJson => false,
            BodyKind::Json | BodyKind::Multipart => true,
        }
    }
}

/// What the API document says of a route beside what the row itself says.
pub struct Doc {
    /// One line, imperative.
    pub summary: &'static str,
    /// The group that it stands in.
    pub tag: &'static str,
    /// Query parameters.
    pub query: &'static [QueryDoc],
    /// Headers that change what it does, beside those of every request.
    pub headers: &'static [HeaderDoc],
    /// The body, when it is JSON.
    pub request: Option<SchemaOf>,
    /// What a success looks like.
    pub answers: &'static [AnswerDoc],
    /// Codes of its own, beside those that follow from the row.
    pub errors: &'static [ErrorCode],
}

impl Doc {
    /// Nothing but these; to be completed with `..Doc::NONE`.
    pub const NONE: Doc =
        Doc { summary: "", tag: "", query: &[], headers: &[], request: None, answers: &[], errors: &[] };
}

/// A query parameter.
pub struct QueryDoc {
    /// As it is sent.
    pub name: &'static str,
    /// What it does, with bounds and default.
    pub description: &'static str,
    /// Its type.
    pub schema: fn() -> RefOr<Schema>,
}

impl QueryDoc {
    /// One of the words that the API is made of.
    pub const fn of<T: PartialSchema>(name: &'static str, description: &'static str) -> Self {
        Self { name, description, schema: T::schema }
    }
}

/// A header of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderDoc {
    /// `Idempotency-Key`: the request is done once, however often it is sent.
    IdempotencyKey,
    /// `If-Match`: only this version is changed.
    IfMatch,
    /// `If-None-Match`: 304 when it is as the client has it.
    IfNoneMatch,
    /// `Range`: one range of the bytes.
    Range,
}

/// A success.
pub struct AnswerDoc {
    /// Its status.
    pub status: u16,
    /// When it comes.
    pub description: &'static str,
    /// Its body, if it has one.
    pub body: Option<SchemaOf>,
}

/// A body: its media type and its schema.
#[derive(Clone, Copy)]
pub struct SchemaOf {
    pub(crate) media: &'static str,
    pub(crate) name: fn() -> Cow<'static, str>,
    pub(crate) schema: fn() -> RefOr<Schema>,
    /// Of the types in it.
    pub(crate) collect: fn(&mut Vec<(String, RefOr<Schema>)>),
    /// Fields that what is made needs, beside those that the type requires.
    pub(crate) needs: &'static [&'static str],
    /// One of these holds too: what a type cannot say of its fields together.
    pub(crate) rules: fn() -> Vec<ObjectBuilder>,
}

impl SchemaOf {
    /// JSON of `T`, which is written once in the document and referred to.
    pub const fn of<T: ToSchema>() -> Self {
        Self {
            media: JSON,
            name: T::name,
            schema: <T as PartialSchema>::schema,
            collect: T::schemas,
            needs: &[],
            rules: Vec::new,
        }
    }

    /// The same of what is made, which has all fields of `needs`.
    pub const fn new<T: ToSchema>(needs: &'static [&'static str]) -> Self {
        Self { needs, ..Self::of::<T>() }
    }

    /// One of `rules` holds too.
    pub const fn with(self, rules: fn() -> Vec<ObjectBuilder>) -> Self {
        Self { rules, ..self }
    }

    /// Bytes of another media type.
    pub const fn bytes(media: &'static str) -> Self {
        Self { media, ..Self::of::<NoSchema>() }
    }

    /// It is JSON of a type.
    pub(crate) fn has_schema(&self) -> bool {
        (self.name)() != NoSchema::name()
    }
}

/// The media type of most bodies.
pub(crate) const JSON: &str = "application/json";

words! {
    /// Bytes.
    NoSchema: ObjectBuilder::new();
}

/// The rows that the main listener serves.
pub fn served(config: &Config) -> impl Iterator<Item = &'static Route> {
    let metrics = if config.metrics_listen.is_none() { api::health::METRICS } else { &[] };
    let search = match config.store.kind {
        StoreKind::Sqlite => &[],
        StoreKind::Cql => api::search::UNAVAILABLE,
    };
    table().chain(metrics).chain(search)
}

/// All rows but that of `/metrics`, by resource.
pub fn table() -> impl Iterator<Item = &'static Route> {
    let resources: [&'static [Route]; 24] = [
        api::auth::ROUTES,
        api::widget::ROUTES,
        api::visitors::ROUTES,
        api::conversations::ROUTES,
        api::events::ROUTES,
        api::messages::ROUTES,
        api::uploads::ROUTES,
        api::files::ROUTES,
        api::agent_conversations::ROUTES,
        api::assignments::ROUTES,
        api::transfers::ROUTES,
        api::tags::ROUTES,
        api::routing::ROUTES,
        api::colleagues::ROUTES,
        api::status::ROUTES,
        api::canned::ROUTES,
        api::admin::workspaces::ROUTES,
        api::admin::sites::ROUTES,
        api::admin::site_key::ROUTES,
        api::admin::teams::ROUTES,
        api::admin::agents::ROUTES,
        crate::socket::upgrade::ROUTES,
        api::health::ROUTES,
        api::documents::ROUTES,
    ];
    resources.into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_free_but_what_machines_ask_how_the_server_is() {
        let free: Vec<&str> = table()
            .chain(api::health::METRICS)
            .filter(|row| row.rates.is_empty())
            .map(|row| row.path)
            .collect();
        assert_eq!(free, ["/healthz", "/readyz", "/metrics"], "give the row one of `Rate`");
        for row in table().filter(|row| !row.rates.is_empty()) {
            let only_reads = row.rates == [Rate::Reads];
            assert!(
                !only_reads || row.method == Method::GET,
                "{} {} changes something",
                row.method,
                row.path
            );
        }
    }
}
