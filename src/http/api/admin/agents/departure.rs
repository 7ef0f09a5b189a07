//! Removing an agent: what forbids it, and what goes with the agent.

use domain::{Agent, AgentId, Canned, CannedScope, Role, WorkspaceId};
use http::HeaderMap;
use store::{Document, RecordError, Records, Versioned};

use super::super::super::versioned::remove;
use super::{changed, move_to};
use crate::app::App;
use crate::errors::{ApiError, ErrorCode};

/// Removes an agent who holds nothing, and what only that agent could see; with `If-Match` only the version that was seen.
pub(in super::super) async fn dismiss(
    app: &App,
    asked: &HeaderMap,
    mut agent: Versioned<Agent>,
) -> Result<(), ApiError> {
    let (workspace, id) = (agent.workspace, agent.document.id);
    // Teams name only agents who are there: so the agent leaves them first.
    move_to(app, workspace, id, &[]).await?;
    remove(app, asked, &agent).await?;
    agent.document.disabled = true;
    changed(app, &agent);
    forget_own_canned(app, workspace, id).await
}

/// An admin who can log in.
pub(crate) fn is_admin(agent: &Agent) -> bool {
    agent.role == Role::Admin && !agent.disabled
}

/// Refuses what would leave a workspace without an admin. A caller that serves holds [`App::admins`].
pub(crate) async fn keeps_an_admin(
    records: &dyn Records,
    workspace: WorkspaceId,
    without: AgentId,
) -> Result<(), ApiError> {
    let agents = store::all::<Agent>(records, workspace).await?;
    if agents.iter().any(|other| other.document.id != without && is_admin(&other.document)) {
        return Ok(());
    }
    Err(ApiError::new(ErrorCode::Conflict, "the workspace would be left without an admin"))
}

/// Removes what only the agent could see.
async fn forget_own_canned(app: &App, workspace: WorkspaceId, owner: AgentId) -> Result<(), ApiError> {
    const PAGE: usize = 200;
    let records = app.store.records.as_ref();
    let mut after: Option<String> = None;
    loop {
        let rows = store::list::<Canned>(records, workspace, after.as_deref(), PAGE).await?;
        for row in rows.iter().filter(|row| row.document.scope == CannedScope::Own(owner)) {
            match records.delete(workspace, Canned::KIND, &row.document.id.to_string(), None).await {
                // Gone meanwhile is gone.
                Ok(()) | Err(RecordError::Changed) => {}
                Err(error) => return Err(error.into()),
            }
        }
        if rows.len() < PAGE {
            return Ok(());
        }
        after = rows.last().map(|row| row.document.id());
    }
}
