//! One log, folded: who has the conversation, step by step, and where a step must not be.

use std::collections::BTreeMap;

use super::{ConversationAtRest, Deed, Move, State, Step, Verb};
use crate::history::Sender;
use crate::misrouting::Misrouting;

/// Who has the conversation after a step.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Holding {
    pub(super) holder: Option<Sender>,
    epoch: u64,
    ended: bool,
}

impl Holding {
    pub(super) fn state(&self) -> State {
        match (self.ended, &self.holder) {
            (true, _) => State::Ended,
            (false, Some(_)) => State::Assigned,
            (false, None) => State::Queued,
        }
    }
}

/// Folds the log, and compares its end with the conversation.
pub(super) fn follow(conversation: &ConversationAtRest, faults: &mut Vec<Misrouting>) -> Holding {
    let mut now = Holding::default();
    // The step before, if it is the event before: a transfer is one append.
    let mut given: Option<(u64, &Sender)> = None;
    for step in &conversation.log {
        let seq = step.seq;
        if now.ended {
            faults.push(Misrouting::AfterEnd { seq });
        }
        match &step.what {
            Move::Assigned { agent, epoch, reason } => {
                if *epoch != now.epoch + 1 {
                    faults.push(Misrouting::EpochSkipped { seq, before: now.epoch, found: *epoch });
                }
                now.epoch = *epoch;
                let given_to_him = given == Some((seq - 1, agent));
                if (reason == "transfer") != given_to_him {
                    faults.push(Misrouting::NotGiven { seq });
                }
                if let Some(one) = now.holder.replace(agent.clone())
                    && reason != "take_over"
                    && !given_to_him
                {
                    faults.push(Misrouting::TwoOwners { seq, one, other: agent.clone() });
                }
            }
            Move::Released { agent } => {
                if now.holder.take().as_ref() != Some(agent) {
                    faults.push(Misrouting::NotTheirs { seq, agent: agent.clone() });
                }
            }
            Move::Transferred { .. } => {}
            Move::Ended => now.ended = true,
        }
        given = match &step.what {
            Move::Transferred { agent: Some(agent) } => Some((seq, agent)),
            Move::Transferred { agent: None }
            | Move::Assigned { .. }
            | Move::Released { .. }
            | Move::Ended => None,
        };
    }
    let ConversationAtRest { state, assignee, assignment_epoch, .. } = conversation;
    if (*state, assignee, *assignment_epoch) != (now.state(), &now.holder, now.epoch) {
        faults.push(Misrouting::StateDisagrees {
            log: (now.state(), now.holder.clone(), now.epoch),
            shown: (*state, assignee.clone(), *assignment_epoch),
        });
    }
    now
}

/// Compares the log with what the conversation's agents were told of their deeds: what was acknowledged is there, once,
/// and what was refused is not, unless it may have been done since.
pub(super) fn account<'a>(
    conversation: &ConversationAtRest,
    deeds: impl Iterator<Item = &'a Deed>,
    faults: &mut Vec<Misrouting>,
) {
    let log = &conversation.log;
    let mut acknowledged: BTreeMap<(&Sender, Verb), u64> = BTreeMap::new();
    let mut possible: BTreeMap<(&Sender, Verb), u64> = BTreeMap::new();
    for deed in deeds {
        let Some(until) = deed.acknowledged else {
            *possible.entry((&deed.agent, deed.verb)).or_default() += u64::from(deed.unanswered);
            continue;
        };
        *acknowledged.entry((&deed.agent, deed.verb)).or_default() += 1;
        let shows = |what: &Move, by: Option<&Sender>| match (deed.verb, what) {
            // "Already theirs" is an answer too: the agent has got it since, from any giver.
            (Verb::Accept, Move::Assigned { agent, .. }) => *agent == deed.agent,
            (Verb::Release, Move::Released { .. }) | (Verb::Transfer, Move::Transferred { .. }) => {
                by == Some(&deed.agent)
            }
            // Ended by another is an answer too.
            (Verb::End, Move::Ended) => true,
            (Verb::Accept | Verb::Release | Verb::Transfer | Verb::End, _) => false,
        };
        let found = log
            .iter()
            .any(|step| deed.after < step.seq && step.seq <= until && shows(&step.what, step.by.as_ref()));
        if !found {
            let Deed { agent, verb, after, .. } = deed.clone();
            faults.push(Misrouting::DeedLost { agent, verb, after, until });
        }
    }
    let mut done: BTreeMap<(&Sender, Verb), u64> = BTreeMap::new();
    let mut before: Option<&Step> = None;
    for step in log {
        // A visitor may end their own conversation, but they are no agent: their deeds are not entered.
        let agent = step.by.as_ref().filter(|by| by.starts_with(AGENT));
        if let (Some(by), Some(verb)) = (agent, verb_of(step, before)) {
            *done.entry((by, verb)).or_default() += 1;
        }
        before = Some(step);
    }
    for ((agent, verb), found) in done {
        let of = |counts: &BTreeMap<_, u64>| counts.get(&(agent, verb)).copied().unwrap_or_default();
        let told = of(&acknowledged);
        if found > told + of(&possible) {
            faults.push(Misrouting::DeedDoubled { agent: agent.clone(), verb, told, found });
        }
    }
}

/// How an agent's id begins.
const AGENT: &str = "agt_";

/// By which of an agent's deeds it comes about; none: it comes with the step before.
fn verb_of(step: &Step, before: Option<&Step>) -> Option<Verb> {
    match &step.what {
        Move::Assigned { reason, .. } => (reason == "accept").then_some(Verb::Accept),
        Move::Released { .. } => {
            let by_transfer = before.is_some_and(|before| {
                before.seq + 1 == step.seq && before.what == Move::Transferred { agent: None }
            });
            (!by_transfer).then_some(Verb::Release)
        }
        Move::Transferred { .. } => Some(Verb::Transfer),
        Move::Ended => Some(Verb::End),
    }
}
