//! What the handlers of conversations share: which conversation is asked for, by whose right, and how a verb is answered.

use domain::{ClientId, Command, ConversationId, Principal, Request, State, Timestamp};
use serde::{Deserialize, Serialize};
use store::{ConversationKey, HeadPosition};
use utoipa::ToSchema;

use cluster::Outcome;

use crate::conversations::people;
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
pub(super) struct PagePosition {
    at: u64,
    conversation: ConversationId,
}

impl From<HeadPosition> for PagePosition {
    fn from(position: HeadPosition) -> Self {
        Self { at: position.at.as_ms(), conversation: position.conversation }
    }
}

impl From<PagePosition> for HeadPosition {
    fn from(position: PagePosition) -> Self {
        Self { at: Timestamp::from_ms(position.at), conversation: position.conversation }
    }
}

/// The caller, as the rules know them.
pub(super) fn principal_of(call: &Call) -> Result<Principal, ApiError> {
    call.caller.principal().ok_or_else(ApiError::not_found)
}

/// The conversation of a verb, which takes no query parameter.
pub(super) fn verb_key(call: &Call) -> Result<ConversationKey, ApiError> {
    let key = call.conversation()?;
    Query::parse(&call.query)?.finish()?;
    Ok(key)
}

/// A client's own name for a request, when it gave one.
pub(super) fn client_id_of(given: Option<&str>) -> Result<Option<ClientId>, ApiError> {
    given.map(|text| valid("client_id", ClientId::parse(text))).transpose()
}

/// Has the conversation carry out `command`, and answers with the conversation.
pub(super) async fn verb_reply(
    call: &Call,
    key: ConversationKey,
    client_id: Option<&str>,
    command: Command,
) -> Result<Reply, ApiError> {
    let (by, client_id) = (principal_of(call)?, client_id_of(client_id)?);
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
