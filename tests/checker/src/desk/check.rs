//! The judgement: each log by itself, then the lists and the agents against what the logs say.

use std::collections::{BTreeMap, BTreeSet};

use super::log::{Holding, account, follow};
use super::{AgentAtRest, ConversationAtRest, Desk, State};
use crate::history::ConversationId;
use crate::misrouting::Misrouting;
use crate::violation::{Fault, Violation};

/// Everything at `desk` that must not be so. Empty: all views of it agree, and the rules held.
pub fn check_desk(desk: &Desk) -> Vec<Violation> {
    let mut found = Found::default();
    let mut holdings: BTreeMap<&ConversationId, Holding> = BTreeMap::new();
    for conversation in &desk.conversations {
        let mut faults = Vec::new();
        let holding = follow(conversation, &mut faults);
        account(
            conversation,
            desk.deeds.iter().filter(|deed| deed.conversation == conversation.id),
            &mut faults,
        );
        list(desk, conversation, &mut faults);
        holdings.insert(&conversation.id, holding);
        found.add(&conversation.id, faults);
    }
    strangers(desk, &mut found);
    queue(desk, &mut found);
    for agent in &desk.agents {
        found.add("", carried(desk, agent, &holdings));
    }
    found.0
}

#[derive(Default)]
struct Found(Vec<Violation>);

impl Found {
    fn add(&mut self, conversation: &str, faults: Vec<Misrouting>) {
        let violation =
            |fault| Violation { conversation: conversation.to_owned(), fault: Fault::Misrouted(fault) };
        self.0.extend(faults.into_iter().map(violation));
    }
}

/// It stands in the lists of its state, once, and in no other.
fn list(desk: &Desk, conversation: &ConversationAtRest, faults: &mut Vec<Misrouting>) {
    let ConversationAtRest { id, state, assignee, .. } = conversation;
    let times = |list: &[ConversationId]| list.iter().filter(|listed| *listed == id).count();
    let mut expect = |list: &str, expected: bool, times: usize| {
        if times != usize::from(expected) {
            faults.push(Misrouting::Listed { list: list.to_owned(), times, state: *state });
        }
    };
    expect("queue", *state == State::Queued, desk.queue.iter().filter(|listed| listed.id == *id).count());
    expect("ended", *state == State::Ended, times(&desk.ended));
    for agent in &desk.agents {
        let his = *state == State::Assigned && assignee.as_ref() == Some(&agent.agent);
        expect(&format!("mine of {}", agent.agent), his, times(&agent.mine));
        expect(&format!("status of {}", agent.agent), his, times(&agent.holds));
    }
}

/// What is listed was started.
fn strangers(desk: &Desk, found: &mut Found) {
    let known: BTreeSet<&ConversationId> = desk.conversations.iter().map(|known| &known.id).collect();
    let queued = desk.queue.iter().map(|listed| &listed.id);
    let held = desk.agents.iter().flat_map(|agent| agent.mine.iter().chain(&agent.holds));
    let listed: BTreeSet<&ConversationId> = queued.chain(&desk.ended).chain(held).collect();
    for stranger in listed.difference(&known) {
        found.add(stranger, vec![Misrouting::NeverStarted]);
    }
}

/// Its order, its places, and that nobody waits while an agent could take them.
fn queue(desk: &Desk, found: &mut Found) {
    for (place, listed) in (1_u64..).zip(&desk.queue) {
        let mut faults = Vec::new();
        let before = (place > 1).then(|| &desk.queue[place as usize - 2]);
        if before.is_some_and(|before| (&before.queued_at, &before.id) >= (&listed.queued_at, &listed.id)) {
            faults.push(Misrouting::QueueOrder { place });
        }
        let alone = desk.conversations.iter().find(|conversation| conversation.id == listed.id);
        for shown in
            [Some(listed.queue_position), alone.map(|alone| alone.queue_position)].into_iter().flatten()
        {
            if shown != Some(place) {
                faults.push(Misrouting::Position { place, shown });
            }
        }
        match &listed.offered_to {
            Some(to) => {
                let there = desk.agents.iter().any(|agent| agent.agent == *to && agent.gets_offers);
                if !there {
                    faults.push(Misrouting::OfferedToNobody { agent: to.clone() });
                }
            }
            None => {
                let free = desk.agents.iter().find(|agent| agent.gets_offers && agent.load < agent.capacity);
                faults.extend(free.map(|agent| Misrouting::NotOffered { free: agent.agent.clone() }));
            }
        }
        found.add(&listed.id, faults);
    }
}

/// What an agent holds and is offered is what the logs and the queue say, and no more than they may hold.
fn carried(
    desk: &Desk,
    agent: &AgentAtRest,
    holdings: &BTreeMap<&ConversationId, Holding>,
) -> Vec<Misrouting> {
    let his = |holding: &&Holding| {
        holding.state() == State::Assigned && holding.holder.as_ref() == Some(&agent.agent)
    };
    let held = holdings.values().filter(his).count() as u64;
    let offered =
        desk.queue.iter().filter(|listed| listed.offered_to.as_ref() == Some(&agent.agent)).count() as u64;
    let (name, load, capacity) = (agent.agent.clone(), agent.load, agent.capacity);
    let mut faults = Vec::new();
    if held > capacity {
        faults.push(Misrouting::OverCapacity { agent: name.clone(), held, capacity });
    }
    if load != held + offered {
        faults.push(Misrouting::Load { agent: name, shown: load, held, offered });
    }
    faults
}
