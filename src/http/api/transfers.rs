//! Giving a conversation to another agent, or to a team's queue.

use std::sync::Arc;

use domain::{AgentId, Command, MessageId, MessageText, TeamId};
use http::Method;
use serde::Deserialize;
use store::ConversationKey;
use utoipa::ToSchema;

use super::heads::{VERB_ANSWERS, client_id_of, conversation_reply, principal_of, verb_key, verb_reply};
use crate::app::App;
use crate::conversations;
use crate::errors::{ApiError, ErrorCode};
use crate::http::engine::call::Call;
use crate::http::engine::reply::Reply;
use crate::http::table::{BodyKind, Doc, Rate, Route, Row, SchemaOf, Target, Who};
use crate::schema;
use crate::strict_json::text_unless_empty;

/// The rows of this resource.
pub const ROUTES: &[Route] = &[Route {
    row: Row {
        method: Method::POST,
        path: "/api/v1/chat/agent/conversations/{id}/transfer",
        target: Target::Conversation,
        who: Who::AGENT,
        rates: &[Rate::Send],
        body: BodyKind::Json,
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
    handler: |call| Box::pin(transfer(call)),
}];

/// The agent or team that a conversation is given to.
#[derive(Deserialize, ToSchema)]
#[schema(example = json!({"to": {"team_id": "team_018f0c2e6b7d7a4c9d3e5f60718293a4"}, "note": "Asks about a refund."}))]
#[serde(deny_unknown_fields)]
pub struct TransferJson {
    /// The client's own name for this request.
    #[serde(default)]
    #[schema(value_type = Option<schema::ClientId>)]
    client_id: Option<String>,
    /// An agent or a team.
    #[schema(value_type = schema::TransferTarget)]
    to: TransferToJson,
    /// A private note for the one who gets it.
    #[serde(default, deserialize_with = "text_unless_empty")]
    #[schema(value_type = Option<schema::OptionalText>)]
    note: Option<String>,
}

/// Exactly one of the two.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TransferToJson {
    /// An agent who is there and has room.
    #[serde(default, deserialize_with = "text_unless_empty")]
    agent_id: Option<String>,
    /// A team, whose queue it joins.
    #[serde(default, deserialize_with = "text_unless_empty")]
    team_id: Option<String>,
}

async fn transfer(mut call: Call) -> Result<Reply, ApiError> {
    let key = verb_key(&call)?;
    let request: TransferJson = call.json().await?;
    let who = principal_of(&call)?;
    let client_id = client_id_of(request.client_id.as_deref())?;
    let app = Arc::clone(&call.app);
    match Recipient::parse(&app, key, &request).await? {
        Recipient::Agent(card, note) => {
            let outcome = app.cluster.transfer(key, who, client_id, card, note).await?;
            conversation_reply(&call, key, &outcome).await
        }
        Recipient::Team(team, note) => {
            let command = Command::TransferToTeam { team, note };
            verb_reply(&call, key, request.client_id.as_deref(), command).await
        }
    }
}

type Note = Option<(MessageId, MessageText)>;

enum Recipient {
    Agent(domain::AgentCard, Note),
    Team(TeamId, Note),
}

impl Recipient {
    async fn parse(app: &App, key: ConversationKey, request: &TransferJson) -> Result<Self, ApiError> {
        let note =
            request.note.as_deref().map(|text| conversations::parse_text(app, "note", text)).transpose()?;
        let note = note.map(|text| (app.fresh_id(), text));
        match (&request.to.agent_id, &request.to.team_id) {
            (Some(agent), None) => {
                let unknown = || ApiError::invalid_field("to.agent_id", "must be an agent of this workspace");
                let id: AgentId = agent.parse().map_err(|_| unknown())?;
                let agent = app.identity.agent(key.workspace, id).await?.ok_or_else(unknown)?;
                Ok(Recipient::Agent(agent.card(), note))
            }
            (None, Some(team)) => {
                let unknown = || ApiError::invalid_field("to.team_id", "must be a team of this workspace");
                let id: TeamId = team.parse().map_err(|_| unknown())?;
                let known = app.identity.teams(key.workspace).await?.iter().any(|team| team.id == id);
                if known { Ok(Recipient::Team(id, note)) } else { Err(unknown()) }
            }
            (None, None) | (Some(_), Some(_)) => {
                Err(ApiError::invalid_field("to", "must have exactly one of agent_id and team_id"))
            }
        }
    }
}
