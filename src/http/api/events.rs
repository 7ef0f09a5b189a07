//! The events of a conversation, page by page, or the next one as soon as there is one.

use std::sync::Arc;
use std::time::Duration;

use cluster::{Push, window};
use domain::{Event, Principal, Seq};
use http::Method;
use serde::Serialize;
use store::ConversationKey;
use tokio::time::Instant;
use utoipa::ToSchema;

use super::conversations::LIMIT_DOC;
use super::heads::principal_of;
use crate::app::App;
use crate::conversations::{seen_head, show_to};
use crate::errors::ApiError;
use crate::http::engine::call::Call;
use crate::http::engine::query::Query;
use crate::http::engine::reply::Reply;
use crate::http::table::{AnswerDoc, BodyKind, Doc, QueryDoc, Rate, Route, Row, SchemaOf, Target, Who};
use crate::json::{EventJson, Show};
use crate::schema::{self, words};

/// The row of this resource.
pub const ROUTES: &[Route] = &[Route {
    row: Row {
        method: Method::GET,
        path: "/api/v1/chat/conversations/{id}/events",
        target: Target::Conversation,
        who: Who::VISITOR_OR_AGENT,
        rates: &[Rate::Reads],
        body: BodyKind::None,
        doc: Doc {
            summary: "Page the events of a conversation, or wait for the next",
            tag: "conversations",
            query: &[
                QueryDoc::of::<schema::Seq>("after", "Events after this seq, oldest first; 0 by default."),
                QueryDoc::of::<Before>("before", "The page that ends before this seq, oldest first."),
                LIMIT_DOC,
                QueryDoc::of::<WaitS>("wait_s", "When there is none after `after`, wait so long for one."),
            ],
            answers: &[AnswerDoc {
                status: 200,
                description: "A page.",
                body: Some(SchemaOf::of::<EventPage<'static>>()),
            }],
            ..Doc::NONE
        },
    },
    handler: |call| Box::pin(events(call)),
}];

const WAIT_S_MAX: u64 = 25;

words! {
    /// A place in a log, after the first.
    Before: schema::whole(1, u64::MAX);
    /// How many seconds to wait for an event.
    WaitS: schema::whole(0, WAIT_S_MAX);
}

/// A page of events.
#[derive(Serialize, ToSchema)]
pub struct EventPage<'a> {
    /// Oldest first.
    data: Vec<EventJson<'a>>,
    /// The last event of the conversation.
    #[schema(value_type = schema::Count)]
    last_seq: u64,
    /// There are later ones; with `before`, earlier ones.
    has_more: bool,
}

async fn events(mut call: Call) -> Result<Reply, ApiError> {
    let (app, peer) = (Arc::clone(&call.app), call.peer);
    let (mut who, key) = (principal_of(&call)?, call.conversation()?);
    let mut head = seen_head(&app, key, &who).await?;
    let mut query = Query::parse(&call.query)?;
    let after = query.integer("after", 0..=u64::MAX)?;
    let before = query.integer("before", 1..=u64::MAX)?;
    let limit = query.limit(app.config.limits.page_max as u64)?;
    let wait_s = query.integer("wait_s", 0..=WAIT_S_MAX)?.unwrap_or(0);
    query.finish()?;
    if after.is_some() && before.is_some() {
        return Err(ApiError::invalid_field("before", "does not go with after"));
    }
    let mut turn = app.reads.turn(&app.rates, &call.caller, peer).await?;
    if let Some(before) = before {
        let data = app.store.log.read_before(key, Seq(before), limit).await?;
        let has_more = data.first().is_some_and(|event| event.seq > Seq(1));
        return Ok(event_page(&data, show_to(&app, key.workspace, &who), head.last_seq, has_more));
    }
    let after = Seq(after.unwrap_or(0));
    let mut data = app.store.log.read(key, after, limit).await?;
    if data.is_empty() && wait_s > 0 {
        drop(turn);
        wait_for_event(&app, key, &who, after, Duration::from_secs(wait_s)).await?;
        // What came is for those who may read it now: the caller may have been logged out, or lost sight, while they waited.
        call.recheck().await?;
        who = principal_of(&call)?;
        head = seen_head(&app, key, &who).await?;
        turn = app.reads.wait(&call.caller).await;
        data = app.store.log.read(key, after, limit).await?;
    }
    // What came since the head was read.
    let last_seq = data.last().map_or(head.last_seq, |event| event.seq.max(head.last_seq));
    let has_more = data.last().is_some_and(|event| event.seq < last_seq);
    let page = event_page(&data, show_to(&app, key.workspace, &who), last_seq, has_more);
    drop(turn);
    Ok(page)
}

fn event_page(data: &[Event], show: Show<'_>, last_seq: Seq, has_more: bool) -> Reply {
    Reply::ok(&EventPage { data: EventJson::page(data, show), last_seq: last_seq.0, has_more })
}

/// Waits until there is an event after `after`, or the time is over; a server that drains lets nobody wait.
async fn wait_for_event(
    app: &App,
    key: ConversationKey,
    who: &Principal,
    after: Seq,
    at_most: Duration,
) -> Result<(), ApiError> {
    let until = Instant::now() + at_most;
    // One push is enough to know that there is something: the events themselves are read from the store.
    let (sender, mut pushes) = window(16, usize::MAX);
    let subscription = app.cluster.subscribe(key, Arc::new(who.clone()), sender, after).await?;
    if subscription.last_seq > after {
        return Ok(());
    }
    let draining = app.readiness.lost();
    tokio::pin!(draining);
    loop {
        let push = tokio::select! {
            push = tokio::time::timeout_at(until, pushes.next()) => push,
            () = &mut draining => return Ok(()),
        };
        match push {
            Ok(Some(Push::Event { event, .. })) if event.seq > after => return Ok(()),
            // The owner changed, or sight was lost: the client asks again and hears which.
            Ok(Some(Push::OwnerLost { .. } | Push::SightLost { .. }) | None) | Err(_) => return Ok(()),
            Ok(Some(
                Push::Event { .. }
                | Push::Typing { .. }
                | Push::Read { .. }
                | Push::AgentLost
                | Push::Assigned { .. }
                | Push::Unassigned { .. }
                | Push::Status(_)
                | Push::Offer { .. }
                | Push::OfferEnded { .. }
                | Push::Queue(_)
                | Push::Presence { .. },
            )) => {}
        }
    }
}
