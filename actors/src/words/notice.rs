//! What actors tell one another. A notice names the actor that it is for, and is never the only copy of anything: one that is
//! lost is made up for when agents' actors and routers compare what they know with the store.

use std::sync::Arc;

use domain::{AgentCard, AgentId, ConversationId, Explanation, Head, ReleaseReason, TeamId, Timestamp};
use store::ConversationKey;

use super::agent::AgentReport;
use super::keys::{AgentKey, TeamKey};
use super::queue::{Given, Joined, OfferEnd, QueueNews, QueuePosition};

/// Why an agent has a conversation no longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// It went back to the queue.
    Released(ReleaseReason),
    /// It was given to another agent.
    Transfer,
    /// A supervisor took it.
    TakeOver,
    /// It ended.
    Ended,
}

/// Something that one actor tells another.
#[derive(Clone, Debug)]
pub enum Notice {
    /// To an agent's actor: the log says that the agent has the conversation.
    Assigned {
        /// The agent.
        agent: AgentKey,
        /// The conversation.
        conversation: ConversationId,
        /// The assignment's epoch.
        epoch: u64,
        /// As the conversation is now.
        head: Arc<Head>,
    },
    /// To an agent's actor: the log says that the agent has the conversation no longer.
    Lost {
        /// The agent.
        agent: AgentKey,
        /// The conversation.
        conversation: ConversationId,
        /// The epoch of the assignment that is over.
        epoch: u64,
        /// Why.
        why: Loss,
    },
    /// To an agent's actor: what became of a place that was reserved with it.
    Settled {
        /// The agent.
        agent: AgentKey,
        /// The conversation.
        conversation: ConversationId,
        /// The assignment's epoch; none: it was not written.
        assigned: Option<u64>,
    },
    /// To an agent's actor: what it asked a conversation was not done.
    NotReleased {
        /// The agent.
        agent: AgentKey,
    },
    /// To a conversation: its agent cannot have it any longer.
    Release {
        /// The conversation.
        key: ConversationKey,
        /// The agent who has it.
        agent: AgentId,
        /// The epoch of the assignment that is meant; a later one stands.
        epoch: u64,
        /// Why.
        reason: ReleaseReason,
    },
    /// To an agent's actor and a conversation: the router gives the conversation to the agent.
    Give {
        /// The router's team, which is told what became of it.
        team: TeamKey,
        /// The conversation.
        conversation: ConversationId,
        /// The agent.
        to: AgentCard,
        /// The epoch of the last assignment that the router saw; a later one stands.
        epoch: u64,
        /// Why this agent.
        why: Box<Explanation>,
    },
    /// To a team's router: what became of giving.
    Given {
        /// The team.
        team: TeamKey,
        /// The conversation.
        conversation: ConversationId,
        /// The agent who was to have it.
        agent: AgentId,
        /// What became of it.
        given: Given,
    },
    /// To a team's router: a conversation waits in its queue.
    Joined {
        /// The team.
        team: TeamKey,
        /// The conversation.
        joined: Box<Joined>,
    },
    /// To a team's router: a conversation waits in its queue no longer.
    Left {
        /// The team.
        team: TeamKey,
        /// The conversation.
        conversation: ConversationId,
        /// The agent who has it now; none: it ended, or went to another team.
        taken: Option<AgentId>,
    },
    /// To a team's router: how one of its agents is.
    Agent {
        /// The team.
        team: TeamKey,
        /// The agent's report.
        report: Box<AgentReport>,
    },
    /// To the actors of all agents of the workspace: report to this router.
    CallOut {
        /// The router's team.
        team: TeamKey,
    },
    /// The same, to one agent's actor.
    Report {
        /// The agent.
        agent: AgentKey,
        /// The router's team.
        team: TeamId,
    },
    /// To an agent's actor: the agent may accept a conversation.
    Offer {
        /// The agent.
        agent: AgentKey,
        /// The team whose router offers it.
        team: TeamId,
        /// The conversation.
        conversation: ConversationId,
        /// Where the conversation stands in its queue.
        position: QueuePosition,
        /// The offer's end.
        expires_at: Timestamp,
    },
    /// To an agent's actor: an offer is over.
    OfferEnded {
        /// The agent.
        agent: AgentKey,
        /// The team whose router offered it.
        team: TeamId,
        /// The conversation.
        conversation: ConversationId,
        /// Why.
        why: OfferEnd,
    },
    /// To an agent's actor: what an offered conversation is shown with has changed.
    OfferTouched {
        /// The agent.
        agent: AgentKey,
        /// The conversation.
        conversation: ConversationId,
        /// Where it stands in its queue now.
        position: QueuePosition,
    },
    /// To a team's router: the agent takes no offers just now.
    Refused {
        /// The team.
        team: TeamKey,
        /// The conversation that was offered.
        conversation: ConversationId,
        /// The agent.
        agent: AgentId,
    },
    /// To an agent's actor: how the queue of one of the agent's teams stands.
    Queue {
        /// The agent.
        agent: AgentKey,
        /// How it stands.
        news: QueueNews,
    },
}
