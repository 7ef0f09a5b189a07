//! A group of agents with one queue.

use serde::{Deserialize, Serialize};

use crate::{AgentId, Hours, Name, TeamId};

/// How a waiting conversation finds its agent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AssignmentMode {
    /// Offered to the agent of the strategy's choice, who accepts.
    #[default]
    Offer,
    /// Given to the strategy's choice at once.
    Auto,
    /// Waits until somebody accepts.
    Manual,
}

/// Which agent comes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// The agent with the smallest load for their capacity.
    #[default]
    LeastBusy,
    /// The agent whose last assignment is longest ago.
    RoundRobin,
}

/// A group of agents with one queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Team {
    /// Names it.
    pub id: TeamId,
    /// For people.
    pub name: Name,
    /// How a waiting conversation finds its agent.
    pub assignment: AssignmentMode,
    /// Which agent comes first.
    pub strategy: Strategy,
    /// Seconds until an offer goes to the next; none: the installation's `accept_timeout_s`.
    pub accept_timeout_s: Option<u32>,
    /// Minutes of silence, with the visitor gone, until a conversation ends by itself.
    pub idle_end_min: u32,
    /// How many may wait; none: any number.
    pub queue_max: Option<u32>,
    /// Its members.
    pub agents: Vec<AgentId>,
    /// When somebody is there; none: always.
    pub hours: Option<Hours>,
}

impl Team {
    /// The default of `idle_end_min`.
    pub const IDLE_END_MIN: u32 = 60;

    /// A new one, with nobody in it.
    pub fn new(id: TeamId, name: Name) -> Self {
        Self {
            id,
            name,
            assignment: AssignmentMode::default(),
            strategy: Strategy::default(),
            accept_timeout_s: None,
            idle_end_min: Self::IDLE_END_MIN,
            queue_max: None,
            agents: Vec::new(),
            hours: None,
        }
    }
}
