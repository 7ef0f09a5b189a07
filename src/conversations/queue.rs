//! How many wait for a team, and where a conversation stands among them.

use cluster::QueuePosition;
use domain::{Head, State, Team, TeamId, WorkspaceId};
use store::{ConversationKey, HeadFilter, HeadView, StoreError};

use crate::app::App;

/// Whether as many wait for the team as may.
///
/// # Errors
/// The queue could not be read.
pub async fn queue_is_full(app: &App, workspace: WorkspaceId, team: &Team) -> Result<bool, StoreError> {
    let Some(max) = team.queue_max else { return Ok(false) };
    app.store.heads.queue_reaches(workspace, team.id, max as usize).await
}

/// How many wait for the team.
///
/// # Errors
/// The router is silent, and the queue could not be read.
pub async fn waiting(app: &App, workspace: WorkspaceId, team: TeamId) -> Result<usize, StoreError> {
    const PAGE: usize = 200;
    if let Some(waiting) = app.cluster.waiting_for(workspace, team).await {
        return Ok(waiting);
    }
    let (view, filter) = (HeadView::Queue(Some(vec![team])), HeadFilter::default());
    let (mut waiting, mut after) = (0, None);
    loop {
        let page = app.store.heads.list(workspace, &view, &filter, after, PAGE).await?;
        waiting += page.len();
        after = page.last().map(|row| row.position);
        if page.len() < PAGE {
            return Ok(waiting);
        }
    }
}

/// Where the conversation stands in its queue, if it waits.
pub async fn place(app: &App, key: ConversationKey, head: &Head) -> Option<QueuePosition> {
    if head.state == State::Queued { app.cluster.position(key, head.team).await } else { None }
}
