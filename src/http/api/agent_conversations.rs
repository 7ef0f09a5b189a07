//! Lists of conversations, as agents work on them.

use cluster::AgentKey;
use domain::{AgentId, TeamId};
use http::Method;
use identity::Caller;
use store::HeadFilter;

use super::conversations::{CURSOR_DOC, ConversationPage, LIMIT_DOC, page, parse_tag};
use super::heads::principal_of;
use crate::conversations::view::View;
use crate::errors::{ApiError, ErrorCode};
use crate::http::engine::call::Call;
use crate::http::engine::query::Query;
use crate::http::engine::reply::Reply;
use crate::http::table::{AnswerDoc, BodyKind, Doc, QueryDoc, Rate, Route, Row, SchemaOf, Target, Who};
use crate::schema::{self, words};

/// The rows of this resource.
pub const ROUTES: &[Route] = &[Route {
    row: Row {
        method: Method::GET,
        path: "/api/v1/chat/agent/conversations",
        target: Target::Open,
        who: Who::AGENT,
        rates: &[Rate::Reads],
        body: BodyKind::None,
        doc: Doc {
            summary: "List conversations",
            tag: "agents",
            query: &[
                QueryDoc::of::<ViewName>(
                    "view",
                    "mine (default), team, all (supervisors): not ended, newest event first; queue: in \
                                  its order; ended: newest end first.",
                ),
                QueryDoc::of::<schema::TeamId>("team_id", "Only this team's."),
                QueryDoc::of::<schema::AgentId>("assignee_id", "Only this agent's."),
                QueryDoc::of::<schema::OptionalTag>("tag", "Only those with this tag."),
                CURSOR_DOC,
                LIMIT_DOC,
            ],
            answers: &[AnswerDoc {
                status: 200,
                description: "A page, at most a second behind.",
                body: Some(SchemaOf::of::<ConversationPage<'static>>()),
            }],
            errors: &[ErrorCode::InvalidCursor],
            ..Doc::NONE
        },
    },
    handler: |call| Box::pin(list(call)),
}];

words! {
    /// A list of conversations.
    ViewName: schema::one_of(&View::ALL.map(View::name));
}

async fn list(call: Call) -> Result<Reply, ApiError> {
    let Caller::Agent { agent, .. } = &call.caller else { return Err(ApiError::not_found()) };
    let mut query = Query::parse(&call.query)?;
    let name = query.text("view").unwrap_or("mine".into());
    let filter = HeadFilter {
        team: query.parsed::<TeamId>("team_id", "must be the id of a team")?,
        assignee: query.parsed::<AgentId>("assignee_id", "must be the id of an agent")?,
        tag: query
            .text("tag")
            .filter(|text| !text.is_empty())
            .map(|text| parse_tag("tag", &text))
            .transpose()?,
    };
    let limit = query.limit(call.app.config.limits.page_max as u64)?;
    let cursor = query.text("cursor");
    query.finish()?;

    let view = View::parse(&name)?.for_agent(&principal_of(&call)?)?;
    let shown = |id: Option<String>| id.unwrap_or_default();
    let bound_to = [
        &*name,
        &agent.id.to_string(),
        &shown(filter.team.map(|id| id.to_string())),
        &shown(filter.assignee.map(|id| id.to_string())),
        filter.tag.as_ref().map_or("", |tag| tag.as_str()),
    ];
    page(&call, &view, &filter, &bound_to, limit, cursor.as_deref()).await
}

/// The key of the caller's actor.
pub(super) fn agent_key(call: &Call) -> Result<AgentKey, ApiError> {
    match &call.caller {
        Caller::Agent { workspace, agent, .. } => Ok(AgentKey { workspace: *workspace, agent: agent.id }),
        Caller::Anonymous | Caller::Site { .. } | Caller::Visitor { .. } => Err(ApiError::not_found()),
    }
}
