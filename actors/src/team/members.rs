//! The agents of a team, as their actors report them, and what the router has in hand for each.

use std::collections::BTreeMap;

use domain::{Agent, AgentCard, AgentId, Candidate, Exclusion, Needs, Skilled, Status};

use crate::words::AgentReport;

/// A member of the team.
#[derive(Debug)]
pub(super) struct Member {
    card: AgentCard,
    skilled: Skilled,
    /// As the agent's actor last reported; none: it has not.
    report: Option<AgentReport>,
    /// The version of the newest report that came.
    version: u64,
    /// What this router offers or gives the agent just now.
    in_hand: u32,
    /// The agent's last turn; 0: none yet.
    turn: u64,
}

#[derive(Debug, Default)]
pub(super) struct Members {
    all: BTreeMap<AgentId, Member>,
    turns: u64,
}

impl Members {
    /// Takes the records of the agents who belong to the team now; what is known of them stays. Says whether a newcomer is
    /// among them: what a newcomer's actor reported before that was of no use, and is to be asked for.
    pub(super) fn set(&mut self, agents: &[Agent]) -> bool {
        let mut newcomers = false;
        let mut before = std::mem::take(&mut self.all);
        for agent in agents {
            let known = before.remove(&agent.id);
            newcomers |= known.is_none();
            let member = Member {
                card: agent.card(),
                skilled: Skilled::of(agent),
                report: known.as_ref().and_then(|member| member.report.clone()),
                version: known.as_ref().map_or(0, |member| member.version),
                in_hand: known.as_ref().map_or(0, |member| member.in_hand),
                turn: known.map_or(0, |member| member.turn),
            };
            self.all.insert(agent.id, member);
        }
        newcomers
    }

    /// Keeps what the agent's actor reports, unless a newer report came before; says whether the agent attends to the queue now and did not before.
    pub(super) fn heed(&mut self, report: AgentReport) -> bool {
        let Some(member) = self.all.get_mut(&report.agent) else { return false };
        if report.version < member.version {
            return false;
        }
        member.version = report.version;
        let attends = report.attends();
        let attended = member.report.replace(report).is_some_and(|before| before.attends());
        attends && !attended
    }

    /// The agent's actor is not there.
    pub(super) fn forget(&mut self, agent: AgentId) {
        if let Some(member) = self.all.get_mut(&agent) {
            member.report = None;
        }
    }

    pub(super) fn gets_offers(&self, agent: AgentId) -> bool {
        self.all.get(&agent).and_then(|member| member.report.as_ref()).is_some_and(AgentReport::gets_offers)
    }

    pub(super) fn card(&self, agent: AgentId) -> Option<AgentCard> {
        self.all.get(&agent).map(|member| member.card.clone())
    }

    /// The agents who are online and present.
    pub(super) fn there(&self) -> impl Iterator<Item = AgentId> + '_ {
        self.all
            .iter()
            .filter(|(_, member)| member.report.as_ref().is_some_and(AgentReport::gets_offers))
            .map(|(id, _)| *id)
    }

    /// The agents who are present and online or away.
    pub(super) fn attending(&self) -> impl Iterator<Item = AgentId> + '_ {
        let attends = |member: &Member| member.report.as_ref().is_some_and(AgentReport::attends);
        self.all.iter().filter(move |(_, member)| attends(member)).map(|(id, _)| *id)
    }

    /// It is offered or given to the agent: their turn.
    pub(super) fn take_in_hand(&mut self, agent: AgentId) {
        self.turns += 1;
        if let Some(member) = self.all.get_mut(&agent) {
            member.in_hand += 1;
            member.turn = self.turns;
        }
    }

    pub(super) fn let_go(&mut self, agent: AgentId) {
        if let Some(member) = self.all.get_mut(&agent) {
            member.in_hand = member.in_hand.saturating_sub(1);
        }
    }

    /// A number that only rises: to tell which of two exclusions came later.
    pub(super) fn next_turn(&mut self) -> u64 {
        self.turns += 1;
        self.turns
    }

    /// Some agent may be given something, whatever it needs.
    pub(super) fn any_is_free(&self) -> bool {
        self.all.iter().any(|(id, member)| member.candidate(*id).excluded_by.is_none())
    }

    /// All of them, as a conversation with these needs sees them.
    pub(super) fn candidates(&self, needs: &Needs) -> Vec<Candidate> {
        let needs = needs.that_somebody_has(self.all.values().map(|member| &member.skilled));
        let judge = |(id, member): (&AgentId, &Member)| {
            let candidate = member.candidate(*id);
            let excluded_by = candidate.excluded_by.or_else(|| needs.unmet_by(&member.skilled));
            Candidate { excluded_by, ..candidate }
        };
        self.all.iter().map(judge).collect()
    }
}

impl Member {
    fn candidate(&self, agent: AgentId) -> Candidate {
        let Self { report, in_hand, turn, .. } = self;
        let Some(report) = report else {
            let excluded_by = Some(Exclusion::NotOnline);
            return Candidate { agent, load: 0, capacity: 0, excluded_by, turn: *turn, passed: 0 };
        };
        let load = report.carried + report.offered_elsewhere + in_hand;
        let excluded_by = if report.status != Status::Online {
            Some(Exclusion::NotOnline)
        } else if !report.present {
            Some(Exclusion::NotPresent)
        } else {
            (load >= report.capacity).then_some(Exclusion::Full)
        };
        Candidate { agent, load, capacity: report.capacity, excluded_by, turn: *turn, passed: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{id, some_agent};

    #[test]
    fn an_older_report_that_comes_late_changes_nothing() {
        let mut members = Members::default();
        members.set(&[some_agent(1, 3)]);
        let report = |version, status| AgentReport {
            agent: id(1),
            version,
            status,
            present: true,
            carried: 0,
            offered_elsewhere: 0,
            capacity: 3,
        };
        assert!(members.heed(report(7, Status::Online)), "the agent attends now");
        assert!(!members.heed(report(5, Status::Offline)));
        assert!(members.gets_offers(id(1)));
        members.forget(id(1));
        members.heed(report(6, Status::Online));
        assert!(!members.gets_offers(id(1)), "still older than what was forgotten");
        members.set(&[some_agent(1, 3)]);
        members.heed(report(8, Status::Away));
        assert!(!members.gets_offers(id(1)));
        assert_eq!(members.attending().collect::<Vec<_>>(), [id(1)]);
    }
}
