//! The agent of a conversation: accept, decline, release, reopen.

use domain::{Command, ReleaseReason};
use http::Method;
use serde::Deserialize;
use utoipa::ToSchema;

use super::heads::{VERB_ANSWERS, client_id_of, conversation_reply, principal_of, verb_key, verb_reply};
use crate::errors::{ApiError, ErrorCode};
use crate::http::engine::call::Call;
use crate::http::engine::reply::Reply;
use crate::http::table::{AnswerDoc, BodyKind, Doc, Rate, Route, Row, SchemaOf, Target, Who};
use crate::schema;
use crate::strict_json::unless_null;

/// The rows of this resource.
pub const ROUTES: &[Route] = &[
    Route {
        row: Row {
            method: Method::POST,
            path: "/api/v1/chat/agent/conversations/{id}/accept",
            target: Target::Conversation,
            who: Who::AGENT,
            rates: &[Rate::Changes],
            body: BodyKind::OptionalJson,
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
        handler: |call| Box::pin(accept(call)),
    },
    Route {
        row: Row {
            method: Method::POST,
            path: "/api/v1/chat/agent/conversations/{id}/decline",
            target: Target::Conversation,
            who: Who::AGENT,
            rates: &[Rate::Changes],
            body: BodyKind::OptionalJson,
            doc: Doc {
                summary: "Pass over a conversation that one is offered: it goes on at once",
                tag: "agents",
                request: Some(SchemaOf::of::<NamedJson>()),
                answers: &[AnswerDoc { status: 204, description: "The offer has gone on.", body: None }],
                errors: &[ErrorCode::Conflict, ErrorCode::ConversationEnded],
                ..Doc::NONE
            },
        },
        handler: |call| Box::pin(decline(call)),
    },
    Route {
        row: Row {
            method: Method::POST,
            path: "/api/v1/chat/agent/conversations/{id}/release",
            target: Target::Conversation,
            who: Who::AGENT,
            rates: &[Rate::Send],
            body: BodyKind::OptionalJson,
            doc: Doc {
                summary: "Give a conversation back to the queue",
                tag: "agents",
                request: Some(SchemaOf::of::<NamedJson>()),
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
        handler: |call| Box::pin(release(call)),
    },
    Route {
        row: Row {
            method: Method::POST,
            path: "/api/v1/chat/agent/conversations/{id}/reopen",
            target: Target::Conversation,
            who: Who::AGENT,
            rates: &[Rate::Send],
            body: BodyKind::OptionalJson,
            doc: Doc {
                summary: "Open an ended conversation again: its last agent gets it back, a supervisor's goes to the queue",
                tag: "agents",
                request: Some(SchemaOf::of::<NamedJson>()),
                answers: VERB_ANSWERS,
                errors: &[
                    ErrorCode::StaleAssignment,
                    ErrorCode::CapacityExceeded,
                    ErrorCode::AgentOffline,
                    ErrorCode::ConversationFull,
                    ErrorCode::Conflict,
                    ErrorCode::IdempotencyConflict,
                ],
                ..Doc::NONE
            },
        },
        handler: |call| Box::pin(reopen(call)),
    },
];

/// How a conversation is taken.
#[derive(Deserialize, ToSchema)]
#[schema(example = json!({"client_id": "accept-1"}))]
#[serde(deny_unknown_fields)]
pub struct AcceptJson {
    /// The client's own name for this request.
    #[serde(default)]
    #[schema(value_type = Option<schema::ClientId>)]
    client_id: Option<String>,
    /// Also from another agent; supervisors only.
    #[serde(default, deserialize_with = "unless_null")]
    #[schema(value_type = Option<bool>)]
    take_over: bool,
}

async fn accept(mut call: Call) -> Result<Reply, ApiError> {
    let key = verb_key(&call)?;
    let AcceptJson { client_id, take_over } = call.json().await?;
    let (by, client_id) = (principal_of(&call)?, client_id_of(client_id.as_deref())?);
    let outcome = call.app.cluster.accept(key, by, client_id, take_over).await?;
    conversation_reply(&call, key, &outcome).await
}

/// A verb that needs no more than its name.
#[derive(Deserialize, ToSchema)]
#[schema(example = json!({"client_id": "verb-1"}))]
#[serde(deny_unknown_fields)]
pub struct NamedJson {
    /// The client's own name for this request.
    #[serde(default)]
    #[schema(value_type = Option<schema::ClientId>)]
    client_id: Option<String>,
}

async fn decline(mut call: Call) -> Result<Reply, ApiError> {
    let key = verb_key(&call)?;
    let NamedJson { client_id } = call.json().await?;
    let (by, client_id) = (principal_of(&call)?, client_id_of(client_id.as_deref())?);
    call.app.cluster.decline(key, &by, client_id).await?;
    Ok(Reply::no_content())
}

async fn release(mut call: Call) -> Result<Reply, ApiError> {
    let key = verb_key(&call)?;
    let NamedJson { client_id } = call.json().await?;
    // Whether the agent sees it is the conversation's to say: it knows a repeat, also by an agent who sees it no longer.
    let head = call.app.store.heads.get(key).await?.ok_or_else(ApiError::not_found)?;
    let assignment_epoch = head.assignment_epoch;
    let command = Command::Release { assignment_epoch, reason: ReleaseReason::Released };
    verb_reply(&call, key, client_id.as_deref(), command).await
}

async fn reopen(mut call: Call) -> Result<Reply, ApiError> {
    let key = verb_key(&call)?;
    let NamedJson { client_id } = call.json().await?;
    let (by, client_id) = (principal_of(&call)?, client_id_of(client_id.as_deref())?);
    let outcome = call.app.cluster.reopen(key, by, client_id).await?;
    conversation_reply(&call, key, &outcome).await
}
