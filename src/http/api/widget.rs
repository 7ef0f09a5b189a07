//! What a widget needs to know before anybody has written.

use cluster::AgentKey;
use domain::{Hours, Site, Team, Tracking, Workspace, WorkspaceId};
use http::Method;
use identity::Caller;
use jiff::tz::TimeZone;
use serde::Serialize;
use store::INSTALLATION;
use utoipa::ToSchema;

use super::admin::sites::{PrechatJson, ShownPrechat, ThemeJson};
use super::hours::{self, SpanJson};
use crate::app::App;
use crate::conversations::{self, FILES_MAX};
use crate::errors::ApiError;
use crate::http::engine::call::Call;
use crate::http::engine::etag::ETag;
use crate::http::engine::query::Query;
use crate::http::engine::reply::Reply;
use crate::http::table::{AnswerDoc, BodyKind, Doc, HeaderDoc, Rate, Route, Row, SchemaOf, Target, Who};
use crate::schema;

/// The rows of this resource.
pub const ROUTES: &[Route] = &[Route {
    row: Row {
        method: Method::GET,
        path: "/api/v1/chat/widget/config",
        target: Target::Open,
        who: Who::Site { in_query: true },
        rates: &[Rate::Reads],
        body: BodyKind::None,
        doc: Doc {
            summary: "Read how a site's widget looks, whether somebody is there, and what it may send",
            tag: "widget",
            answers: &[AnswerDoc {
                status: 200,
                description: "The configuration; its ETag changes with it.",
                body: Some(SchemaOf::of::<ConfigJson>()),
            }],
            headers: &[HeaderDoc::IfNoneMatch],
            ..Doc::NONE
        },
    },
    handler: |call| Box::pin(config(call)),
}];

const SOCKET_PATH: &str = "/api/v1/chat/socket";

/// A widget's configuration.
#[derive(Serialize, ToSchema)]
pub struct ConfigJson {
    #[schema(value_type = schema::SiteId)]
    site_id: String,
    /// For people.
    #[schema(value_type = schema::Name)]
    name: String,
    /// The widget's language, a BCP 47 tag.
    #[schema(value_type = schema::LanguageTag)]
    locale: String,
    /// How the widget looks.
    theme: ThemeJson,
    /// Somebody of the site's team is there now.
    online: bool,
    /// The opening hours of site and team allow it now, and the team's queue has room.
    accepting: bool,
    /// When somebody is there, in the workspace's time zone; null: always.
    #[schema(value_type = Option<hours::Spans>)]
    hours: Option<Vec<SpanJson>>,
    /// Asked before the first message.
    #[schema(value_type = ShownPrechat)]
    prechat: Vec<PrechatJson>,
    /// `off`, `consent` or `always`: whether page views are told.
    #[schema(value_type = schema::Tracking)]
    tracking: Tracking,
    /// Only visitors whose identity the site's owner signed are taken.
    identity_required: bool,
    limits: LimitsJson,
    /// Where the socket is opened.
    #[schema(value_type = schema::Link)]
    socket_url: String,
}

/// What a widget keeps to.
#[derive(Serialize, ToSchema)]
pub struct LimitsJson {
    /// The longest message, in bytes of UTF-8.
    #[schema(value_type = schema::Count)]
    text_bytes_max: usize,
    /// The largest file.
    #[schema(value_type = schema::Count)]
    upload_bytes_max: u64,
    /// The most files that go with one message.
    #[schema(value_type = schema::Count)]
    files_max: usize,
    /// Conversations of one visitor that have not ended; 0: any number.
    #[schema(value_type = schema::Count)]
    open_conversations_per_visitor: usize,
}

async fn config(call: Call) -> Result<Reply, ApiError> {
    let mut query = Query::parse(&call.query)?;
    let _judged_before = query.text("site");
    query.finish()?;
    let Caller::Site { workspace, site } = &call.caller else { return Err(ApiError::not_found()) };
    let app = &call.app;
    let teams = app.identity.teams(*workspace).await?;
    let team = teams.iter().find(|team| team.id == site.team);
    let json = ConfigJson {
        site_id: site.id.to_string(),
        name: site.name.as_str().to_owned(),
        locale: site.locale.as_str().to_owned(),
        theme: ThemeJson::of(&site.theme),
        online: team.is_some_and(|team| is_online(app, *workspace, team)),
        accepting: is_accepting(app, *workspace, site, team).await?,
        hours: hours::shown(site.hours.as_ref().or(team.and_then(|team| team.hours.as_ref()))),
        prechat: site.prechat.iter().map(PrechatJson::of).collect(),
        tracking: site.tracking,
        identity_required: site.identity_required,
        limits: LimitsJson {
            text_bytes_max: app.config.limits.text_bytes_max,
            upload_bytes_max: app.config.limits.upload_bytes_max,
            files_max: FILES_MAX,
            open_conversations_per_visitor: app.config.limits.open_conversations_per_visitor,
        },
        socket_url: socket_url(app.origins.own().first().map_or("", |own| own)),
    };
    let bytes = serde_json::to_vec(&json).map_err(ApiError::internal)?;
    let etag = ETag::of_bytes(&bytes);
    Ok(Reply::ok(&json).with_etag(&etag, &call.headers))
}

/// Asks nobody: an agent that this node never saw is not there.
fn is_online(app: &App, workspace: WorkspaceId, team: &Team) -> bool {
    team.agents.iter().any(|&agent| app.cluster.is_online(AgentKey { workspace, agent }))
}

/// Within the site's hours and the team's, where there are any, and while the team's queue has room.
async fn is_accepting(
    app: &App,
    workspace: WorkspaceId,
    site: &Site,
    team: Option<&Team>,
) -> Result<bool, ApiError> {
    let Some(team) = team else { return Ok(false) };
    if conversations::queue_is_full(app, workspace, team).await? {
        return Ok(false);
    }
    let all: Vec<&Hours> = site.hours.iter().chain(&team.hours).collect();
    if all.is_empty() {
        return Ok(true);
    }
    let id = workspace.to_string();
    let workspace = store::get::<Workspace>(app.store.records.as_ref(), INSTALLATION, &id).await?;
    let workspace = workspace.ok_or_else(|| ApiError::internal("a site's workspace is not there"))?;
    let zone = TimeZone::get(workspace.document.time_zone.as_str()).map_err(ApiError::internal)?;
    let now = app.clock.now();
    Ok(all.into_iter().all(|hours| hours::is_open(hours, &zone, now)))
}

/// `https` becomes `wss`, `http` becomes `ws`.
fn socket_url(origin: &str) -> String {
    let rest = origin.strip_prefix("http").unwrap_or(origin);
    format!("ws{rest}{SOCKET_PATH}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_is_as_safe_as_its_page() {
        assert_eq!(socket_url("https://chat.example"), "wss://chat.example/api/v1/chat/socket");
        assert_eq!(socket_url("http://127.0.0.1:8080"), "ws://127.0.0.1:8080/api/v1/chat/socket");
    }
}
