//! An agent of a team, as one choice sees him.

use serde::{Deserialize, Serialize};

use crate::AgentId;

/// Why an agent does not come into question for a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Exclusion {
    /// His status is not `online`.
    NotOnline,
    /// He has no socket open, and asked for nothing within the grace time.
    NotPresent,
    /// He carries, or is offered, as many as he may hold.
    Full,
    /// He lacks a skill that it asks for.
    Skills,
    /// He does not speak its language.
    Language,
    /// He declined it, or did not answer its offer.
    PassedOver,
    /// He gave it back a moment ago.
    Released,
    /// He gave it to the team.
    TransferredAway,
}

impl Exclusion {
    /// It counts only while there is somebody else.
    pub fn is_lifted_when_alone(self) -> bool {
        match self {
            Exclusion::PassedOver | Exclusion::Released | Exclusion::TransferredAway => true,
            Exclusion::NotOnline
            | Exclusion::NotPresent
            | Exclusion::Full
            | Exclusion::Skills
            | Exclusion::Language => false,
        }
    }
}

/// An agent of a team, as one choice sees him.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Who.
    pub agent: AgentId,
    /// How many he holds, is being given, or is offered.
    pub load: u32,
    /// How many he may hold.
    pub capacity: u32,
    /// Why not he; none: he may be chosen.
    pub excluded_by: Option<Exclusion>,
    /// His last turn in this team: of two, the greater came later; 0: none yet.
    pub turn: u64,
    /// When he last passed this conversation over: of two, the greater came later; 0: never.
    pub passed: u64,
}
