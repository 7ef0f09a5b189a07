//! What a team's router is sent.

use domain::{Agent, AgentId, ConversationId, Team};
use store::StoreError;

use super::gauges::QueueGauges;
use super::mailbox::{Asked, Handle};
use crate::words::{AgentReport, Decline, Explain, Given, Joined, Position, PositionWhenKnown, Waiting};

pub(crate) type TeamHandle = Handle<TeamMessage, QueueGauges>;

pub(crate) enum TeamMessage {
    Decline(Asked<Decline>),
    Position(Asked<Position>),
    PositionWhenKnown(Asked<PositionWhenKnown>),
    Waiting(Asked<Waiting>),
    Explain(Asked<Explain>),
    Joined(Box<Joined>),
    /// It waits no longer; `taken`: this agent has it.
    Left {
        conversation: ConversationId,
        taken: Option<AgentId>,
    },
    /// The agent of the visitor's last conversation.
    Recalled {
        conversation: ConversationId,
        agent: Option<AgentId>,
    },
    Agent(Box<AgentReport>),
    /// An offer found its agent not there.
    Refused {
        conversation: ConversationId,
        agent: AgentId,
    },
    Given {
        conversation: ConversationId,
        agent: AgentId,
        given: Given,
    },
    Route,
    Tick,
    /// Records were changed.
    Reload,
    Loaded(Box<Result<Roster, StoreError>>),
    /// Compare the queue with the store.
    Reconcile,
    /// The queue was not read.
    Unread,
    /// The queue as the store has it; `began`: how often it had moved when it was asked for.
    Listed {
        began: u64,
        listed: Vec<Joined>,
    },
}

/// A team's records.
pub(crate) struct Roster {
    /// None: it is gone.
    pub(crate) team: Option<Team>,
    /// The agents that it lists.
    pub(crate) agents: Vec<Agent>,
}

impl From<Asked<Decline>> for TeamMessage {
    fn from(asked: Asked<Decline>) -> Self {
        Self::Decline(asked)
    }
}

impl From<Asked<Position>> for TeamMessage {
    fn from(asked: Asked<Position>) -> Self {
        Self::Position(asked)
    }
}

impl From<Asked<PositionWhenKnown>> for TeamMessage {
    fn from(asked: Asked<PositionWhenKnown>) -> Self {
        Self::PositionWhenKnown(asked)
    }
}

impl From<Asked<Waiting>> for TeamMessage {
    fn from(asked: Asked<Waiting>) -> Self {
        Self::Waiting(asked)
    }
}

impl From<Asked<Explain>> for TeamMessage {
    fn from(asked: Asked<Explain>) -> Self {
        Self::Explain(asked)
    }
}
