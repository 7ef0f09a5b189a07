//! Who had the visitor's last conversation.

use std::sync::Arc;

use domain::{AgentId, ConversationId, VisitorId};
use store::{HeadFilter, HeadView, StoreError};

use super::queue::Step;
use super::{Desk, TeamKey, TeamMessage};
use crate::node::Shared;

/// So many of his last conversations are looked at.
const LAST: usize = 10;

impl Desk {
    /// Looks it up; the conversation is routed when it is known.
    pub(super) fn recall(&self, conversation: ConversationId, visitor: VisitorId) {
        let (node, key, myself) = (Arc::clone(&self.node), self.key, self.myself.clone());
        tokio::spawn(async move {
            let agent = last_agent(&node, key, conversation, visitor).await.unwrap_or_else(|error| {
                tracing::debug!(%conversation, %error, "the visitor's last agent was not looked up");
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
    node: &Shared,
    key: TeamKey,
    conversation: ConversationId,
    visitor: VisitorId,
) -> Result<Option<AgentId>, StoreError> {
    let (view, filter) = (HeadView::OfVisitor(visitor), HeadFilter::default());
    let rows = node.store.heads.list(key.workspace, &view, &filter, None, LAST).await?;
    let others = rows.into_iter().filter(|row| row.conversation != conversation);
    Ok(others.filter_map(|row| row.head.assignee).map(|agent| agent.id).next())
}
