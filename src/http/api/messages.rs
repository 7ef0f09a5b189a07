//! What is said in a conversation, and what is nearly said: messages, typing, read marks.

use std::sync::Arc;

use domain::{MessageId, Seq, Timestamp};
use http::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa::openapi::schema::ObjectBuilder;

use super::heads::{principal_of, verb_key};
use crate::conversations;
use crate::errors::{ApiError, ErrorCode};
use crate::http::engine::call::Call;
use crate::http::engine::reply::Reply;
use crate::http::table::{AnswerDoc, BodyKind, Doc, Rate, Route, Row, SchemaOf, Target, Who};
use crate::json::Rfc3339;
use crate::schema::{self, words};
use crate::strict_json::{text_unless_empty, unless_null};

/// The rows of this resource.
pub const ROUTES: &[Route] = &[
    Route {
        row: Row {
            method: Method::POST,
            path: "/api/v1/chat/conversations/{id}/messages",
            target: Target::Conversation,
            who: Who::VISITOR_OR_AGENT,
            rates: &[Rate::Send],
            body: BodyKind::Json,
            doc: Doc {
                summary: "Post a message, or a private note",
                tag: "conversations",
                request: Some(SchemaOf::of::<MessageJson>().with(text_or_files)),
                answers: &[
                    AnswerDoc {
                        status: 201,
                        description: "It is durable and has its place.",
                        body: Some(SchemaOf::of::<PostedJson>()),
                    },
                    AnswerDoc {
                        status: 200,
                        description: "It was, by the same request.",
                        body: Some(SchemaOf::of::<PostedJson>()),
                    },
                ],
                errors: &[
                    ErrorCode::IdempotencyConflict,
                    ErrorCode::StaleAssignment,
                    ErrorCode::ConversationEnded,
                    ErrorCode::ConversationFull,
                    ErrorCode::Overloaded,
                ],
                ..Doc::NONE
            },
        },
        handler: |call| Box::pin(post(call)),
    },
    Route {
        row: Row {
            method: Method::POST,
            path: "/api/v1/chat/conversations/{id}/typing",
            target: Target::Conversation,
            who: Who::VISITOR_OR_AGENT,
            rates: &[Rate::Changes],
            body: BodyKind::Json,
            doc: Doc {
                summary: "Say that one types, or stopped; over by itself after 6 s",
                tag: "conversations",
                request: Some(SchemaOf::of::<TypingJson>()),
                answers: NO_CONTENT,
                errors: &[ErrorCode::StaleAssignment, ErrorCode::ConversationEnded],
                ..Doc::NONE
            },
        },
        handler: |call| Box::pin(typing(call)),
    },
    Route {
        row: Row {
            method: Method::POST,
            path: "/api/v1/chat/conversations/{id}/read",
            target: Target::Conversation,
            who: Who::VISITOR_OR_AGENT,
            rates: &[Rate::Changes],
            body: BodyKind::Json,
            doc: Doc {
                summary: "Say how far one has read",
                tag: "conversations",
                request: Some(SchemaOf::of::<ReadMarkJson>()),
                answers: NO_CONTENT,
                ..Doc::NONE
            },
        },
        handler: |call| Box::pin(read(call)),
    },
];

const NO_CONTENT: &[AnswerDoc] = &[AnswerDoc { status: 204, description: "Done.", body: None }];

words! {
    /// Uploaded files.
    FileIds: schema::list::<schema::FileId>(conversations::FILES_MAX);
}

/// A message has something in it.
fn text_or_files() -> Vec<ObjectBuilder> {
    vec![
        schema::has("text", schema::text(domain::MessageText::BYTES_MAX).min_length(Some(1))),
        schema::has("file_ids", schema::list::<schema::FileId>(conversations::FILES_MAX).min_items(Some(1))),
    ]
}

/// A message.
#[derive(Deserialize, ToSchema)]
#[schema(example = json!({"client_id": "message-1", "text": "It left us on Monday."}))]
#[serde(deny_unknown_fields)]
pub struct MessageJson {
    /// The client's own name for it: the same one is the same message.
    #[schema(value_type = schema::ClientId)]
    client_id: String,
    /// Needed unless there are files.
    #[serde(default, deserialize_with = "text_unless_empty")]
    #[schema(value_type = Option<schema::OptionalText>)]
    text: Option<String>,
    /// Up to 10 uploaded files.
    #[serde(default, deserialize_with = "unless_null")]
    #[schema(value_type = Option<FileIds>)]
    file_ids: Vec<String>,
    /// Nothing that a visitor sees.
    #[serde(default, deserialize_with = "unless_null")]
    #[schema(value_type = Option<bool>)]
    note: bool,
}

/// A message that is durable.
#[derive(Debug, Serialize, ToSchema)]
pub struct PostedJson {
    /// Names it.
    #[schema(value_type = schema::MessageId)]
    message_id: String,
    /// Its place.
    #[schema(value_type = schema::Count)]
    seq: u64,
    /// When it got it.
    #[schema(value_type = schema::Time)]
    at: Rfc3339,
}

impl PostedJson {
    /// As the contract writes it.
    pub fn of(message_id: MessageId, seq: Seq, at: Timestamp) -> Self {
        Self { message_id: message_id.to_string(), seq: seq.0, at: Rfc3339(at) }
    }
}

async fn post(mut call: Call) -> Result<Reply, ApiError> {
    let key = verb_key(&call)?;
    let MessageJson { client_id, text, file_ids, note } = call.json().await?;
    let message = conversations::Message { client_id, text, file_ids, note };
    let posted = conversations::post(&call.app, key, &call.caller, message).await?;
    let status = if posted.repeated { StatusCode::OK } else { StatusCode::CREATED };
    Ok(Reply::json(status, &PostedJson::of(posted.message_id, posted.seq, posted.at)))
}

/// That one types.
#[derive(Deserialize, ToSchema)]
#[schema(example = json!({"typing": true, "preview": "It left"}))]
#[serde(deny_unknown_fields)]
pub struct TypingJson {
    /// False: one stopped.
    typing: bool,
    /// What is typed so far, at most 500 characters: a visitor's is shown to agents, an agent's to nobody.
    #[serde(default)]
    #[schema(value_type = Option<schema::Preview>)]
    preview: Option<String>,
}

async fn typing(mut call: Call) -> Result<Reply, ApiError> {
    let key = verb_key(&call)?;
    let TypingJson { typing, preview } = call.json().await?;
    conversations::check_proven(&call.caller)?;
    let who = Arc::new(principal_of(&call)?);
    conversations::typing(&call.app, key, &who, typing, preview).await?;
    Ok(Reply::no_content())
}

/// How far one has read.
#[derive(Deserialize, ToSchema)]
#[schema(example = json!({"seq": 3}))]
#[serde(deny_unknown_fields)]
pub struct ReadMarkJson {
    /// Beyond the last event: the last event.
    #[schema(value_type = schema::Seq)]
    seq: u64,
}

async fn read(mut call: Call) -> Result<Reply, ApiError> {
    let key = verb_key(&call)?;
    let ReadMarkJson { seq } = call.json().await?;
    let who = Arc::new(principal_of(&call)?);
    call.app.cluster.ask(key, cluster::Read { who, seq: Seq(seq) }).await?;
    Ok(Reply::no_content())
}
