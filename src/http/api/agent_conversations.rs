//! Conversations, as agents work on them: lists, accept, transfer, release.

use std::sync::Arc;

use cluster::AgentKey;
use domain::{AgentId, Command, MessageId, MessageText, ReleaseReason, TeamId};
use http::Method;
use serde::Deserialize;
use store::{ConversationKey, HeadFilter};
use utoipa::ToSchema;

use super::conversations::{CURSOR_DOC, ConversationPage, LIMIT_DOC, page, parse_tag};
use super::heads::{
    VERB_ANSWERS, body_of, conversation_reply, judged_key, or_not_found, parse_client_id, principal_of,
    verb_reply,
};
use crate::http::App;
use crate::http::call::Call;
use crate::http::error::{ApiError, ErrorCode};
use crate::http::query::Query;
use crate::http::reply::Reply;
use crate::http::routes::{AnswerDoc, BodyKind, Doc, QueryDoc, Route, SchemaOf, Who};
use crate::identity::Caller;
use crate::talk;
use crate::view::View;

/// The rows of this resource.
pub const ROUTES: &[Route] = &[
    Route {
        method: Method::GET,
        path: "/api/v1/chat/agent/conversations",
        who: Who::AGENT,
        rates: &[],
        body: BodyKind::None,
        handler: |call| Box::pin(list(call)),
        doc: Doc {
            summary: "List conversations",
            tag: "agents",
            query: &[
                QueryDoc::text(
                    "view",
                    "mine (default), team, all (supervisors): not ended, newest event first; queue: in \
                                  its order; ended: newest end first.",
                ),
                QueryDoc::text("team_id", "Only this team's."),
                QueryDoc::text("assignee_id", "Only this agent's."),
                QueryDoc::text("tag", "Only those with this tag."),
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
    Route {
        method: Method::POST,
        path: "/api/v1/chat/agent/conversations/{id}/accept",
        who: Who::AGENT,
        rates: &[],
        body: BodyKind::OptionalJson,
        handler: |call| Box::pin(accept(call)),
        doc: Doc {
            summary: "Take a conversation; of many who ask at once exactly one gets it",
            tag: "agents",
            request: Some(SchemaOf::of::<AcceptJson>()),
            answers: VERB_ANSWERS,
            errors: &[
                ErrorCode::AlreadyAssigned,
                ErrorCode::CapacityExceeded,
                ErrorCode::AgentOffline,
                ErrorCode::ConversationEnded,
                ErrorCode::IdempotencyConflict,
            ],
            ..Doc::NONE
        },
    },
    Route {
        method: Method::POST,
        path: "/api/v1/chat/agent/conversations/{id}/transfer",
        who: Who::AGENT,
        rates: &[],
        body: BodyKind::Json,
        handler: |call| Box::pin(transfer(call)),
        doc: Doc {
            summary: "Give a conversation to another agent, or to a team's queue",
            tag: "agents",
            request: Some(SchemaOf::of::<TransferJson>()),
            answers: VERB_ANSWERS,
            errors: &[
                ErrorCode::StaleAssignment,
                ErrorCode::CapacityExceeded,
                ErrorCode::AgentOffline,
                ErrorCode::ConversationEnded,
                ErrorCode::Conflict,
                ErrorCode::IdempotencyConflict,
            ],
            ..Doc::NONE
        },
    },
    Route {
        method: Method::POST,
        path: "/api/v1/chat/agent/conversations/{id}/release",
        who: Who::AGENT,
        rates: &[],
        body: BodyKind::OptionalJson,
        handler: |call| Box::pin(release(call)),
        doc: Doc {
            summary: "Give a conversation back to the queue",
            tag: "agents",
            request: Some(SchemaOf::of::<ReleaseJson>()),
            answers: VERB_ANSWERS,
            errors: &[
                ErrorCode::StaleAssignment,
                ErrorCode::ConversationEnded,
                ErrorCode::Conflict,
                ErrorCode::IdempotencyConflict,
            ],
            ..Doc::NONE
        },
    },
];

async fn list(call: Call) -> Result<Reply, ApiError> {
    let Caller::Agent { agent, .. } = &call.caller else { return Err(ApiError::not_found()) };
    let mut query = Query::parse(&call.query)?;
    let name = query.text("view").unwrap_or("mine".into());
    let filter = HeadFilter {
        team: query.parsed::<TeamId>("team_id", "must be the id of a team")?,
        assignee: query.parsed::<AgentId>("assignee_id", "must be the id of an agent")?,
        tag: query.text("tag").map(|text| parse_tag(&text)).transpose()?,
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

/// How a conversation is taken.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AcceptJson {
    /// The client's own name for this request.
    #[serde(default)]
    client_id: Option<String>,
    /// Also from another agent; supervisors only.
    #[serde(default)]
    take_over: bool,
}

async fn accept(mut call: Call) -> Result<Reply, ApiError> {
    let key = judged_key(&mut call).await?;
    let AcceptJson { client_id, take_over } = body_of(&mut call, key).await?;
    let (by, client_id) = (principal_of(&call)?, parse_client_id(client_id.as_deref())?);
    let outcome = call.app.router.accept(key, by, client_id, take_over).await?;
    conversation_reply(&call, key, &outcome)
}

/// To whom a conversation is given.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TransferJson {
    /// The client's own name for this request.
    #[serde(default)]
    client_id: Option<String>,
    /// An agent or a team.
    to: TransferToJson,
    /// A private note for the one who gets it.
    #[serde(default)]
    note: Option<String>,
}

/// Exactly one of the two.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TransferToJson {
    /// An agent who is there and has room.
    #[serde(default)]
    agent_id: Option<String>,
    /// A team, whose queue it joins.
    #[serde(default)]
    team_id: Option<String>,
}

async fn transfer(mut call: Call) -> Result<Reply, ApiError> {
    let key = judged_key(&mut call).await?;
    let request: TransferJson = body_of(&mut call, key).await?;
    let who = principal_of(&call)?;
    let client_id = parse_client_id(request.client_id.as_deref())?;
    let app = Arc::clone(&call.app);
    let target = match Target::parse(&app, key, &request).await {
        Ok(target) => target,
        Err(wrong) => return Err(or_not_found(&call, key, wrong).await),
    };
    match target {
        Target::Agent(card, note) => {
            let outcome = app.router.transfer(key, who, client_id, card, note).await?;
            conversation_reply(&call, key, &outcome)
        }
        Target::Team(team, note) => {
            let command = Command::TransferToTeam { team, note };
            verb_reply(&call, key, request.client_id.as_deref(), command).await
        }
    }
}

type Note = Option<(MessageId, MessageText)>;

enum Target {
    Agent(domain::AgentCard, Note),
    Team(TeamId, Note),
}

impl Target {
    async fn parse(app: &App, key: ConversationKey, request: &TransferJson) -> Result<Self, ApiError> {
        let note = request.note.as_deref().map(|text| talk::parse_text(app, "note", text)).transpose()?;
        let note = note.map(|text| (talk::fresh_id(app), text));
        match (&request.to.agent_id, &request.to.team_id) {
            (Some(agent), None) => {
                let unknown = || ApiError::invalid_field("to.agent_id", "must be an agent of this workspace");
                let id: AgentId = agent.parse().map_err(|_| unknown())?;
                let agent = app.identity.agent(key.workspace, id).await?.ok_or_else(unknown)?;
                Ok(Target::Agent(agent.card(), note))
            }
            (None, Some(team)) => {
                let unknown = || ApiError::invalid_field("to.team_id", "must be a team of this workspace");
                let id: TeamId = team.parse().map_err(|_| unknown())?;
                let known = app.identity.teams(key.workspace).await?.iter().any(|team| team.id == id);
                if known { Ok(Target::Team(id, note)) } else { Err(unknown()) }
            }
            (None, None) | (Some(_), Some(_)) => {
                Err(ApiError::invalid_field("to", "must have exactly one of agent_id and team_id"))
            }
        }
    }
}

/// How a conversation is given back.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReleaseJson {
    /// The client's own name for this request.
    #[serde(default)]
    client_id: Option<String>,
}

async fn release(mut call: Call) -> Result<Reply, ApiError> {
    let key = judged_key(&mut call).await?;
    let ReleaseJson { client_id } = body_of(&mut call, key).await?;
    // Whether he sees it is the conversation's to say: it knows a repeat, also of one who sees it no longer.
    let head = call.app.store.heads.get(key).await?.ok_or_else(ApiError::not_found)?;
    let assignment_epoch = head.assignment_epoch;
    let command = Command::Release { assignment_epoch, reason: ReleaseReason::Released };
    verb_reply(&call, key, client_id.as_deref(), command).await
}

/// The agent who asks, as his actor is found.
pub(super) fn agent_key(call: &Call) -> Result<AgentKey, ApiError> {
    match &call.caller {
        Caller::Agent { workspace, agent, .. } => Ok(AgentKey { workspace: *workspace, agent: agent.id }),
        Caller::Anonymous | Caller::Site { .. } | Caller::Visitor { .. } => Err(ApiError::not_found()),
    }
}
