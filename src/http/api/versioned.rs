//! What the handlers of records share: a record's version as its `ETag`, lists by id, changes that obey `If-Match`.

use domain::{Team, TeamId, WorkspaceId};
use http::{HeaderMap, header};
use identity::Caller;
use serde::Serialize;
use store::{Document, RecordError, Records, Versioned};
use utoipa::ToSchema;

use crate::app::App;
use crate::errors::{ApiError, ErrorCode};
use crate::http::engine::call::Call;
use crate::http::engine::etag::ETag;
use crate::http::engine::query::Query;
use crate::http::engine::reply::Reply;
use crate::json::Rfc3339;
use crate::schema;

/// How many records are read at once where all of them are looked at.
const SCAN_PAGE: usize = 200;

/// When and how often a record was written.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct StampsJson {
    /// 1 at first, one more with each change; the `ETag`.
    #[schema(value_type = schema::Count)]
    version: u64,
    /// When it was made.
    #[schema(value_type = schema::Time)]
    created_at: Rfc3339,
    /// When it was changed last.
    #[schema(value_type = schema::Time)]
    updated_at: Rfc3339,
}

impl StampsJson {
    /// Of a record.
    pub(super) fn of<T>(record: &Versioned<T>) -> Self {
        Self {
            version: record.version,
            created_at: Rfc3339(record.created_at),
            updated_at: Rfc3339(record.updated_at),
        }
    }
}

/// The caller's workspace.
pub(super) fn workspace_of(call: &Call) -> Result<WorkspaceId, ApiError> {
    call.caller.workspace().ok_or_else(ApiError::not_found)
}

/// The agent who asks. Rows of agents alone call it, so there is one.
pub(super) fn agent_of(call: &Call) -> Result<&domain::Agent, ApiError> {
    match &call.caller {
        Caller::Agent { agent, .. } => Ok(agent),
        Caller::Anonymous | Caller::Site { .. } | Caller::Visitor { .. } => Err(ApiError::not_found()),
    }
}

/// No query parameter is taken.
pub(super) fn no_query(call: &Call) -> Result<(), ApiError> {
    Query::parse(&call.query)?.finish()
}

/// The record, newest version.
pub(super) async fn found<T: Document>(
    app: &App,
    workspace: WorkspaceId,
    id: &str,
) -> Result<Versioned<T>, ApiError> {
    let found = store::get(app.store.records.as_ref(), workspace, id).await?;
    found.ok_or_else(ApiError::not_found)
}

/// What a request names in `field` must be there: else it is told the `rule`.
pub(super) async fn named_there<T: Document>(
    records: &dyn Records,
    workspace: WorkspaceId,
    id: &str,
    field: &str,
    rule: &'static str,
) -> Result<(), ApiError> {
    match store::get::<T>(records, workspace, id).await? {
        Some(_) => Ok(()),
        None => Err(ApiError::invalid_field(field, rule)),
    }
}

/// The same for a team.
pub(super) async fn check_team(
    app: &App,
    workspace: WorkspaceId,
    team: TeamId,
    field: &str,
) -> Result<(), ApiError> {
    let (records, rule) = (app.store.records.as_ref(), "must be a team of this workspace");
    named_there::<Team>(records, workspace, &team.to_string(), field, rule).await
}

/// 200 with the record's version as its `ETag`; 304 when the client has it.
pub(super) fn versioned_reply<J: Serialize>(call: &Call, version: u64, json: &J) -> Reply {
    Reply::ok(json).with_etag(&ETag::of_version(version), &call.headers)
}

/// 200 after a change, with the new version as the `ETag`.
pub(super) fn changed_reply<J: Serialize>(version: u64, json: &J) -> Reply {
    Reply::ok(json).with_header(header::ETAG, ETag::of_version(version).header_value())
}

/// A page of all records of a kind, by id, and the cursor to the next. `list` names the list.
pub(super) async fn page<T: Document>(
    call: &Call,
    workspace: WorkspaceId,
    list: &str,
) -> Result<(Vec<Versioned<T>>, Option<String>), ApiError> {
    let mut query = Query::parse(&call.query)?;
    let limit = query.limit(call.app.config.limits.page_max as u64)?;
    let cursor = query.text("cursor");
    query.finish()?;
    let workspace_id = workspace.to_string();
    let bound_to = [list, &workspace_id];
    let cursors = &call.app.cursors;
    let after: Option<String> = cursor.map(|cursor| cursors.open(&bound_to, &cursor)).transpose()?;
    let mut rows =
        store::list::<T>(call.app.store.records.as_ref(), workspace, after.as_deref(), limit + 1).await?;
    let more = rows.len() > limit;
    rows.truncate(limit);
    let last = rows.last().filter(|_| more);
    let next_cursor = last.map(|last| cursors.seal(&bound_to, &last.document.id()));
    Ok((rows, next_cursor))
}

/// Whether any record of a kind is so.
pub(super) async fn any<T: Document>(
    app: &App,
    workspace: WorkspaceId,
    is_it: impl Fn(&T) -> bool,
) -> Result<bool, ApiError> {
    let mut after: Option<String> = None;
    loop {
        let page =
            store::list::<T>(app.store.records.as_ref(), workspace, after.as_deref(), SCAN_PAGE).await?;
        if page.iter().any(|row| is_it(&row.document)) {
            return Ok(true);
        }
        if page.len() < SCAN_PAGE {
            return Ok(false);
        }
        after = page.last().map(|row| row.document.id());
    }
}

/// Keeps a new record. When there is one of this id already, a repeat of the request has made it: it is given back as
/// it is now. `taken` is what a client is told when another record has its unique key.
pub(super) async fn insert<T: Document>(
    app: &App,
    workspace: WorkspaceId,
    document: T,
    taken: &'static str,
) -> Result<Versioned<T>, ApiError> {
    let (records, id) = (app.store.records.as_ref(), document.id());
    match store::insert(records, workspace, document, app.clock.now()).await {
        Ok(kept) => Ok(kept),
        Err(RecordError::Taken(_)) => {
            let made_before = store::get(records, workspace, &id).await?;
            made_before.ok_or_else(|| ApiError::new(ErrorCode::Conflict, taken))
        }
        Err(error) => Err(error.into()),
    }
}

/// Changes a record however often others change it meanwhile; with `If-Match` only the version that it names. What
/// `change` leaves as it was is not written, unless it must be (`always`).
pub(super) async fn update<T: Document + Clone + PartialEq>(
    call: &Call,
    mut seen: Versioned<T>,
    always: bool,
    taken: &'static str,
    change: impl Fn(&mut T) -> Result<(), ApiError>,
) -> Result<Versioned<T>, ApiError> {
    let records = call.app.store.records.as_ref();
    let (workspace, id) = (seen.workspace, seen.document.id());
    loop {
        ETag::of_version(seen.version).check_if_match(&call.headers)?;
        let before = seen.document.clone();
        change(&mut seen.document)?;
        if !always && seen.document == before {
            return Ok(seen);
        }
        match store::update(records, seen, call.app.clock.now()).await {
            Ok(kept) => return Ok(kept),
            Err(RecordError::Changed) => seen = found(&call.app, workspace, &id).await?,
            Err(RecordError::Taken(_)) => return Err(ApiError::new(ErrorCode::Conflict, taken)),
            Err(error) => return Err(error.into()),
        }
    }
}

/// Removes a record; with `If-Match` only the version that was `seen`, which the caller has checked it names.
pub(super) async fn remove<T: Document>(
    app: &App,
    asked: &HeaderMap,
    seen: &Versioned<T>,
) -> Result<(), ApiError> {
    let version = asked.contains_key(header::IF_MATCH).then_some(seen.version);
    let id = seen.document.id();
    match app.store.records.delete(seen.workspace, T::KIND, &id, version).await {
        Ok(()) => Ok(()),
        Err(RecordError::Changed) if version.is_some() => {
            Err(ApiError::new(ErrorCode::PreconditionFailed, "it was changed since: read it again"))
        }
        Err(RecordError::Changed) => Err(ApiError::not_found()),
        Err(error) => Err(error.into()),
    }
}
