//! The agent of the visitor's last conversation, who is asked first.

use std::sync::Arc;

use domain::{AgentId, ConversationId, VisitorId};
use store::{HeadFilter, HeadView, StoreError};

use super::queue::Step;
use super::router::Router;
use crate::mail::TeamMessage;
use crate::runtime::Context;
use crate::words::TeamKey;

/// So many of the visitor's last conversations are read.
const LAST: usize = 10;

impl Router {
    /// Reads it; the conversation is routed when it is known.
    pub(super) fn recall(&self, conversation: ConversationId, visitor: VisitorId) {
        let (node, key, myself) = (Arc::clone(&self.node), self.key, self.myself.clone());
        tokio::spawn(async move {
            let agent = last_agent(&node, key, conversation, visitor).await.unwrap_or_else(|error| {
                tracing::debug!(%conversation, %error, "the visitor's last agent was not read");
                None
            });
            // A router that ended has forgotten it.
            let _ = myself.cast(TeamMessage::Recalled { conversation, agent });
        });
    }

    pub(super) fn recalled(&mut self, conversation: ConversationId, agent: Option<AgentId>) {
        let Some(waiting) = self.queue.get_mut(conversation) else { return };
        if matches!(waiting.step, Step::Looking) {
            waiting.step = Step::Free;
            waiting.preferred = agent;
            self.route_soon();
        }
    }
}

async fn last_agent(
    node: &Context,
    key: TeamKey,
    conversation: ConversationId,
    visitor: VisitorId,
) -> Result<Option<AgentId>, StoreError> {
    let (view, filter) = (HeadView::OfVisitor(visitor), HeadFilter::default());
    let rows = node.store.heads.list(key.workspace, &view, &filter, None, LAST).await?;
    let others = rows.into_iter().filter(|row| row.conversation != conversation);
    Ok(others.filter_map(|row| row.head.assignee).map(|agent| agent.id).next())
}
