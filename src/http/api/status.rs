//! An agent's will and load.

use cluster::AgentView;
use domain::Status;
use http::Method;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::agent_conversations::agent_key;
use crate::conversations;
use crate::errors::ApiError;
use crate::http::engine::call::Call;
use crate::http::engine::query::Query;
use crate::http::engine::reply::Reply;
use crate::http::table::{AnswerDoc, BodyKind, Doc, Rate, Route, Row, SchemaOf, Target, Who};
use crate::schema;

/// The rows of this resource.
pub const ROUTES: &[Route] = &[
    Route {
        row: Row {
            method: Method::GET,
            path: "/api/v1/chat/agent/status",
            target: Target::Open,
            who: Who::AGENT,
            rates: &[Rate::Reads],
            body: BodyKind::None,
            doc: Doc {
                summary: "Read one's status and load",
                tag: "agents",
                answers: STATUS_ANSWERS,
                ..Doc::NONE
            },
        },
        handler: |call| Box::pin(get(call)),
    },
    Route {
        row: Row {
            method: Method::PUT,
            path: "/api/v1/chat/agent/status",
            target: Target::Open,
            who: Who::AGENT,
            rates: &[Rate::Changes],
            body: BodyKind::Json,
            doc: Doc {
                summary: "Set one's status; offline gives back what one holds",
                tag: "agents",
                request: Some(SchemaOf::of::<SetStatusJson>()),
                answers: STATUS_ANSWERS,
                ..Doc::NONE
            },
        },
        handler: |call| Box::pin(put(call)),
    },
];

const STATUS_ANSWERS: &[AnswerDoc] = &[AnswerDoc {
    status: 200,
    description: "The agent as they are now.",
    body: Some(SchemaOf::of::<StatusJson>()),
}];

/// What an agent wants to be taken for.
#[derive(Deserialize, ToSchema)]
#[schema(example = json!({"status": "online"}))]
#[serde(deny_unknown_fields)]
pub struct SetStatusJson {
    /// `online`, `away` or `offline`.
    #[schema(value_type = schema::Status)]
    status: Status,
}

/// An agent's status and load.
#[derive(Serialize, ToSchema)]
pub struct StatusJson {
    /// The chosen status.
    #[schema(value_type = schema::Status)]
    status: Status,
    /// A socket of the agent is open, or the agent asked for something a moment ago.
    present: bool,
    /// How many conversations the agent may hold.
    #[schema(value_type = schema::Count)]
    capacity: u32,
    /// How many conversations the agent holds, is about to hold, or is offered.
    #[schema(value_type = schema::Count)]
    load: usize,
    /// What the agent holds.
    #[schema(value_type = schema::ConversationIds)]
    conversation_ids: Vec<String>,
}

impl StatusJson {
    fn reply(view: &AgentView) -> Reply {
        Reply::ok(&Self {
            status: view.status,
            present: view.present,
            capacity: view.capacity,
            load: view.load,
            conversation_ids: view.conversations.iter().map(ToString::to_string).collect(),
        })
    }
}

async fn get(call: Call) -> Result<Reply, ApiError> {
    Query::parse(&call.query)?.finish()?;
    let view = call.app.cluster.ask(agent_key(&call)?, cluster::ViewAgent).await?;
    Ok(StatusJson::reply(&view))
}

async fn put(mut call: Call) -> Result<Reply, ApiError> {
    Query::parse(&call.query)?.finish()?;
    let SetStatusJson { status } = call.json().await?;
    let view = conversations::set_status(&call.app, agent_key(&call)?, status).await?;
    Ok(StatusJson::reply(&view))
}
