//! Workspaces: the installation's customers. Only its operators see and make them.

use domain::{Agent, AgentId, Email, Name, Role, Site, Team, Workspace, WorkspaceId};
use http::HeaderMap;
use identity::{NewAgent, Password};
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use store::{Document, INSTALLATION, Versioned};
use utoipa::ToSchema;

use super::super::fields::{FromText, Given, NewPassword, Text, given_unless_empty, put, some_unless_empty};
use super::super::once::{Making, Secrecy};
use super::super::rows::{self, Resource};
use super::super::versioned::{
    self, StampsJson, any, changed_reply, found, no_query, page, remove, versioned_reply, workspace_of,
};
use super::agents::{dismiss, make};
use crate::errors::{ApiError, ErrorCode};
use crate::http::engine::call::Call;
use crate::http::engine::etag::ETag;
use crate::http::engine::reply::Reply;
use crate::http::table::{Route, SchemaOf, Who};
use crate::schema;
use crate::strict_json;

/// The rows of this resource.
pub const ROUTES: &[Route] = &[
    rows::list::<WorkspacePage>(WORKSPACES, "List workspaces", |call| Box::pin(list(call))),
    rows::create::<WorkspaceJson>(
        WORKSPACES,
        "Make a workspace and its first admin; with an Idempotency-Key once, however often it is repeated",
        SchemaOf::of::<NewWorkspaceJson>(),
        |call| Box::pin(create(call)),
    ),
    rows::read::<WorkspaceJson>(WORKSPACE, "Read a workspace", |call| Box::pin(get(call))),
    rows::change::<WorkspaceWriteJson, WorkspaceJson>(
        WORKSPACE,
        "Change what is given of a workspace",
        rows::VERSIONED,
        |call| Box::pin(patch(call)),
    ),
    rows::remove(
        WORKSPACE,
        "Remove another workspace, with its last admin, when it has no site, team and other agent",
        rows::VERSIONED_OR_TAKEN,
        |call| Box::pin(delete(call)),
    ),
];

const WORKSPACES: Resource = Resource { path: "/api/v1/admin/workspaces", who: Who::OPERATOR, tag: "admin" };
const WORKSPACE: Resource = Resource { path: "/api/v1/admin/workspaces/{id}", ..WORKSPACES };

const TAKEN: &str = "there is such a workspace already";

/// A workspace.
#[derive(Serialize, ToSchema)]
pub struct WorkspaceJson {
    /// Names it.
    #[schema(value_type = schema::WorkspaceId)]
    id: String,
    /// For people.
    #[schema(value_type = schema::Name)]
    name: String,
    /// An IANA name, for hours and reports.
    #[schema(value_type = schema::Zone)]
    time_zone: String,
    #[serde(flatten)]
    stamps: StampsJson,
}

impl WorkspaceJson {
    /// As the contract writes it.
    pub(crate) fn of(record: &Versioned<Workspace>) -> Self {
        let workspace = &record.document;
        Self {
            id: workspace.id.to_string(),
            name: workspace.name.as_str().to_owned(),
            time_zone: workspace.time_zone.as_str().to_owned(),
            stamps: StampsJson::of(record),
        }
    }
}

/// A page of workspaces.
#[derive(Serialize, ToSchema)]
pub struct WorkspacePage {
    data: Vec<WorkspaceJson>,
    /// To go on; null at the end.
    #[schema(value_type = Option<schema::Cursor>)]
    next_cursor: Option<String>,
}

/// A new workspace.
#[derive(Deserialize, ToSchema)]
#[schema(example = json!({"name": "Acme", "time_zone": "Europe/Berlin", "admin": {"email": "eve@example.org", "name": "Eve", "password": "correct horse"}}))]
#[serde(deny_unknown_fields)]
pub struct NewWorkspaceJson {
    /// For people, at most 200 characters.
    #[schema(value_type = schema::Name)]
    name: Text<Name>,
    /// An IANA name such as `Europe/Berlin`; `UTC` when it is left out.
    #[serde(default, deserialize_with = "some_unless_empty")]
    #[schema(value_type = Option<schema::OptionalZone>)]
    time_zone: Option<Text<Zone>>,
    /// Its first admin.
    admin: FirstAdminJson,
}

/// The first admin of a workspace.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FirstAdminJson {
    /// The admin logs in with it; nobody else in the installation may have it.
    #[schema(value_type = schema::Email)]
    email: Text<Email>,
    /// For people, visitors too; at most 200 characters.
    #[schema(value_type = schema::Name)]
    name: Text<Name>,
    /// 8 to 1024 bytes.
    #[schema(value_type = NewPassword)]
    password: Text<Password>,
}

/// What is given of a workspace.
#[derive(Deserialize, ToSchema)]
#[schema(example = json!({"name": "Acme"}))]
#[serde(deny_unknown_fields)]
pub struct WorkspaceWriteJson {
    /// For people, at most 200 characters.
    #[serde(default)]
    #[schema(value_type = schema::Name)]
    name: Given<Text<Name>>,
    /// An IANA name such as `Europe/Berlin`.
    #[serde(default, deserialize_with = "given_unless_empty")]
    #[schema(value_type = schema::OptionalZone)]
    time_zone: Given<Text<Zone>>,
}

/// The name of a time zone that there is.
#[derive(Clone, Debug)]
struct Zone(Name);

impl FromText for Zone {
    fn from_text(text: &str) -> Result<Self, String> {
        let known = TimeZone::get(text).is_ok();
        let name = Name::parse(text).ok().filter(|_| known);
        name.map(Self).ok_or_else(|| "must be the IANA name of a time zone such as Europe/Berlin".to_owned())
    }
}

/// The name of a time zone that there is, or the rule.
pub(crate) fn time_zone(text: &str) -> Result<Name, String> {
    Zone::from_text(text).map(|Zone(name)| name)
}

async fn list(call: Call) -> Result<Reply, ApiError> {
    let (rows, next_cursor) = page::<Workspace>(&call, INSTALLATION, "workspaces").await?;
    Ok(Reply::ok(&WorkspacePage { data: rows.iter().map(WorkspaceJson::of).collect(), next_cursor }))
}

async fn create(mut call: Call) -> Result<Reply, ApiError> {
    no_query(&call)?;
    let body = call.body_bytes().await?;
    let mut making = Making::begin(&call, &body, Secrecy::Password).await?;
    if let Some(reply) = making.repeated() {
        return Ok(reply);
    }
    let app = &call.app;
    let NewWorkspaceJson { name: Text(name), time_zone, admin } = strict_json::parse(&body)?;
    let utc = || Zone(Name::parse("UTC").expect("a short line"));
    let Zone(time_zone) = time_zone.map_or_else(utc, |Text(zone)| zone);

    let id = making.keep(app, app.fresh_id()).await?;
    let workspace = Workspace { id, name, time_zone };
    let made = versioned::insert(app, INSTALLATION, workspace, TAKEN).await?;
    let records = app.store.records.as_ref();
    let new = NewAgent::new(admin.email.0, admin.name.0, Role::Admin);
    if let Err(error) = make(&app.identity, records, id, first_admin_of(id), new, admin.password.0).await {
        if error.code() == ErrorCode::Conflict {
            // Somebody has the admin's e-mail: without an admin there is no workspace.
            records.delete(INSTALLATION, Workspace::KIND, &id.to_string(), None).await?;
        }
        return Err(error);
    }
    making.answer(app, made.version, &WorkspaceJson::of(&made)).await
}

/// Follows from the workspace's id, so that a repeat of the request makes no second one.
fn first_admin_of(workspace: WorkspaceId) -> AgentId {
    let mut hash = Sha256::new_with_prefix("switchboard first admin 1");
    hash.update(workspace.uuid().as_bytes());
    AgentId::from_hash(*hash.finalize().first_chunk().expect("32 bytes have a first 16"))
}

async fn get(call: Call) -> Result<Reply, ApiError> {
    let workspace = asked(&call).await?;
    no_query(&call)?;
    Ok(versioned_reply(&call, workspace.version, &WorkspaceJson::of(&workspace)))
}

async fn patch(mut call: Call) -> Result<Reply, ApiError> {
    let workspace = asked(&call).await?;
    no_query(&call)?;
    let WorkspaceWriteJson { name, time_zone } = call.json().await?;
    let name = name.value("name")?.map(|Text(name)| name);
    let time_zone = time_zone.value("time_zone")?.map(|Text(Zone(zone))| zone);
    let apply = |workspace: &mut Workspace| {
        put(&name, &mut workspace.name);
        put(&time_zone, &mut workspace.time_zone);
        Ok(())
    };
    let workspace = versioned::update(&call, workspace, false, TAKEN, apply).await?;
    Ok(changed_reply(workspace.version, &WorkspaceJson::of(&workspace)))
}

async fn delete(call: Call) -> Result<Reply, ApiError> {
    let workspace = asked(&call).await?;
    no_query(&call)?;
    ETag::of_version(workspace.version).check_if_match(&call.headers)?;
    let (app, id) = (&call.app, workspace.document.id);
    let refuse = |why| Err(ApiError::new(ErrorCode::Conflict, why));
    if workspace_of(&call)? == id {
        return refuse("it is your own workspace");
    }
    let _one_at_a_time = app.admins.lock().await;
    if any::<Site>(app, id, |_| true).await? {
        return refuse("the workspace has sites");
    }
    if any::<Team>(app, id, |_| true).await? {
        return refuse("the workspace has teams");
    }
    let mut agents = store::list::<Agent>(app.store.records.as_ref(), id, None, 2).await?;
    let last = agents.pop();
    if !agents.is_empty() {
        return refuse("the workspace has more agents than its last admin");
    }
    // Nobody else can remove the admin. The admin goes first: an agent who is left without a workspace could still log in.
    if let Some(last) = last {
        dismiss(app, &HeaderMap::new(), last).await?;
    }
    remove(app, &call.headers, &workspace).await?;
    Ok(Reply::no_content())
}

/// The workspace in the path.
async fn asked(call: &Call) -> Result<Versioned<Workspace>, ApiError> {
    let id: WorkspaceId = call.id("id")?;
    found(&call.app, INSTALLATION, &id.to_string()).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_zone_is_one_that_there_is() {
        for known in ["UTC", "Europe/Berlin", "America/Argentina/Ushuaia"] {
            assert!(Zone::from_text(known).is_ok(), "{known}");
        }
        for unknown in ["", "Mars/Olympus", "../etc/passwd", "+01:00", " UTC"] {
            assert!(Zone::from_text(unknown).is_err(), "{unknown}");
        }
    }

    #[test]
    fn a_workspace_has_one_first_admin() {
        let (one, other) = (WorkspaceId::from_hash([1; 16]), WorkspaceId::from_hash([2; 16]));
        assert_eq!(first_admin_of(one), first_admin_of(one));
        assert_ne!(first_admin_of(one), first_admin_of(other));
    }

    #[test]
    fn a_new_workspace_needs_an_admin() {
        for (text, field) in [
            (r#"{"name":"Acme"}"#, "admin"),
            (r#"{"name":"Acme","admin":{"email":"a@b","name":"Ann"}}"#, "admin.password"),
            (r#"{"name":"Acme","admin":{"email":"a","name":"Ann","password":"12345678"}}"#, "admin.email"),
            (
                r#"{"name":"Acme","admin":{"email":"a@b","name":"Ann","password":"12345678","operator":true}}"#,
                "admin.operator",
            ),
            (
                r#"{"name":"Acme","time_zone":"Berlin","admin":{"email":"a@b","name":"Ann","password":"12345678"}}"#,
                "time_zone",
            ),
        ] {
            let error =
                ApiError::from(strict_json::parse::<NewWorkspaceJson>(text.as_bytes()).err().unwrap());
            assert_eq!(error.details()[0].field, field, "{text}");
        }
    }
}
