//! A conversation's tags.

use std::collections::BTreeSet;

use domain::{Command, Tag};
use http::Method;
use serde::Deserialize;
use utoipa::ToSchema;

use super::conversations::parse_tag;
use super::heads::{VERB_ANSWERS, verb_key, verb_reply};
use crate::errors::{ApiError, ErrorCode};
use crate::http::engine::call::Call;
use crate::http::engine::reply::Reply;
use crate::http::table::{BodyKind, Doc, Rate, Route, Row, SchemaOf, Target, Who};
use crate::schema;
use crate::strict_json::unless_null;

/// The rows of this resource.
pub const ROUTES: &[Route] = &[Route {
    row: Row {
        method: Method::POST,
        path: "/api/v1/chat/agent/conversations/{id}/tags",
        target: Target::Conversation,
        who: Who::AGENT,
        rates: &[Rate::Send],
        body: BodyKind::OptionalJson,
        doc: Doc {
            summary: "Add and remove tags",
            tag: "agents",
            request: Some(SchemaOf::of::<TagsJson>()),
            answers: VERB_ANSWERS,
            errors: &[
                ErrorCode::StaleAssignment,
                ErrorCode::ConversationEnded,
                ErrorCode::ConversationFull,
                ErrorCode::IdempotencyConflict,
            ],
            ..Doc::NONE
        },
    },
    handler: |call| Box::pin(change(call)),
}];

/// So many tags go with one request, in each list; those that are written alike count once.
const GIVEN_MAX: usize = 20;

/// What changes. A tag in both lists is added.
#[derive(Deserialize, ToSchema)]
#[schema(example = json!({"add": ["parcel"], "remove": ["new"]}))]
#[serde(deny_unknown_fields)]
pub struct TagsJson {
    /// The client's own name for this request.
    #[serde(default)]
    #[schema(value_type = Option<schema::ClientId>)]
    client_id: Option<String>,
    /// At most 20, of 1 to 40 characters each; kept in lower case and composed (NFC), without spaces around. A
    /// conversation has at most 20.
    #[serde(default, deserialize_with = "unless_null")]
    #[schema(value_type = Option<schema::Tags>)]
    add: Vec<String>,
    /// The same; those that it has not are no error.
    #[serde(default, deserialize_with = "unless_null")]
    #[schema(value_type = Option<schema::Tags>)]
    remove: Vec<String>,
}

async fn change(mut call: Call) -> Result<Reply, ApiError> {
    let key = verb_key(&call)?;
    let TagsJson { client_id, add, remove } = call.json().await?;
    let (add, remove) = (parse_tags("add", &add)?, parse_tags("remove", &remove)?);
    verb_reply(&call, key, client_id.as_deref(), Command::Tag { add, remove }).await
}

fn parse_tags(field: &str, given: &[String]) -> Result<BTreeSet<Tag>, ApiError> {
    let parse = |(place, text): (usize, &String)| parse_tag(&format!("{field}[{place}]"), text);
    let tags: BTreeSet<Tag> = given.iter().enumerate().map(parse).collect::<Result<_, _>>()?;
    if tags.len() > GIVEN_MAX {
        return Err(ApiError::invalid_field(field, "must be at most 20 tags"));
    }
    Ok(tags)
}
