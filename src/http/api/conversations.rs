//! Conversations, as their visitor and the agents who see them have them.

use std::collections::BTreeMap;
use std::sync::Arc;

use domain::{
    Answer, ClientId, Command, Principal, Rating, Reason, Request, Start, State, Subject, Tag, TeamId,
    VisitorId,
};
use futures_util::future::join_all;
use http::{Method, StatusCode};
use identity::Caller;
use serde::{Deserialize, Serialize};
use store::{ConversationKey, HeadFilter, HeadPosition, HeadView};
use utoipa::ToSchema;

use super::attributes::{AttributeJson, attributes};
use super::heads::{PagePosition, VERB_ANSWERS, principal_of, verb_key, verb_reply};
use crate::app::App;
use crate::conversations;
use crate::conversations::people;
use crate::conversations::{seen_head, show_to};
use crate::errors::{ApiError, ErrorCode};
use crate::http::engine::call::Call;
use crate::http::engine::query::Query;
use crate::http::engine::reply::Reply;
use crate::http::table::{AnswerDoc, BodyKind, Doc, QueryDoc, Rate, Route, Row, SchemaOf, Target, Who};
use crate::json::{ConversationJson, EventJson};
use crate::schema;
use crate::strict_json::{text_unless_empty, valid};
use crate::words;

/// The rows of this resource.
pub const ROUTES: &[Route] = &[
    Route {
        row: Row {
            method: Method::POST,
            path: "/api/v1/chat/conversations",
            target: Target::Open,
            who: Who::VISITOR,
            rates: &[Rate::Conversations],
            body: BodyKind::Json,
            doc: Doc {
                summary: "Start a conversation, with its first message if there is one",
                tag: "conversations",
                request: Some(SchemaOf::of::<StartJson>()),
                answers: &[
                    AnswerDoc {
                        status: 201,
                        description: "It is started, and durable.",
                        body: Some(SchemaOf::of::<StartedJson<'static>>()),
                    },
                    AnswerDoc {
                        status: 200,
                        description: "It was, by the same request.",
                        body: Some(SchemaOf::of::<StartedJson<'static>>()),
                    },
                ],
                errors: &[ErrorCode::Conflict, ErrorCode::IdempotencyConflict],
                ..Doc::NONE
            },
        },
        handler: |call| Box::pin(start(call)),
    },
    Route {
        row: Row {
            method: Method::GET,
            path: "/api/v1/chat/conversations",
            target: Target::Open,
            who: Who::VISITOR,
            rates: &[Rate::Reads],
            body: BodyKind::None,
            doc: Doc {
                summary: "List one's own conversations, newest first",
                tag: "conversations",
                query: &[LIMIT_DOC, CURSOR_DOC],
                answers: &[AnswerDoc {
                    status: 200,
                    description: "A page.",
                    body: Some(SchemaOf::of::<ConversationPage<'static>>()),
                }],
                errors: &[ErrorCode::InvalidCursor],
                ..Doc::NONE
            },
        },
        handler: |call| Box::pin(list_own(call)),
    },
    Route {
        row: Row {
            method: Method::GET,
            path: "/api/v1/chat/conversations/{id}",
            target: Target::Conversation,
            who: Who::VISITOR_OR_AGENT,
            rates: &[Rate::Reads],
            body: BodyKind::None,
            doc: Doc {
                summary: "Read a conversation and its last 50 events",
                tag: "conversations",
                answers: &[AnswerDoc {
                    status: 200,
                    description: "The conversation, and its last events, oldest first.",
                    body: Some(SchemaOf::of::<WithEventsJson<'static>>()),
                }],
                ..Doc::NONE
            },
        },
        handler: |call| Box::pin(get(call)),
    },
    Route {
        row: Row {
            method: Method::POST,
            path: "/api/v1/chat/conversations/{id}/end",
            target: Target::Conversation,
            who: Who::VISITOR_OR_AGENT,
            rates: &[Rate::Changes],
            body: BodyKind::OptionalJson,
            doc: Doc {
                summary: "End a conversation",
                tag: "conversations",
                request: Some(SchemaOf::of::<EndJson>()),
                answers: VERB_ANSWERS,
                errors: &[ErrorCode::StaleAssignment, ErrorCode::IdempotencyConflict],
                ..Doc::NONE
            },
        },
        handler: |call| Box::pin(end(call)),
    },
    Route {
        row: Row {
            method: Method::POST,
            path: "/api/v1/chat/conversations/{id}/rating",
            target: Target::Conversation,
            who: Who::VISITOR,
            rates: &[Rate::Send],
            body: BodyKind::Json,
            doc: Doc {
                summary: "Rate a conversation, until 24 hours after its end",
                tag: "conversations",
                request: Some(SchemaOf::of::<RateJson>()),
                answers: VERB_ANSWERS,
                errors: &[ErrorCode::Conflict, ErrorCode::IdempotencyConflict],
                ..Doc::NONE
            },
        },
        handler: |call| Box::pin(rate(call)),
    },
];

/// As every list documents it.
pub(super) const LIMIT_DOC: QueryDoc = QueryDoc::of::<schema::PageLimit>("limit", "1 to 200; 50 by default.");
/// As every list documents it.
pub(super) const CURSOR_DOC: QueryDoc =
    QueryDoc::of::<schema::Cursor>("cursor", "The `next_cursor` of the page before.");

/// How many events a conversation is read with.
const LAST_EVENTS: usize = 50;

/// What a conversation is started with.
#[derive(Deserialize, ToSchema)]
#[schema(example = json!({"client_id": "start-1", "text": "Where is my parcel?", "subject": "Parcel 1204", "attributes": {"order": 1204}}))]
#[serde(deny_unknown_fields)]
pub struct StartJson {
    /// The client's own name for it: the same one starts the same conversation.
    #[schema(value_type = schema::ClientId)]
    client_id: String,
    /// Its first message.
    #[serde(default, deserialize_with = "text_unless_empty")]
    #[schema(value_type = Option<schema::OptionalText>)]
    text: Option<String>,
    /// Whose queue; the site's by default.
    #[serde(default, deserialize_with = "text_unless_empty")]
    #[schema(value_type = Option<schema::OptionalTeamId>)]
    team_id: Option<String>,
    /// What it is about.
    #[serde(default, deserialize_with = "text_unless_empty")]
    #[schema(value_type = Option<schema::Subject>)]
    subject: Option<String>,
    /// What the page tells: at most 32 keys, 4 KiB in all; each a text, a number or true or false. Null is left out.
    #[serde(default)]
    #[schema(value_type = Option<schema::Attributes>)]
    attributes: Option<BTreeMap<String, AttributeJson>>,
}

/// A conversation that was started.
#[derive(Serialize, ToSchema)]
pub struct StartedJson<'a> {
    conversation: ConversationJson<'a>,
    /// Its first message, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<super::messages::PostedJson>,
}

async fn start(mut call: Call) -> Result<Reply, ApiError> {
    let app = Arc::clone(&call.app);
    Query::parse(&call.query)?.finish()?;
    let Caller::Visitor { workspace, site, visitor, .. } = call.caller.clone() else {
        return Err(ApiError::not_found());
    };
    conversations::check_proven(&call.caller)?;
    let request: StartJson = call.json().await?;
    let client_id = valid("client_id", ClientId::parse(&request.client_id))?;
    let first =
        request.text.as_deref().map(|text| conversations::parse_text(&app, "text", text)).transpose()?;
    let subject =
        request.subject.as_deref().map(|text| valid("subject", Subject::parse(text))).transpose()?;
    let attributes = attributes(request.attributes)?.set;
    let asked_team = request.team_id.map(|text| parse_team(&text)).transpose()?;

    let conversation = app.keys.conversation_id(workspace, visitor.id, &client_id);
    let key = ConversationKey { workspace, conversation };
    let site_team = match app.identity.find_site(workspace, site).await? {
        Some(site) => site.team,
        None => return Err(ApiError::not_found()),
    };
    // Held until it is started, so that no other start of this visitor counts without it.
    let _turn = app.starts.take(visitor.id).await;
    if app.store.heads.get(key).await?.is_none() {
        may_start(&app, key, visitor.id, visitor.blocked).await?;
        let wanted = asked_team.unwrap_or(site_team);
        match app.identity.teams(workspace).await?.iter().find(|team| team.id == wanted) {
            Some(team) if conversations::queue_is_full(&app, workspace, team).await? => {
                return Err(ApiError::new(ErrorCode::Conflict, "too many wait for this team already"));
            }
            Some(_) => {}
            None => return Err(ApiError::invalid_field("team_id", "must be a team of this workspace")),
        }
    }
    let start =
        Start { site, team: asked_team.unwrap_or(site_team), visitor: visitor.card(), subject, attributes };
    let first = first.map(|text| (app.fresh_id(), text));
    let by = Principal::Visitor { id: visitor.id, site, name: visitor.name.clone() };
    let command = Command::Start { start, first };
    let outcome = app.cluster.create(key, Request { by, client_id: Some(client_id), command }).await?;
    let head = outcome.head.ok_or_else(|| ApiError::internal("a start was answered without its head"))?;
    let message = match outcome.answer {
        Answer::Posted { message_id, seq, at, .. } => {
            Some(super::messages::PostedJson::of(message_id, seq, at))
        }
        Answer::Done { .. } => None,
    };
    // Its router hears of it about now.
    let place = match head.state {
        State::Queued => app.cluster.position_when_known(key, &head).await,
        State::Assigned | State::Bot | State::Ended => None,
    };
    let (head, audience) = (people::named(&app.identity, workspace, &head).await, domain::Audience::Visitor);
    let conversation = ConversationJson::of(conversation, &head, audience).placed(place, audience);
    let started = StartedJson { conversation, message };
    let status = if outcome.answer.is_repeated() { StatusCode::OK } else { StatusCode::CREATED };
    Ok(Reply::json(status, &started))
}

fn parse_team(text: &str) -> Result<TeamId, ApiError> {
    text.parse().map_err(|_| ApiError::invalid_field("team_id", "must be a team of this workspace"))
}

/// Exact for the starts of one node, which come one after the other.
async fn may_start(
    app: &App,
    key: ConversationKey,
    visitor: VisitorId,
    blocked: bool,
) -> Result<(), ApiError> {
    if blocked {
        return Err(ApiError::forbidden("this visitor is blocked"));
    }
    let max = app.config.limits.open_conversations_per_visitor;
    if max == 0 {
        return Ok(());
    }
    let (view, filter) = (HeadView::OfVisitor(visitor), HeadFilter::default());
    let (mut open, mut after) = (0, None);
    loop {
        let page = app.store.heads.list(key.workspace, &view, &filter, after, LAST_EVENTS).await?;
        open += page.iter().filter(|row| row.head.state != State::Ended).count();
        if open >= max {
            return Err(ApiError::new(
                ErrorCode::Conflict,
                "too many conversations of this visitor are open",
            ));
        }
        after = page.last().map(|row| row.position);
        if page.len() < LAST_EVENTS {
            return Ok(());
        }
    }
}

/// A page of conversations.
#[derive(Serialize, ToSchema)]
pub struct ConversationPage<'a> {
    data: Vec<ConversationJson<'a>>,
    /// To go on; null at the end.
    #[schema(value_type = Option<schema::Cursor>)]
    next_cursor: Option<String>,
}

/// One page of a list of heads, with the cursor that goes on from it.
pub(super) async fn page(
    call: &Call,
    view: &HeadView,
    filter: &HeadFilter,
    bound_to: &[&str],
    limit: usize,
    cursor: Option<&str>,
) -> Result<Reply, ApiError> {
    let app = &call.app;
    let who = principal_of(call)?;
    let workspace = call.caller.workspace().ok_or_else(ApiError::not_found)?;
    let after: Option<HeadPosition> = match cursor {
        Some(cursor) => Some(app.cursors.open::<PagePosition>(bound_to, cursor)?.into()),
        None => None,
    };
    let _turn = app.reads.turn(&app.rates, &call.caller, call.peer).await?;
    let mut rows = app.store.heads.list(workspace, view, filter, after, limit + 1).await?;
    let more = rows.len() > limit;
    rows.truncate(limit);
    let next_cursor =
        rows.last().filter(|_| more).map(|row| app.cursors.seal(bound_to, &PagePosition::from(row.position)));
    people::name_all(&app.identity, workspace, &mut rows).await;
    let audience = who.audience();
    // All at once: a router that is silent holds up a page for as long as a single conversation.
    let places = join_all(rows.iter().map(|row| {
        let key = ConversationKey { workspace, conversation: row.conversation };
        conversations::place(app, key, &row.head)
    }));
    let shown = rows.iter().zip(places.await).map(|(row, place)| {
        ConversationJson::of(row.conversation, &row.head, audience).placed(place, audience)
    });
    let data = shown.collect();
    Ok(Reply::ok(&ConversationPage { data, next_cursor }))
}

async fn list_own(call: Call) -> Result<Reply, ApiError> {
    let Caller::Visitor { visitor, .. } = &call.caller else { return Err(ApiError::not_found()) };
    let mut query = Query::parse(&call.query)?;
    let limit = query.limit(call.app.config.limits.page_max as u64)?;
    let cursor = query.text("cursor");
    query.finish()?;
    let view = HeadView::OfVisitor(visitor.id);
    let id = visitor.id.to_string();
    page(&call, &view, &HeadFilter::default(), &["own", &id], limit, cursor.as_deref()).await
}

/// A conversation with its last events.
#[derive(Serialize, ToSchema)]
pub struct WithEventsJson<'a> {
    conversation: ConversationJson<'a>,
    /// Oldest first.
    #[schema(max_items = 50)]
    events: Vec<EventJson<'a>>,
}

async fn get(call: Call) -> Result<Reply, ApiError> {
    let (app, who, key) = (&call.app, principal_of(&call)?, call.conversation()?);
    let head = seen_head(app, key, &who).await?;
    Query::parse(&call.query)?.finish()?;
    let events = app.store.log.read_before(key, head.last_seq.next(), LAST_EVENTS).await?;
    let show = show_to(app, key.workspace, &who);
    let (place, audience) = (conversations::place(app, key, &head).await, who.audience());
    let head = people::named(&app.identity, key.workspace, &head).await;
    Ok(Reply::ok(&WithEventsJson {
        conversation: ConversationJson::of(key.conversation, &head, audience).placed(place, audience),
        events: EventJson::page(&events, show),
    }))
}

/// How a conversation is ended.
#[derive(Default, Deserialize, ToSchema)]
#[schema(example = json!({"reason": "solved"}))]
#[serde(deny_unknown_fields)]
pub struct EndJson {
    /// The client's own name for this request.
    #[serde(default)]
    #[schema(value_type = Option<schema::ClientId>)]
    client_id: Option<String>,
    /// At most 500 characters.
    #[serde(default, deserialize_with = "text_unless_empty")]
    #[schema(value_type = Option<schema::Reason>)]
    reason: Option<String>,
}

async fn end(mut call: Call) -> Result<Reply, ApiError> {
    let key = verb_key(&call)?;
    let EndJson { client_id, reason } = call.json().await?;
    let reason = reason.as_deref().map(|text| valid("reason", Reason::parse(text))).transpose()?;
    verb_reply(&call, key, client_id.as_deref(), Command::End { reason }).await
}

/// What a visitor thinks of it.
#[derive(Deserialize, ToSchema)]
#[schema(example = json!({"score": 5, "comment": "Quick and kind."}))]
#[serde(deny_unknown_fields)]
pub struct RateJson {
    /// The client's own name for this request.
    #[serde(default)]
    #[schema(value_type = Option<schema::ClientId>)]
    client_id: Option<String>,
    /// 1 to 5.
    #[schema(value_type = schema::Score)]
    score: u8,
    /// At most 2000 characters.
    #[serde(default, deserialize_with = "text_unless_empty")]
    #[schema(value_type = Option<schema::Comment>)]
    comment: Option<String>,
}

async fn rate(mut call: Call) -> Result<Reply, ApiError> {
    let key = verb_key(&call)?;
    let RateJson { client_id, score, comment } = call.json().await?;
    if !(1..=5).contains(&score) {
        return Err(ApiError::invalid_field("score", "must be 1 to 5"));
    }
    let comment =
        comment.as_deref().map(|text| valid("comment", domain::Paragraph::parse(text))).transpose()?;
    verb_reply(&call, key, client_id.as_deref(), Command::Rate(Rating { score, comment })).await
}

/// A tag, in the one spelling that is kept.
pub(super) fn parse_tag(field: &str, text: &str) -> Result<Tag, ApiError> {
    valid(field, Tag::parse(&words::tag(text)))
}
