//! Where a conversation stands, as far as it concerns agents and routers.

use domain::{AgentId, Head, State, TeamId, VisitorId};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) team: TeamId,
    /// The agent who has it.
    pub(super) holder: Option<AgentId>,
    /// The agent who has it, or after its end had it last.
    pub(super) assignee: Option<AgentId>,
    pub(super) queued: bool,
    epoch: u64,
    pub(super) visitor: VisitorId,
}

impl Standing {
    pub(super) fn of(head: &Head) -> Self {
        let holder = head.assignee.as_ref().filter(|_| head.state == State::Assigned);
        Self {
            team: head.team,
            holder: holder.map(|agent| agent.id),
            assignee: head.assignee.as_ref().map(|agent| agent.id),
            queued: head.state == State::Queued,
            epoch: head.assignment_epoch,
            visitor: head.visitor.id,
        }
    }
}
