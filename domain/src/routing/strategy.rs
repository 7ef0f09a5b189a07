//! Which of the agents who may have a conversation is chosen.

use std::cmp::Ordering;

use crate::{AgentId, Strategy};

use super::{Candidate, Exclusion, Rule};

/// Who was chosen, and by which rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    /// Who.
    pub agent: AgentId,
    /// Why this agent.
    pub rule: Rule,
}

/// Chooses `preferred` (the visitor's last agent) if they may have the conversation, else by the strategy. When nobody
/// may but agents who passed it over or gave it back, it is their turn again, beginning with the agent who did so longest
/// ago. The order of `candidates` does not matter.
pub fn choose(strategy: Strategy, preferred: Option<AgentId>, candidates: &[Candidate]) -> Option<Choice> {
    let free = || candidates.iter().filter(|candidate| candidate.excluded_by.is_none());
    if let Some(last) = preferred
        && free().any(|candidate| candidate.agent == last)
    {
        return Some(Choice { agent: last, rule: Rule::LastAgent });
    }
    if let Some(first) = free().min_by(|one, other| strategy.order(one, other)) {
        let rule = match strategy {
            Strategy::LeastBusy => Rule::LeastBusy,
            Strategy::RoundRobin => Rule::RoundRobin,
        };
        return Some(Choice { agent: first.agent, rule });
    }
    let said_no = |candidate: &&Candidate| candidate.excluded_by.is_some_and(Exclusion::is_lifted_when_alone);
    let longest_ago = |candidate: &&Candidate| (candidate.passed, candidate.turn, candidate.agent);
    let again = candidates.iter().filter(said_no).min_by_key(longest_ago)?;
    Some(Choice { agent: again.agent, rule: Rule::Again })
}

impl Strategy {
    /// Which of two comes first. Ties go to the agent whose turn is longest ago, then by id.
    fn order(self, one: &Candidate, other: &Candidate) -> Ordering {
        let turns = || (one.turn, one.agent).cmp(&(other.turn, other.agent));
        match self {
            // load / capacity, without dividing.
            Strategy::LeastBusy => {
                let share =
                    |load: &Candidate, whole: &Candidate| u64::from(load.load) * u64::from(whole.capacity);
                share(one, other).cmp(&share(other, one)).then_with(turns)
            }
            Strategy::RoundRobin => turns(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::strategy::Strategy as _;

    use super::*;
    use crate::Strategy;

    fn agent(n: u8) -> AgentId {
        AgentId::from_hash([n; 16])
    }

    fn candidate(n: u8, load: u32, capacity: u32) -> Candidate {
        Candidate { agent: agent(n), load, capacity, excluded_by: None, turn: 0, passed: 0 }
    }

    fn excluded(n: u8, by: Exclusion, passed: u64) -> Candidate {
        Candidate { excluded_by: Some(by), passed, ..candidate(n, 0, 5) }
    }

    #[test]
    fn the_least_busy_is_the_one_with_the_smallest_share_of_their_capacity() {
        let candidates = [candidate(1, 2, 4), candidate(2, 3, 10), candidate(3, 1, 2)];
        let chosen = choose(Strategy::LeastBusy, None, &candidates);
        assert_eq!(chosen, Some(Choice { agent: agent(2), rule: Rule::LeastBusy }));
    }

    #[test]
    fn round_robin_takes_the_one_whose_turn_is_longest_ago() {
        let turn = |n, turn| Candidate { turn, ..candidate(n, 0, 5) };
        let chosen = choose(Strategy::RoundRobin, None, &[turn(1, 7), turn(2, 3), turn(3, 5)]);
        assert_eq!(chosen, Some(Choice { agent: agent(2), rule: Rule::RoundRobin }));
    }

    #[test]
    fn the_last_agent_comes_first_if_they_may() {
        let candidates = [candidate(1, 0, 5), candidate(2, 4, 5)];
        let chosen = choose(Strategy::LeastBusy, Some(agent(2)), &candidates);
        assert_eq!(chosen, Some(Choice { agent: agent(2), rule: Rule::LastAgent }));
        let full = [candidate(1, 0, 5), excluded(2, Exclusion::Full, 0)];
        let chosen = choose(Strategy::LeastBusy, Some(agent(2)), &full);
        assert_eq!(chosen, Some(Choice { agent: agent(1), rule: Rule::LeastBusy }));
    }

    #[test]
    fn who_said_no_is_asked_again_only_when_nobody_else_may() {
        let alone = [excluded(1, Exclusion::PassedOver, 9), excluded(2, Exclusion::Full, 0)];
        assert_eq!(
            choose(Strategy::LeastBusy, None, &alone),
            Some(Choice { agent: agent(1), rule: Rule::Again })
        );
        let two = [excluded(1, Exclusion::PassedOver, 9), excluded(2, Exclusion::PassedOver, 4)];
        assert_eq!(choose(Strategy::LeastBusy, None, &two).map(|choice| choice.agent), Some(agent(2)));
        let another = [excluded(1, Exclusion::Released, 0), candidate(2, 4, 5)];
        assert_eq!(choose(Strategy::LeastBusy, None, &another).map(|choice| choice.agent), Some(agent(2)));
        assert_eq!(choose(Strategy::LeastBusy, None, &[excluded(1, Exclusion::NotPresent, 0)]), None);
    }

    fn any_candidate(n: u8) -> impl proptest::strategy::Strategy<Value = Candidate> {
        let exclusion = proptest::option::of(prop_oneof![
            Just(Exclusion::NotOnline),
            Just(Exclusion::Full),
            Just(Exclusion::PassedOver),
            Just(Exclusion::Released),
        ]);
        (0u32..6, 1u32..6, exclusion, 0u64..4, 0u64..4).prop_map(
            move |(load, capacity, excluded_by, turn, passed)| Candidate {
                agent: agent(n),
                load,
                capacity,
                excluded_by,
                turn,
                passed,
            },
        )
    }

    proptest! {
        #[test]
        fn somebody_is_chosen_exactly_when_somebody_may_and_the_order_given_does_not_matter(
            candidates in (0u8..8).prop_flat_map(|n| (0..n).map(any_candidate).collect::<Vec<_>>()),
            preferred in proptest::option::of((0u8..8).prop_map(agent)),
            round_robin in any::<bool>(),
        ) {
            let strategy = if round_robin { Strategy::RoundRobin } else { Strategy::LeastBusy };
            let chosen = choose(strategy, preferred, &candidates);
            let may = |candidate: &Candidate| candidate.excluded_by.is_none_or(Exclusion::is_lifted_when_alone);
            prop_assert_eq!(chosen.is_some(), candidates.iter().any(may));
            if let Some(choice) = chosen {
                let theirs = candidates.iter().find(|candidate| candidate.agent == choice.agent).unwrap();
                prop_assert!(may(theirs));
                let somebody_free = candidates.iter().any(|candidate| candidate.excluded_by.is_none());
                prop_assert_eq!(theirs.excluded_by.is_none(), somebody_free);
            }
            let reversed: Vec<Candidate> = candidates.iter().rev().copied().collect();
            prop_assert_eq!(choose(strategy, preferred, &reversed), chosen);
        }
    }
}
