//! What the handlers of conversations share: which conversation is asked for, by whose right, and how a verb is answered.

use domain::{ClientId, Command, ConversationId, Principal, Request, State, Timestamp};
use serde::{Deserialize, Serialize};
use store::{ConversationKey, HeadPosition};
use utoipa::ToSchema;

use cluster::Outcome;

use crate::conversations::people;
use crate::conversations::seen_head;
use crate::errors::ApiError;
use crate::http::engine::call::Call;
use crate::http::engine::query::Query;
use crate::http::engine::reply::Reply;
use crate::http::table::{AnswerDoc, SchemaOf};
use crate::json::{ConversationJson, RoutedJson};
use crate::strict_json::valid;

/// How every verb on a conversation is answered.
pub(super) const VERB_ANSWERS: &[AnswerDoc] = &[AnswerDoc {
    status: 200,
    description: "The conversation as it is now.",
    body: Some(SchemaOf::of::<OneJson<'static>>()),
}];

/// A conversation after a verb.
#[derive(Serialize, ToSchema)]
pub(super) struct OneJson<'a> {
    conversation: ConversationJson<'a>,
}

/// The answer to a repeat by an agent who no longer sees the conversation.
#[derive(Serialize)]
struct NoLongerSeenJson {
    conversation: RoutedJson,
}

/// Where a page of a list ended, as a cursor keeps it.
#[derive(Serialize, Deserialize)]
pub(super) struct Position {
    at: u64,
    conversation: ConversationId,
}

impl From<HeadPosition> for Position {
    fn from(position: HeadPosition) -> Self {
        Self { at: position.at.as_ms(), conversation: position.conversation }
    }
}

impl From<Position> for HeadPosition {
    fn from(position: Position) -> Self {
        Self { at: Timestamp::from_ms(position.at), conversation: position.conversation }
    }
}

/// The caller, as the rules know them.
pub(super) fn principal_of(call: &Call) -> Result<Principal, ApiError> {
    call.caller.principal().ok_or_else(ApiError::not_found)
}

/// The conversation in the path, in the workspace of who asks.
pub(super) fn key_of(call: &Call) -> Result<ConversationKey, ApiError> {
    let workspace = call.caller.workspace().ok_or_else(ApiError::not_found)?;
    Ok(ConversationKey { workspace, conversation: call.id("id")? })
}

/// The conversation in the path, for a request with a body. What is wrong with the body is told only to who sees the
/// conversation; so when the body is wrong, it is looked up first.
pub(super) async fn judged_key(call: &mut Call) -> Result<ConversationKey, ApiError> {
    let key = key_of(call)?;
    let wrong = match Query::parse(&call.query).and_then(Query::finish) {
        Ok(()) => return Ok(key),
        Err(wrong) => wrong,
    };
    Err(or_not_found(call, key, wrong).await)
}

/// `wrong`, unless who asks does not see the conversation.
pub(super) async fn or_not_found(call: &Call, key: ConversationKey, wrong: ApiError) -> ApiError {
    let seen = match principal_of(call) {
        Ok(who) => seen_head(&call.app, key, &who).await.map(|_| ()),
        Err(error) => Err(error),
    };
    match seen {
        Ok(()) => wrong,
        Err(error) => error,
    }
}

/// A client's own name for a request, when it gave one. What is wrong with it is told only to who sees the
/// conversation.
pub(super) async fn client_id_of(
    call: &Call,
    key: ConversationKey,
    given: Option<&str>,
) -> Result<Option<ClientId>, ApiError> {
    match given.map(|text| valid("client_id", ClientId::parse(text))).transpose() {
        Ok(client_id) => Ok(client_id),
        Err(wrong) => Err(or_not_found(call, key, wrong).await),
    }
}

/// Has the conversation carry out `command`, and answers with the conversation.
pub(super) async fn verb_reply(
    call: &Call,
    key: ConversationKey,
    client_id: Option<&str>,
    command: Command,
) -> Result<Reply, ApiError> {
    let (by, client_id) = (principal_of(call)?, client_id_of(call, key, client_id).await?);
    let outcome = call.app.cluster.execute(key, Request { by, client_id, command }).await?;
    conversation_reply(call, key, &outcome).await
}

/// The conversation after a verb; to an agent who no longer sees it only where it went.
pub(super) async fn conversation_reply(
    call: &Call,
    key: ConversationKey,
    outcome: &Outcome,
) -> Result<Reply, ApiError> {
    let who = principal_of(call)?;
    let head =
        outcome.head.as_ref().ok_or_else(|| ApiError::internal("a verb was answered without its head"))?;
    if head.seen_by(&who) {
        // What the verb has queued its router hears of about now.
        let place = match head.state {
            State::Queued => call.app.cluster.position_when_known(key, head).await,
            State::Assigned | State::Bot | State::Ended => None,
        };
        let (head, audience) = (people::named(&call.app.identity, key.workspace, head).await, who.audience());
        let conversation = ConversationJson::of(key.conversation, &head, audience).placed(place, audience);
        Ok(Reply::ok(&OneJson { conversation }))
    } else {
        Ok(Reply::ok(&NoLongerSeenJson { conversation: RoutedJson::of(key.conversation, head) }))
    }
}

/// Reads the body of a request on a conversation: what is wrong with it is told only to who sees the conversation.
pub(super) async fn body_of<T: serde::de::DeserializeOwned>(
    call: &mut Call,
    key: ConversationKey,
) -> Result<T, ApiError> {
    match call.json().await {
        Ok(body) => Ok(body),
        Err(wrong) => Err(or_not_found(call, key, wrong).await),
    }
}
