//! Conversations whose owner gave up without knowing what became of its last append. The next owner reads the log and
//! notifies those concerned by the rest; the node starts it as soon as the store answers, since perhaps nobody ever asks.

use dashmap::DashMap;
use domain::{AgentId, Head, Seq, State, TeamId, VisitorId};
use store::ConversationKey;

/// Where a conversation stands, as far as it concerns agents and routers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) team: TeamId,
    /// The agent who has it.
    pub(crate) holder: Option<AgentId>,
    /// The agent who has it, or after its end had it last.
    pub(crate) assignee: Option<AgentId>,
    pub(crate) queued: bool,
    epoch: u64,
    pub(crate) visitor: VisitorId,
}

impl Standing {
    pub(crate) fn of(head: &Head) -> Self {
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

/// What others were last told of a conversation, and up to which event.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LastTold {
    pub(crate) last_seq: Seq,
    pub(crate) standing: Standing,
    /// The agent who had it, and since which assignment.
    pub(crate) holder: Option<(AgentId, u64)>,
}

/// One for each conversation at most.
#[derive(Default)]
pub(crate) struct Unsettled(DashMap<ConversationKey, LastTold>);

impl Unsettled {
    pub(crate) fn put(&self, key: ConversationKey, told: LastTold) {
        self.0.insert(key, told);
    }

    pub(crate) fn get(&self, key: &ConversationKey) -> Option<LastTold> {
        self.0.get(key).map(|told| *told)
    }

    pub(crate) fn forget(&self, key: &ConversationKey) {
        self.0.remove(key);
    }

    pub(crate) fn keys(&self) -> Vec<ConversationKey> {
        self.0.iter().map(|entry| *entry.key()).collect()
    }
}
