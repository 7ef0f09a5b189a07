//! An agent of a team, as one choice sees them.

use serde::{Deserialize, Serialize};

use crate::AgentId;

/// Why an agent does not come into question for a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Exclusion {
    /// Their status is not `online`.
    NotOnline,
    /// They have no socket open, and asked for nothing within the grace time.
    NotPresent,
    /// They carry, or are offered, as many as they may hold.
    Full,
    /// They lack a skill that the conversation asks for.
    Skills,
    /// They do not speak its language.
    Language,
    /// They declined it, or did not answer its offer.
    PassedOver,
    /// They gave it back a moment ago.
    Released,
    /// They gave it to the team.
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

/// An agent of a team, as one choice sees them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Who.
    pub agent: AgentId,
    /// How many they hold, are being given, or are offered.
    pub load: u32,
    /// How many they may hold.
    pub capacity: u32,
    /// Why not this agent; none: they may be chosen.
    pub excluded_by: Option<Exclusion>,
    /// Their last turn in this team: of two, the greater came later; 0: none yet.
    pub turn: u64,
    /// When they last passed this conversation over: of two, the greater came later; 0: never.
    pub passed: u64,
}
