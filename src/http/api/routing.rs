//! Why a conversation went to the agent that it went to, and what becomes of it while it waits.

use domain::{Event, EventKind, Seq, State};
use http::Method;
use serde::Serialize;
use store::{ConversationKey, PAGE_MAX};
use utoipa::ToSchema;

use super::heads::principal_of;
use crate::app::App;
use crate::conversations::seen_head;
use crate::errors::ApiError;
use crate::http::engine::call::Call;
use crate::http::engine::query::Query;
use crate::http::engine::reply::Reply;
use crate::http::table::{AnswerDoc, BodyKind, Doc, Rate, Route, Row, SchemaOf, Target, Who};
use crate::json::{RoutedEntryJson, assign_reason};

/// The rows of this resource.
pub const ROUTES: &[Route] = &[Route {
    row: Row {
        method: Method::GET,
        path: "/api/v1/chat/agent/conversations/{id}/routing",
        target: Target::Conversation,
        who: Who::AGENT,
        rates: &[Rate::Reads],
        body: BodyKind::None,
        doc: Doc {
            summary: "Explain who got a conversation, and why it waits",
            tag: "agents",
            answers: &[AnswerDoc {
                status: 200,
                description: "Each assignment, oldest first; while it waits also how it stands now.",
                body: Some(SchemaOf::of::<RoutingJson>()),
            }],
            ..Doc::NONE
        },
    },
    handler: |call| Box::pin(get(call)),
}];

/// What the router decided, and what it would.
#[derive(Serialize, ToSchema)]
pub struct RoutingJson {
    /// Oldest first; a log is no longer.
    #[schema(max_items = 10000)]
    data: Vec<RoutedEntryJson>,
}

async fn get(call: Call) -> Result<Reply, ApiError> {
    let (app, who, key) = (&call.app, principal_of(&call)?, call.conversation()?);
    let head = seen_head(app, key, &who).await?;
    Query::parse(&call.query)?.finish()?;
    let mut data = assignments(app, key).await?;
    if head.state == State::Queued
        && let Some((place, why)) = app.cluster.explain(key, head.team).await
    {
        let (now, offered_to) = (app.clock.now(), place.offered_to.map(|agent| agent.to_string()));
        let reason = if offered_to.is_some() { "offered" } else { "waiting" };
        data.push(RoutedEntryJson::of(now, head.assignment_epoch, offered_to, reason, Some(&why)));
    }
    Ok(Reply::ok(&RoutingJson { data }))
}

/// As the log has them.
async fn assignments(app: &App, key: ConversationKey) -> Result<Vec<RoutedEntryJson>, ApiError> {
    let (mut found, mut after) = (Vec::new(), Seq::ZERO);
    loop {
        let page = app.store.log.read(key, after, PAGE_MAX).await?;
        found.extend(page.iter().filter_map(assignment));
        match page.last() {
            Some(last) if page.len() == PAGE_MAX => after = last.seq,
            Some(_) | None => return Ok(found),
        }
    }
}

fn assignment(event: &Event) -> Option<RoutedEntryJson> {
    let EventKind::Assigned { agent, assignment_epoch, reason, why } = &event.kind else { return None };
    let agent_id = Some(agent.id.to_string());
    Some(RoutedEntryJson::of(event.at, *assignment_epoch, agent_id, assign_reason(*reason), why.as_deref()))
}
