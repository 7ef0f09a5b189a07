//! What people are called now, in a conversation that keeps what they were called when they came to it.
//!
//! A log and its head keep the names of the moment when they were written. What shows a conversation (an answer, a
//! list, a frame) shows its people as their records have them, at most a second old; events keep their names.

use cluster::Cluster;
use domain::{AgentId, Author, Head, VisitorId, WorkspaceId};
use futures_util::future::{join, join_all};
use identity::Identity;
use store::{ConversationKey, HeadFilter, HeadView, Heads, ListedHead, StoreError};

/// Conversations that are read at once.
const PAGE: usize = 200;

/// The head with its people as they are called now. Of a person who cannot be read, or is gone, the name of then stays.
pub(crate) async fn named(identity: &Identity, workspace: WorkspaceId, head: &Head) -> Head {
    let mut head = head.clone();
    name(identity, workspace, &mut head).await;
    head
}

/// The same for a page of a list, all at once.
pub(crate) async fn name_all(identity: &Identity, workspace: WorkspaceId, rows: &mut [ListedHead]) {
    join_all(rows.iter_mut().map(|row| name(identity, workspace, &mut row.head))).await;
}

async fn name(identity: &Identity, workspace: WorkspaceId, head: &mut Head) {
    let agent = async |id: AgentId| identity.agent(workspace, id).await.ok().flatten();
    let assignee = async {
        match &head.assignee {
            Some(card) => agent(card.id).await,
            None => None,
        }
    };
    let (visitor, assignee) = join(identity.visitor(workspace, head.visitor.id), assignee).await;
    if let Ok(Some(visitor)) = visitor {
        head.visitor = visitor.card();
    }
    if let Some(assignee) = assignee {
        head.assignee = Some(assignee.card());
    }
    match &mut head.ended_by {
        Some(Author::Visitor { id, name }) if *id == head.visitor.id => name.clone_from(&head.visitor.name),
        Some(Author::Agent(card)) => {
            if let Some(agent) = agent(card.id).await {
                *card = agent.card();
            }
        }
        Some(Author::Visitor { .. } | Author::Bot { .. } | Author::System) | None => {}
    }
}

/// To be called after a visitor was called otherwise: an agent who looks on at their conversations is shown them again.
///
/// # Errors
///
/// The store could not say which those are; the change itself stands.
pub(crate) async fn visitor_renamed(
    heads: &dyn Heads,
    cluster: &Cluster,
    workspace: WorkspaceId,
    visitor: VisitorId,
) -> Result<(), StoreError> {
    // Older ones than those of a page nobody has before them.
    show_again(heads, cluster, workspace, &HeadView::OfVisitor(visitor), 1).await
}

/// The same after an agent was called otherwise.
///
/// # Errors
///
/// The store could not say which those are; the change itself stands.
pub(crate) async fn agent_renamed(
    heads: &dyn Heads,
    cluster: &Cluster,
    workspace: WorkspaceId,
    agent: AgentId,
) -> Result<(), StoreError> {
    show_again(heads, cluster, workspace, &HeadView::HeldBy(agent), usize::MAX).await
}

async fn show_again(
    heads: &dyn Heads,
    cluster: &Cluster,
    workspace: WorkspaceId,
    view: &HeadView,
    pages_max: usize,
) -> Result<(), StoreError> {
    let mut after = None;
    for _ in 0..pages_max {
        let page = heads.list(workspace, view, &HeadFilter::default(), after, PAGE).await?;
        for row in &page {
            let key = ConversationKey { workspace, conversation: row.conversation };
            cluster.touched(key, &row.head).await;
        }
        after = page.last().map(|row| row.position);
        if page.len() < PAGE {
            break;
        }
    }
    Ok(())
}
