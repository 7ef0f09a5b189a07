//! The names of actors. A conversation's is [`store::ConversationKey`].

use domain::{AgentId, TeamId, WorkspaceId};

/// Names an agent's actor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AgentKey {
    /// The agent's workspace, without which the agent is not found.
    pub workspace: WorkspaceId,
    /// The agent.
    pub agent: AgentId,
}

/// Names a team's router.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TeamKey {
    /// The team's workspace, without which the team is not found.
    pub workspace: WorkspaceId,
    /// The team.
    pub team: TeamId,
}
