//! An agent, as others see them.

use domain::{AgentId, ConversationId, Status, Timestamp};

/// An agent as their own actor sees them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentView {
    /// What the agent wants to be taken for.
    pub status: Status,
    /// A socket of the agent's is open, or they asked for something within the grace time.
    pub present: bool,
    /// How many conversations the agent may hold.
    pub capacity: u32,
    /// How many the agent holds, is about to hold, or is offered.
    pub load: usize,
    /// What the agent holds, by id.
    pub conversations: Vec<ConversationId>,
    /// What the agent is offered, each with the time until which they may accept it.
    pub offers: Vec<(ConversationId, Timestamp)>,
}

/// How an agent is, as the routers of their teams are told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentReport {
    /// The agent.
    pub agent: AgentId,
    /// Rises with each report of the agent, also from one of their actors to the next: an older report is ignored.
    pub version: u64,
    /// What the agent wants to be taken for; `offline` for a disabled one.
    pub status: Status,
    /// The agent is there.
    pub present: bool,
    /// How many conversations the agent holds or is about to hold.
    pub carried: u32,
    /// How many other teams offer the agent.
    pub offered_elsewhere: u32,
    /// How many the agent may hold.
    pub capacity: u32,
}

impl AgentReport {
    /// The agent wants conversations, and is there.
    pub(crate) fn gets_offers(&self) -> bool {
        self.status == Status::Online && self.present
    }

    /// Online or away, and there: the queue is the agent's business.
    pub(crate) fn attends(&self) -> bool {
        self.status != Status::Offline && self.present
    }
}

/// What is known of an agent without asking their actor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AgentBrief {
    /// What the agent wants to be taken for; `offline` for a disabled one.
    pub status: Status,
    /// The agent is there.
    pub present: bool,
    /// How many the agent holds, is about to hold, or is offered.
    pub load: u32,
    /// How many the agent may hold.
    pub capacity: u32,
}
