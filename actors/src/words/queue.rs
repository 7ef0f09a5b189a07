//! A team's queue, as its router and others speak of it.

use domain::{AgentId, ConversationId, Head, Needs, ReleaseReason, TeamId, Timestamp, VisitorId};

/// A conversation that joined a team's queue, or changed in it.
#[derive(Clone, Debug)]
pub struct Joined {
    /// The conversation.
    pub conversation: ConversationId,
    /// When it first joined this queue.
    pub queued_at: Timestamp,
    /// The epoch of its last assignment.
    pub epoch: u64,
    /// Its visitor.
    pub visitor: VisitorId,
    /// What it asks of its agent.
    pub needs: Needs,
    /// What was before it joined.
    pub from: Option<Before>,
}

impl Joined {
    /// The conversation waits, as `head` has it.
    pub(crate) fn of(conversation: ConversationId, head: &Head, from: Option<Before>) -> Self {
        Self {
            conversation,
            queued_at: head.queued_at,
            epoch: head.assignment_epoch,
            visitor: head.visitor.id,
            needs: Needs::of(&head.attributes),
            from,
        }
    }
}

/// What was before a conversation joined a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Before {
    /// This agent had it, and lost it.
    Lost(AgentId, ReleaseReason),
    /// It had ended, and this agent had it last.
    Ended(AgentId),
}

/// Where a conversation stands in its queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueuePosition {
    /// From 1.
    pub position: u64,
    /// By the pace of the last assignments; none while that is not known, or no agent is there.
    pub expected_wait_s: Option<u64>,
    /// The agent who may accept it just now.
    pub offered_to: Option<AgentId>,
}

/// Why an offer is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OfferEnd {
    /// The agent accepted it.
    Accepted,
    /// It waits no longer: another agent has it, or it ended.
    Taken,
    /// The agent declined it.
    Declined,
    /// The agent did not respond in time.
    Expired,
    /// The agent gets no offers now, or it is not what it was.
    Withdrawn,
}

/// How a team's queue stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueNews {
    /// The team.
    pub team: TeamId,
    /// How many conversations wait.
    pub waiting: usize,
    /// Since when the first of them does.
    pub since: Option<Timestamp>,
}

/// What is known of a team's queue without asking its router.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueBrief {
    /// The team.
    pub team: TeamId,
    /// How many conversations wait.
    pub waiting: usize,
    /// What the first of them has waited; 0 when none waits.
    pub longest_wait_ms: u64,
}

/// What became of giving a conversation to an agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Given {
    /// The agent has it.
    Done,
    /// The agent's actor refused.
    Refused,
    /// It does not wait any more as the router saw it.
    Moved,
    /// It was not written, or the outcome is unknown; to be tried again.
    Failed,
}
