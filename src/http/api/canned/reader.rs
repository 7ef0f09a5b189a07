//! Who sees and who writes which canned responses.

use domain::{AgentId, CannedScope, Role, TeamId};
use identity::Caller;

use crate::errors::ApiError;
use crate::http::engine::call::Call;

/// The caller, as far as canned responses go.
#[derive(Clone, Debug)]
pub(super) struct Reader {
    pub(super) agent: AgentId,
    pub(super) teams: Vec<TeamId>,
    pub(super) supervises: bool,
}

impl Reader {
    pub(super) fn of(call: &Call) -> Result<Self, ApiError> {
        let Caller::Agent { agent, teams, .. } = &call.caller else { return Err(ApiError::not_found()) };
        Ok(Self { agent: agent.id, teams: teams.to_vec(), supervises: agent.role >= Role::Supervisor })
    }

    /// What the reader does not see does not exist for them.
    pub(super) fn sees(&self, scope: CannedScope) -> bool {
        match scope {
            CannedScope::Workspace => true,
            CannedScope::Team(team) => self.supervises || self.teams.contains(&team),
            CannedScope::Own(owner) => owner == self.agent,
        }
    }

    /// May make, change and remove it.
    pub(super) fn may_write(&self, scope: CannedScope) -> Result<(), ApiError> {
        let may = match scope {
            CannedScope::Workspace | CannedScope::Team(_) => self.supervises,
            CannedScope::Own(owner) => owner == self.agent,
        };
        if may { Ok(()) } else { Err(ApiError::forbidden("only supervisors write what others use")) }
    }
}
