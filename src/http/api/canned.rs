//! Canned responses: texts that agents send often, of the workspace, of a team, or one's own.

use domain::{
    AgentId, Canned, CannedId, CannedScope, Line, MessageText, Shortcut, TeamId, Template, WorkspaceId,
};
use http::Method;
use serde::{Deserialize, Serialize};
use store::{ConversationKey, Versioned};
use utoipa::openapi::schema::ObjectBuilder;
use utoipa::{PartialSchema, ToSchema};

use super::conversations::{CURSOR_DOC, LIMIT_DOC};
use super::fields::{Given, Text, given_unless_empty, put, required};
use super::heads::principal_of;
use super::once::{Making, Secrecy};
use super::rows::{self, Resource};
use super::versioned::{
    self, StampsJson, changed_reply, check_team, found, no_query, remove, versioned_reply, workspace_of,
};
use crate::app::App;
use crate::conversations::people;
use crate::conversations::seen_head;
use crate::errors::{ApiError, ErrorCode};
use crate::http::engine::call::Call;
use crate::http::engine::etag::ETag;
use crate::http::engine::query::Query;
use crate::http::engine::reply::Reply;
use crate::http::table::{AnswerDoc, BodyKind, Doc, QueryDoc, Rate, Route, Row, SchemaOf, Target, Who};
use crate::schema::{self, words};
use crate::strict_json;
use crate::words;

mod reader;
mod variables;

use reader::Reader;
use variables::Variables;

/// The rows of this resource.
pub const ROUTES: &[Route] = &[
    Route {
        row: Row {
            method: Method::GET,
            path: "/api/v1/chat/canned-responses",
            target: Target::Open,
            who: Who::AGENT,
            rates: &[Rate::Reads],
            body: BodyKind::None,
            doc: Doc {
                summary: "List the canned responses that one may use",
                tag: "canned",
                query: &[
                    QueryDoc::of::<Searched>(
                        "q",
                        "Only those whose shortcut begins with it, or whose title or text holds it: in any case, with or \
                     without accents.",
                    ),
                    QueryDoc::of::<schema::TeamId>("team_id", "Only this team's."),
                    QueryDoc::of::<schema::ConversationId>(
                        "conversation_id",
                        "Fills the variables of the texts from this conversation.",
                    ),
                    CURSOR_DOC,
                    LIMIT_DOC,
                ],
                answers: &[AnswerDoc {
                    status: 200,
                    description: "A page; of many that do not match it may be short, and yet have a next one.",
                    body: Some(SchemaOf::of::<CannedPage>()),
                }],
                errors: &[ErrorCode::InvalidCursor, ErrorCode::NotFound],
                ..Doc::NONE
            },
        },
        handler: |call| Box::pin(list(call)),
    },
    rows::create::<CannedJson>(
        ALL,
        "Make a canned response; with an Idempotency-Key once, however often it is repeated",
        SchemaOf::new::<CannedWriteJson>(&["shortcut", "title", "text"]).with(team_or_not),
        |call| Box::pin(create(call)),
    ),
    rows::read::<CannedJson>(ONE, "Read a canned response", |call| Box::pin(get(call))),
    rows::change::<CannedWriteJson, CannedJson>(
        ONE,
        "Change what is given of a canned response",
        rows::VERSIONED_OR_TAKEN,
        |call| Box::pin(patch(call)),
    ),
    rows::remove(ONE, "Remove a canned response", rows::VERSIONED, |call| Box::pin(delete(call))),
];

const ALL: Resource = Resource { path: "/api/v1/chat/canned-responses", who: Who::AGENT, tag: "canned" };
const ONE: Resource = Resource { path: "/api/v1/chat/canned-responses/{id}", ..ALL };

words! {
    /// What is looked for.
    Searched: schema::text(Q_CHARACTERS_MAX);
}

/// A team goes with scope `team`, and with no other.
fn team_or_not() -> Vec<ObjectBuilder> {
    let team = schema::has("scope", schema::one_of(&["team"])).property("team_id", schema::TeamId::schema());
    vec![
        team.required("team_id"),
        schema::may_have("scope", schema::one_of(&["workspace", "own"]))
            .property("team_id", schema::or_empty(schema::null())),
    ]
}

const TAKEN: &str = "another canned response has this shortcut";
/// Longer words are looked for nowhere.
const Q_CHARACTERS_MAX: usize = 200;
/// Records read at once, and for one page: a page that found little within them says where to go on.
const SCAN_PAGE: usize = 200;
const SCANNED_MAX: usize = 2000;

/// Who sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ScopeJson {
    /// Everybody.
    Workspace,
    /// A team.
    Team,
    /// The one who made it.
    Own,
}

/// A canned response.
#[derive(Serialize, ToSchema)]
pub struct CannedJson {
    /// Names it.
    #[schema(value_type = schema::CannedId)]
    id: String,
    /// What an agent types after `/`.
    #[schema(value_type = schema::Shortcut)]
    shortcut: String,
    /// For lists.
    #[schema(value_type = schema::Title)]
    title: String,
    /// What is sent; when it was asked for a conversation, with its variables filled.
    #[schema(value_type = schema::FilledText)]
    text: String,
    /// `workspace`, `team` or `own`.
    #[schema(value_type = schema::Scope)]
    scope: ScopeJson,
    /// With scope `team`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::TeamId>)]
    team_id: Option<String>,
    #[serde(flatten)]
    stamps: StampsJson,
}

impl CannedJson {
    fn of(record: &Versioned<Canned>) -> Self {
        let canned = &record.document;
        let (scope, team_id) = match canned.scope {
            CannedScope::Workspace => (ScopeJson::Workspace, None),
            CannedScope::Team(team) => (ScopeJson::Team, Some(team.to_string())),
            CannedScope::Own(_) => (ScopeJson::Own, None),
        };
        Self {
            id: canned.id.to_string(),
            shortcut: canned.shortcut.as_str().to_owned(),
            title: canned.title.as_str().to_owned(),
            text: canned.text.as_str().to_owned(),
            scope,
            team_id,
            stamps: StampsJson::of(record),
        }
    }
}

/// A page of canned responses.
#[derive(Serialize, ToSchema)]
pub struct CannedPage {
    data: Vec<CannedJson>,
    /// To go on; null at the end.
    #[schema(value_type = Option<schema::Cursor>)]
    next_cursor: Option<String>,
}

/// What is given of a canned response. A new one needs `shortcut`, `title` and `text`.
#[derive(Deserialize, ToSchema)]
#[schema(example = json!({"shortcut": "hello", "title": "Greeting", "text": "Hello {{visitor.name}}, how can I help?", "scope": "own"}))]
#[serde(deny_unknown_fields)]
pub struct CannedWriteJson {
    /// 1 to 32 of `a-z 0-9 _ -`; unique in its scope.
    #[serde(default)]
    #[schema(value_type = schema::Shortcut)]
    shortcut: Given<Text<Shortcut>>,
    /// At most 300 characters.
    #[serde(default)]
    #[schema(value_type = schema::Title)]
    title: Given<Text<Line<300>>>,
    /// May hold `{{visitor.name}}`, `{{visitor.email}}`, `{{agent.name}}`, `{{agent.email}}`, `{{team.name}}` and
    /// `{{conversation.subject}}`. A missing value becomes nothing, or the words after a bar:
    /// `{{visitor.name|there}}`. For plain braces write `\{{`. An unknown variable is refused.
    #[serde(default)]
    #[schema(value_type = schema::Text)]
    text: Given<String>,
    /// `own` (at first); `workspace` and `team` by supervisors.
    #[serde(default)]
    #[schema(value_type = schema::Scope)]
    scope: Given<ScopeJson>,
    /// With scope `team`: a team of this workspace.
    #[serde(default, deserialize_with = "given_unless_empty")]
    #[schema(value_type = Option<schema::OptionalTeamId>)]
    team_id: Given<Text<TeamId>>,
}

/// What was given, by the rules of its fields.
#[derive(Debug, Default)]
struct Change {
    shortcut: Option<Shortcut>,
    title: Option<Line<300>>,
    text: Option<MessageText>,
    scope: Option<ScopeJson>,
    team: Option<Option<TeamId>>,
}

impl Change {
    fn parse(body: CannedWriteJson, text_bytes_max: usize) -> Result<Self, ApiError> {
        let text = body.text.value("text")?;
        let text = text
            .map(|text| strict_json::valid("text", MessageText::parse(&text, text_bytes_max)))
            .transpose()?;
        if let Some(Err(wrong)) = text.as_ref().map(|text| Template::parse(text.as_str())) {
            return Err(ApiError::invalid_field("text", wrong.to_string()));
        }
        Ok(Self {
            shortcut: body.shortcut.value("shortcut")?.map(|Text(shortcut)| shortcut),
            title: body.title.value("title")?.map(|Text(title)| title),
            text,
            scope: body.scope.value("scope")?,
            team: body.team_id.optional().map(|given| given.map(|Text(team)| team)),
        })
    }

    /// The scope that it comes to, for what has scope `now` and `by`, who asks.
    fn scope(&self, now: CannedScope, by: AgentId) -> Result<CannedScope, ApiError> {
        let (kind, team) = match now {
            CannedScope::Workspace => (ScopeJson::Workspace, None),
            CannedScope::Team(team) => (ScopeJson::Team, Some(team)),
            CannedScope::Own(_) => (ScopeJson::Own, None),
        };
        let kind = self.scope.unwrap_or(kind);
        match (kind, self.team) {
            (ScopeJson::Team, None) => team.map(CannedScope::Team).ok_or_else(team_needed),
            (ScopeJson::Team, Some(given)) => given.map(CannedScope::Team).ok_or_else(team_needed),
            (ScopeJson::Workspace | ScopeJson::Own, Some(Some(_))) => {
                Err(ApiError::invalid_field("team_id", "goes with scope team only"))
            }
            (ScopeJson::Workspace, None | Some(None)) => Ok(CannedScope::Workspace),
            (ScopeJson::Own, None | Some(None)) => match now {
                // Whose it is does not change.
                CannedScope::Own(owner) => Ok(CannedScope::Own(owner)),
                CannedScope::Workspace | CannedScope::Team(_) => Ok(CannedScope::Own(by)),
            },
        }
    }

    fn new_canned(&self, id: CannedId, by: AgentId) -> Result<Canned, ApiError> {
        Ok(Canned {
            id,
            shortcut: required(self.shortcut.clone(), "shortcut")?,
            title: required(self.title.clone(), "title")?,
            text: required(self.text.clone(), "text")?,
            scope: self.scope(CannedScope::Own(by), by)?,
        })
    }

    fn apply(&self, canned: &mut Canned, scope: CannedScope) {
        put(&self.shortcut, &mut canned.shortcut);
        put(&self.title, &mut canned.title);
        put(&self.text, &mut canned.text);
        canned.scope = scope;
    }
}

fn team_needed() -> ApiError {
    ApiError::invalid_field("team_id", "is required with scope team")
}

/// What a list is asked for.
struct Wanted {
    /// Folded.
    q: Option<String>,
    team: Option<TeamId>,
}

impl Wanted {
    fn matches(&self, canned: &Canned) -> bool {
        let of_team = self.team.is_none_or(|team| canned.scope == CannedScope::Team(team));
        let found = self.q.as_ref().is_none_or(|q| {
            canned.shortcut.as_str().starts_with(q.as_str())
                || words::folded(canned.title.as_str()).contains(q.as_str())
                || words::folded(canned.text.as_str()).contains(q.as_str())
        });
        of_team && found
    }
}

async fn list(call: Call) -> Result<Reply, ApiError> {
    let (app, workspace, reader) = (&call.app, workspace_of(&call)?, Reader::of(&call)?);
    let mut query = Query::parse(&call.query)?;
    let q = query.text("q");
    let team = query.parsed::<TeamId>("team_id", "must be the id of a team")?;
    let conversation = query.parsed("conversation_id", "must be the id of a conversation")?;
    let limit = query.limit(app.config.limits.page_max as u64)?;
    let cursor = query.text("cursor");
    query.finish()?;
    if q.as_ref().is_some_and(|q| q.chars().count() > Q_CHARACTERS_MAX) {
        return Err(ApiError::invalid_field("q", format!("must be at most {Q_CHARACTERS_MAX} characters")));
    }
    let q = q.map(|q| words::folded(&q)).filter(|q| !q.is_empty());
    let variables = match conversation {
        Some(conversation) => {
            let head =
                seen_head(app, ConversationKey { workspace, conversation }, &principal_of(&call)?).await?;
            let head = people::named(&app.identity, workspace, &head).await;
            Some(Variables::of(&call, workspace, head).await?)
        }
        None => None,
    };

    let shown = |id: Option<String>| id.unwrap_or_default();
    let bound_to = [
        "canned",
        &reader.agent.to_string(),
        &shown(q.clone()),
        &shown(team.map(|id| id.to_string())),
        &shown(conversation.map(|id| id.to_string())),
    ];
    let after = cursor.map(|cursor| app.cursors.open::<CannedId>(&bound_to, &cursor)).transpose()?;
    let wanted = Wanted { q, team };
    let _turn = app.reads.turn(&app.rates, &call.caller, call.peer).await?;
    let (rows, last) =
        scan(app, workspace, after, limit, |canned| reader.sees(canned.scope) && wanted.matches(canned))
            .await?;
    let filled = |row: &Versioned<Canned>| {
        let mut json = CannedJson::of(row);
        if let Some(variables) = &variables {
            json.text = variables.fill(&json.text);
        }
        json
    };
    let next_cursor = last.map(|last| app.cursors.seal(&bound_to, &last));
    Ok(Reply::ok(&CannedPage { data: rows.iter().map(filled).collect(), next_cursor }))
}

/// Those that pass, by id, after `after`, at most `limit`; and the last that was looked at, unless it was the last of
/// all.
async fn scan(
    app: &App,
    workspace: WorkspaceId,
    mut after: Option<CannedId>,
    limit: usize,
    passes: impl Fn(&Canned) -> bool,
) -> Result<(Vec<Versioned<Canned>>, Option<CannedId>), ApiError> {
    let (mut found, mut scanned) = (Vec::new(), 0);
    loop {
        let from = after.map(|id| id.to_string());
        let rows =
            store::list::<Canned>(app.store.records.as_ref(), workspace, from.as_deref(), SCAN_PAGE).await?;
        let whole = rows.len() < SCAN_PAGE;
        scanned += rows.len();
        for row in rows {
            if found.len() == limit {
                return Ok((found, after));
            }
            after = Some(row.document.id);
            if passes(&row.document) {
                found.push(row);
            }
        }
        if whole {
            return Ok((found, None));
        }
        if scanned >= SCANNED_MAX {
            return Ok((found, after));
        }
    }
}

async fn create(mut call: Call) -> Result<Reply, ApiError> {
    no_query(&call)?;
    let (workspace, reader) = (workspace_of(&call)?, Reader::of(&call)?);
    let body = call.body_bytes().await?;
    let mut making = Making::begin(&call, &body, Secrecy::Open).await?;
    if let Some(reply) = making.repeated() {
        return Ok(reply);
    }
    let app = &call.app;
    let change = Change::parse(strict_json::parse(&body)?, app.config.limits.text_bytes_max)?;
    let draft = change.new_canned(app.fresh_id(), reader.agent)?;
    reader.may_write(draft.scope)?;
    check_scope(app, workspace, draft.scope).await?;
    let canned = Canned { id: making.keep(app, draft.id).await?, ..draft };
    let made = versioned::insert(app, workspace, canned, TAKEN).await?;
    making.answer(app, made.version, &CannedJson::of(&made)).await
}

async fn get(call: Call) -> Result<Reply, ApiError> {
    let (canned, _) = asked(&call).await?;
    no_query(&call)?;
    Ok(versioned_reply(&call, canned.version, &CannedJson::of(&canned)))
}

async fn patch(mut call: Call) -> Result<Reply, ApiError> {
    let (canned, reader) = asked(&call).await?;
    reader.may_write(canned.document.scope)?;
    no_query(&call)?;
    let change = Change::parse(call.json().await?, call.app.config.limits.text_bytes_max)?;
    let scope = change.scope(canned.document.scope, reader.agent)?;
    if scope != canned.document.scope {
        reader.may_write(scope)?;
        check_scope(&call.app, canned.workspace, scope).await?;
    }
    let canned = versioned::update(&call, canned, false, TAKEN, |canned| {
        // Another may have changed its scope meanwhile.
        reader.may_write(canned.scope)?;
        let scope = change.scope(canned.scope, reader.agent)?;
        change.apply(canned, scope);
        Ok(())
    })
    .await?;
    Ok(changed_reply(canned.version, &CannedJson::of(&canned)))
}

async fn delete(call: Call) -> Result<Reply, ApiError> {
    let (canned, reader) = asked(&call).await?;
    reader.may_write(canned.document.scope)?;
    no_query(&call)?;
    ETag::of_version(canned.version).check_if_match(&call.headers)?;
    remove(&call.app, &call.headers, &canned).await?;
    Ok(Reply::no_content())
}

/// The canned response in the path, if the caller sees it.
async fn asked(call: &Call) -> Result<(Versioned<Canned>, Reader), ApiError> {
    let (id, reader): (CannedId, _) = (call.id("id")?, Reader::of(call)?);
    let canned: Versioned<Canned> = found(&call.app, workspace_of(call)?, &id.to_string()).await?;
    if reader.sees(canned.document.scope) { Ok((canned, reader)) } else { Err(ApiError::not_found()) }
}

/// A team that may see it must be there.
async fn check_scope(app: &App, workspace: WorkspaceId, scope: CannedScope) -> Result<(), ApiError> {
    match scope {
        CannedScope::Team(team) => check_team(app, workspace, team, "team_id").await,
        CannedScope::Workspace | CannedScope::Own(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests;
