//! Posting a message or a note, with the files that go with it.

use cluster::ExecuteError;
use domain::{
    Answer, ClientId, Command, FileCard, FileId, MessageId, MessageText, Rejection, Request, Seq, Timestamp,
};
use files::{ReserveError, Uploader};
use identity::Caller;
use store::ConversationKey;

use crate::app::App;
use crate::errors::ApiError;
use crate::rates::{Key, Limit};
use crate::strict_json::valid;

/// Up to so many files go with one message.
pub const FILES_MAX: usize = 10;

/// A message as its sender gave it.
#[derive(Debug)]
pub struct Message {
    /// The sender's own name for it.
    pub client_id: String,
    /// Needed unless there are files.
    pub text: Option<String>,
    /// Uploaded before, by the sender, for this conversation.
    pub file_ids: Vec<String>,
    /// Nothing that a visitor sees.
    pub note: bool,
}

/// Refuses what an unproven visitor of a site that requires identities would begin or write, also with a token from before
/// the site required them. What there is can still be read, rated and ended.
///
/// # Errors
/// `FORBIDDEN`.
pub fn check_proven(caller: &Caller) -> Result<(), ApiError> {
    match caller {
        Caller::Visitor { unproven: true, .. } => {
            Err(ApiError::forbidden("this site takes only visitors whose identity is signed"))
        }
        Caller::Anonymous | Caller::Site { .. } | Caller::Visitor { .. } | Caller::Agent { .. } => Ok(()),
    }
}

/// A message that is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Posted {
    /// Names it.
    pub message_id: MessageId,
    /// Its place.
    pub seq: Seq,
    /// When it got it.
    pub at: Timestamp,
    /// This request was a repeat.
    pub repeated: bool,
}

/// Takes one from the sender's bucket. Sockets call it; over HTTP the judge takes it.
///
/// # Errors
/// `RATE_LIMITED` with the wait, `FORBIDDEN` for a caller who is no person.
pub fn take_send(app: &App, caller: &Caller) -> Result<(), ApiError> {
    let (limit, key) = match caller {
        Caller::Visitor { visitor, .. } => (Limit::VisitorSend, Key::of_visitor(visitor.id)),
        Caller::Agent { agent, .. } => (Limit::AgentSend, Key::of_agent(agent.id)),
        Caller::Anonymous | Caller::Site { .. } => return Err(ApiError::forbidden("only people send")),
    };
    match app.rates.take(limit, key).and_then(|verdict| verdict.retry_after) {
        None => Ok(()),
        Some(wait) => Err(ApiError::rate_limited("too many messages: wait a little", wait)),
    }
}

/// Posts a message; durable when it is answered.
///
/// # Errors
/// Nothing was posted, but with `UNAVAILABLE`, where that is unknown: the same message with the same `client_id` is to be
/// posted again.
pub async fn post(
    app: &App,
    key: ConversationKey,
    caller: &Caller,
    message: Message,
) -> Result<Posted, ApiError> {
    check_proven(caller)?;
    if let Caller::Visitor { visitor, .. } = caller
        && visitor.blocked
    {
        return Err(ApiError::forbidden("this visitor is blocked"));
    }
    let by = caller.principal().ok_or_else(ApiError::not_found)?;
    let client_id = valid("client_id", ClientId::parse(&message.client_id))?;
    let text = message.text.as_deref().map(|text| parse_text(app, "text", text)).transpose()?;
    if text.is_none() && message.file_ids.is_empty() {
        return Err(ApiError::invalid_field("text", "is needed when there are no files"));
    }
    if message.file_ids.len() > FILES_MAX {
        return Err(ApiError::invalid_field("file_ids", "must be at most 10 files"));
    }
    let file_ids = parse_files(&message.file_ids)?;
    let files = reserve_files(app, key, caller, &client_id, &file_ids).await?;
    let message_id = app.fresh_id();
    let command = Command::PostMessage { message_id, text, files, note: message.note };
    let request = Request { by, client_id: Some(client_id.clone()), command };
    let outcome = match app.cluster.execute(key, request).await {
        Ok(outcome) => outcome,
        Err(refused) => {
            // With a conflict the message of this name has them; with an unknown outcome it may.
            if let ExecuteError::Rejected(rejection) = &refused
                && *rejection != Rejection::IdempotencyConflict
            {
                app.files.release(key.workspace, &client_id, &file_ids).await?;
            }
            return Err(refused.into());
        }
    };
    match outcome.answer {
        Answer::Posted { message_id, seq, at, repeated } => Ok(Posted { message_id, seq, at, repeated }),
        Answer::Done { .. } => Err(ApiError::internal("a posted message was answered without a place")),
    }
}

fn parse_files(given: &[String]) -> Result<Vec<FileId>, ApiError> {
    let parse = |(place, text): (usize, &String)| {
        text.parse().map_err(|_| ApiError::invalid_field(format!("file_ids[{place}]"), NOT_USABLE))
    };
    given.iter().enumerate().map(parse).collect()
}

const NOT_USABLE: &str =
    "must be a file that was uploaded by its sender, for this conversation, and not used yet";

async fn reserve_files(
    app: &App,
    key: ConversationKey,
    caller: &Caller,
    client_id: &ClientId,
    ids: &[FileId],
) -> Result<Vec<FileCard>, ApiError> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let uploader = match caller {
        Caller::Visitor { visitor, .. } => Uploader::Visitor(visitor.id),
        Caller::Agent { agent, .. } => Uploader::Agent(agent.id),
        Caller::Anonymous | Caller::Site { .. } => return Err(ApiError::not_found()),
    };
    // The message will stand behind this event, so that it is found without reading the whole log.
    let after = app.store.heads.get(key).await?.map_or(Seq::ZERO, |head| head.last_seq);
    let reserved = app.files.reserve(key.workspace, key.conversation, uploader, client_id, after, ids).await;
    reserved.map_err(|error| match error {
        ReserveError::NotUsable(id) => {
            let place = ids.iter().position(|other| *other == id).unwrap_or(0);
            ApiError::invalid_field(format!("file_ids[{place}]"), NOT_USABLE)
        }
        ReserveError::Store(error) => error.into(),
    })
}

/// Text of a message, within this installation's limit.
///
/// # Errors
/// `VALIDATION_FAILED` of `field`.
pub fn parse_text(app: &App, field: &str, text: &str) -> Result<MessageText, ApiError> {
    valid(field, MessageText::parse(text, app.config.limits.text_bytes_max))
}
