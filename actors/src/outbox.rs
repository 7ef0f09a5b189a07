//! What actors tell one another: put here without waiting, carried by a task. Never the only copy of anything: what
//! is lost here is found again by the sweeps of agents' actors and of the routers.

use std::sync::Arc;

use domain::{AgentId, ConversationId, Head, ReleaseReason, TeamId, Timestamp};
use store::ConversationKey;
use tokio::sync::mpsc;

use crate::stats::Stats;
use crate::{AgentKey, AgentState, Joined, TeamKey};

/// How many notices may wait to be carried.
const NOTICES_MAX: usize = 4096;

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

/// Why an offer is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OfferEnd {
    /// He accepted it.
    Accepted,
    /// It waits no longer: another has it, or it ended.
    Taken,
    /// He declined it.
    Declined,
    /// He did not answer in time.
    Expired,
    /// He gets no offers now, or it is not what it was.
    Withdrawn,
}

/// How a team's queue stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueNews {
    /// Whose.
    pub team: TeamId,
    /// How many wait.
    pub waiting: usize,
    /// Since when the first of them does.
    pub since: Option<Timestamp>,
}

/// Something that one actor tells another.
#[derive(Clone, Debug)]
pub enum Notice {
    /// To the agent's actor: the log says that he has the conversation.
    Assigned {
        /// Who.
        agent: AgentId,
        /// What.
        key: ConversationKey,
        /// Since which assignment.
        epoch: u64,
        /// As it is now.
        head: Arc<Head>,
    },
    /// To the agent's actor: the log says that he has it no more.
    Lost {
        /// Who.
        agent: AgentId,
        /// What.
        key: ConversationKey,
        /// Of the assignment that is over.
        epoch: u64,
        /// Why.
        why: Loss,
    },
    /// To the conversation's actor: its agent cannot have it any longer.
    Release {
        /// Which.
        key: ConversationKey,
        /// Who has it.
        agent: AgentId,
        /// The assignment that is meant; a later one stands.
        epoch: u64,
        /// Why.
        reason: ReleaseReason,
    },
    /// To a team's router: a conversation waits in its queue.
    Joined {
        /// Whose queue.
        team: TeamKey,
        /// What.
        joined: Box<Joined>,
    },
    /// To a team's router: a conversation waits in its queue no longer.
    Left {
        /// Whose queue.
        team: TeamKey,
        /// What.
        conversation: ConversationId,
        /// Who has it now; none: it ended, or went to another team.
        taken: Option<AgentId>,
    },
    /// To a team's router: how one of its agents is.
    Agent {
        /// Whose router.
        team: TeamKey,
        /// How he is.
        state: Box<AgentState>,
    },
    /// To the actors of all agents of the workspace: tell this router how you are.
    CallOut {
        /// Whose router.
        team: TeamKey,
    },
    /// The same, to one agent's actor.
    Report {
        /// Who.
        agent: AgentKey,
        /// Whose router.
        team: TeamId,
    },
    /// To the agent's actor: he may accept a conversation.
    Offer {
        /// Who.
        agent: AgentKey,
        /// Whose router offers it.
        team: TeamId,
        /// What.
        conversation: ConversationId,
        /// Until then.
        expires_at: Timestamp,
    },
    /// To the agent's actor: an offer is over.
    OfferEnded {
        /// Who.
        agent: AgentKey,
        /// Whose router had offered it.
        team: TeamId,
        /// What.
        conversation: ConversationId,
        /// Why.
        why: OfferEnd,
    },
    /// To a team's router: the agent takes no offers just now.
    Refused {
        /// Whose router.
        team: TeamKey,
        /// What was offered.
        conversation: ConversationId,
        /// To whom.
        agent: AgentId,
    },
    /// To the agent's actor: how the queue of one of his teams stands.
    Queue {
        /// Who.
        agent: AgentKey,
        /// How it stands.
        news: QueueNews,
    },
}

/// Where actors put notices.
#[derive(Clone, Debug)]
pub struct Outbox {
    queue: mpsc::Sender<Notice>,
    stats: Arc<Stats>,
}

impl Outbox {
    pub(crate) fn new(stats: Arc<Stats>) -> (Self, mpsc::Receiver<Notice>) {
        let (queue, notices) = mpsc::channel(NOTICES_MAX);
        (Self { queue, stats }, notices)
    }

    /// Puts it in, or counts it as dropped when the outbox is full.
    pub(crate) fn put(&self, notice: Notice) {
        if self.queue.try_send(notice).is_err() {
            Stats::add(&self.stats.notices_dropped, 1);
        }
    }
}
