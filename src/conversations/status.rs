//! Whether an agent takes conversations.

use cluster::{AgentKey, AgentView};
use domain::Status;

use crate::app::App;
use crate::errors::ApiError;

/// Sets the status that the agent chose.
///
/// # Errors
/// The agent's actor did not answer; whether the status holds is unknown, and it may be set again.
pub async fn set_status(app: &App, key: AgentKey, status: Status) -> Result<AgentView, ApiError> {
    let view = app.cluster.set_status(key, status).await?;
    app.identity.agent_changed(key.workspace, key.agent);
    Ok(view)
}
