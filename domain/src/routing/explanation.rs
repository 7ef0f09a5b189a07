//! Why an agent got a conversation, or why nobody does: kept with each assignment, and asked for while it waits.

use serde::{Deserialize, Serialize};

use crate::AgentId;

use super::{Candidate, Exclusion};

/// What decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// The agent had the visitor's last conversation.
    LastAgent,
    /// The smallest load for the capacity.
    LeastBusy,
    /// The agent's turn was longest ago.
    RoundRobin,
    /// The agent had passed it over, and there is nobody else.
    Again,
    /// A person decided, not the router.
    ByHand,
    /// The team assigns by hand: it waits until somebody accepts.
    Manual,
    /// Nobody may have it now.
    Nobody,
}

/// An agent who was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Considered {
    /// Who.
    pub agent: AgentId,
    /// How many they held, were being given, or were offered.
    pub load: u32,
    /// How many they may hold.
    pub capacity: u32,
    /// Why not this agent.
    pub excluded_by: Option<Exclusion>,
}

/// Why an agent got a conversation, or why nobody does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    /// What decided.
    pub rule: Rule,
    /// The agents who were looked at: first those who came into question.
    pub candidates: Vec<Considered>,
}

impl Explanation {
    /// So many candidates are kept with an assignment; of a larger team those who came into question.
    pub const KEPT_MAX: usize = 32;

    /// A person decided.
    pub fn by_hand() -> Self {
        Self { rule: Rule::ByHand, candidates: Vec::new() }
    }

    /// `rule` decided among these.
    pub fn of(rule: Rule, candidates: &[Candidate]) -> Self {
        let mut ranked: Vec<&Candidate> = candidates.iter().collect();
        ranked.sort_by_key(|candidate| (candidate.excluded_by.is_some(), candidate.agent));
        let considered = |candidate: &Candidate| {
            let Candidate { agent, load, capacity, excluded_by, .. } = *candidate;
            Considered { agent, load, capacity, excluded_by }
        };
        Self { rule, candidates: ranked.into_iter().map(considered).collect() }
    }

    /// As it is kept, with `chosen` among the candidates.
    #[must_use]
    pub fn kept(mut self, chosen: AgentId) -> Self {
        self.candidates.sort_by_key(|candidate| candidate.agent != chosen);
        self.candidates.truncate(Self::KEPT_MAX);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_was_chosen_is_among_those_kept() {
        let candidate = |n: u8| Candidate {
            agent: AgentId::from_hash([n; 16]),
            load: 0,
            capacity: 5,
            excluded_by: None,
            turn: 0,
            passed: 0,
        };
        let all: Vec<Candidate> = (0..100).map(candidate).collect();
        let kept = Explanation::of(Rule::RoundRobin, &all).kept(all[77].agent);
        assert_eq!((kept.candidates.len(), kept.candidates[0].agent), (Explanation::KEPT_MAX, all[77].agent));
    }
}
