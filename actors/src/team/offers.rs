//! From the queue to an agent: choosing, offering, giving, and what becomes of it.

use std::collections::VecDeque;
use std::time::Duration;

use domain::{
    AgentId, AssignmentMode, Candidate, Choice, ClientId, ConversationId, Exclusion, Explanation, Rejection,
    choose,
};
use tokio::time::Instant;

use super::queue::{Offer, Step, Waiting};
use super::{Desk, TeamMessage};
use crate::node::Node;
use crate::stats::Stats;
use crate::{Notice, OfferEnd, assignment};

/// Assignments of one team that are being written at once.
const GIVING_MAX: usize = 64;

/// So many noes are remembered by their names.
const DECLINED_MAX: usize = 1_000;

/// Noes that came with a name of their sender's, newest last: memory alone, as offers are.
#[derive(Debug, Default)]
pub(super) struct Declined(VecDeque<(ConversationId, AgentId, ClientId)>);

impl Declined {
    fn remember(&mut self, conversation: ConversationId, agent: AgentId, client_id: ClientId) {
        if self.0.len() == DECLINED_MAX {
            self.0.pop_front();
        }
        self.0.push_back((conversation, agent, client_id));
    }

    fn knows(&self, conversation: ConversationId, agent: AgentId, client_id: &ClientId) -> bool {
        self.0.iter().any(|(known, by, name)| (*known, *by, name) == (conversation, agent, client_id))
    }
}

/// What became of giving a conversation to an agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Given {
    /// It is his.
    Done,
    /// His actor said no.
    Refused,
    /// It does not wait any more as it was seen.
    Moved,
    /// It was not written, or nobody knows; to be tried again.
    Failed,
}

impl Desk {
    /// Offers or gives, from the front of the queue, as long as somebody is free.
    pub(super) fn route(&mut self) {
        self.route_due = false;
        let Some(team) = self.team.as_ref().filter(|_| self.read) else { return };
        let (mode, strategy) = (team.assignment, team.strategy);
        if mode == AssignmentMode::Manual || !self.members.somebody_is_free() {
            return;
        }
        let mut giving = self.queue.iter().filter(|waiting| matches!(waiting.step, Step::Giving(_))).count();
        let free: Vec<ConversationId> = self
            .queue
            .iter()
            .filter(|waiting| matches!(waiting.step, Step::Free))
            .map(|waiting| waiting.conversation)
            .collect();
        for conversation in free {
            if !self.members.somebody_is_free() || giving >= GIVING_MAX {
                return;
            }
            let Some(waiting) = self.queue.get(conversation) else { continue };
            let candidates = self.candidates(waiting);
            let Some(Choice { agent, rule }) = choose(strategy, waiting.preferred, &candidates) else {
                continue;
            };
            let why = Explanation::of(rule, &candidates).kept(agent);
            match mode {
                AssignmentMode::Offer => self.offer(conversation, agent, why),
                AssignmentMode::Auto => {
                    giving += 1;
                    self.give(conversation, agent, why);
                }
                AssignmentMode::Manual => {}
            }
        }
    }

    pub(super) fn candidates(&self, waiting: &Waiting) -> Vec<Candidate> {
        let now = Instant::now();
        let all = self.members.candidates(&waiting.needs);
        all.into_iter().map(|candidate| waiting.judge(candidate, now)).collect()
    }

    fn offer(&mut self, conversation: ConversationId, agent: AgentId, why: Explanation) {
        let timeout = self.accept_timeout();
        let Some(waiting) = self.queue.get_mut(conversation) else { return };
        waiting.step = Step::Offered(Offer { agent, ends: Instant::now() + timeout, why });
        self.members.take_in_hand(agent);
        Stats::add(&self.node.stats.offers, 1);
        let expires_at = self.node.clock.now().plus_ms(timeout.as_millis() as u64);
        self.node.outbox.put(Notice::Offer {
            agent: self.agent_key(agent),
            team: self.key.team,
            conversation,
            expires_at,
        });
        self.node.watchers.touch(self.key_of(conversation), self.key.team, None);
    }

    fn accept_timeout(&self) -> Duration {
        let asked = self.team.as_ref().and_then(|team| team.accept_timeout_s);
        asked.map_or(self.node.settings.accept_timeout, |seconds| Duration::from_secs(seconds.into()))
    }

    fn give(&mut self, conversation: ConversationId, agent: AgentId, why: Explanation) {
        let Some(card) = self.members.card(agent) else { return };
        let Some(waiting) = self.queue.get_mut(conversation) else { return };
        waiting.step = Step::Giving(agent);
        let epoch = waiting.epoch;
        self.members.take_in_hand(agent);
        let (node, key, myself) = (Node::of(&self.node), self.key_of(conversation), self.myself.clone());
        tokio::spawn(async move {
            let given = assignment::give(&node, key, card, epoch, why).await;
            // A router that ended has forgotten it.
            let _ = myself.cast(TeamMessage::Given { conversation, agent, given });
        });
    }

    pub(super) fn given(&mut self, conversation: ConversationId, agent: AgentId, given: Given) {
        let waiting = self.queue.get_mut(conversation);
        let Some(waiting) = waiting.filter(|waiting| matches!(waiting.step, Step::Giving(to) if to == agent))
        else {
            // Word that it left the queue came first, and let him go.
            return;
        };
        match given {
            // It leaves the queue by the conversation's own word; if that was lost, by the sweep.
            Given::Done => {
                Stats::add(&self.node.stats.given, 1);
                return;
            }
            // He is not what he told: let him tell anew.
            Given::Refused => {
                waiting.step = Step::Free;
                self.members.forget(agent);
                self.node.outbox.put(Notice::Report { agent: self.agent_key(agent), team: self.key.team });
                self.route_soon();
            }
            // Its own word says where it went, or the sweep does.
            Given::Moved => drop(self.queue.remove(conversation)),
            Given::Failed => waiting.step = Step::Free,
        }
        self.members.let_go(agent);
        if given != Given::Refused {
            self.sweep_soon();
        }
    }

    pub(super) fn decline(
        &mut self,
        conversation: ConversationId,
        agent: AgentId,
        client_id: Option<ClientId>,
    ) -> Result<(), Rejection> {
        if client_id.as_ref().is_some_and(|name| self.declined.knows(conversation, agent, name)) {
            return Ok(());
        }
        let offered = self.queue.get(conversation).and_then(Waiting::offer);
        if offered.is_none_or(|offer| offer.agent != agent) {
            return Err(Rejection::Conflict("the conversation is not offered to this agent"));
        }
        if let Some(client_id) = client_id {
            self.declined.remember(conversation, agent, client_id);
        }
        self.pass_over(conversation, agent, OfferEnd::Declined);
        Ok(())
    }

    /// His actor is not there, or does not take it.
    pub(super) fn refused(&mut self, conversation: ConversationId, agent: AgentId) {
        if self.queue.get(conversation).and_then(Waiting::offer).is_some_and(|offer| offer.agent == agent) {
            self.members.forget(agent);
            self.withdraw_from(agent);
            self.node.outbox.put(Notice::Report { agent: self.agent_key(agent), team: self.key.team });
        }
    }

    pub(super) fn expire_offers(&mut self, now: Instant) {
        let over = |waiting: &&Waiting| waiting.offer().is_some_and(|offer| offer.ends <= now);
        let expired: Vec<(ConversationId, AgentId)> = self
            .queue
            .iter()
            .filter(over)
            .filter_map(|waiting| Some((waiting.conversation, waiting.with()?)))
            .collect();
        for (conversation, agent) in expired {
            Stats::add(&self.node.stats.offers_missed, 1);
            self.pass_over(conversation, agent, OfferEnd::Expired);
        }
    }

    /// He gets no offers now: those that he has go on to others.
    pub(super) fn withdraw_from(&mut self, agent: AgentId) {
        let his = |waiting: &&Waiting| waiting.offer().is_some_and(|offer| offer.agent == agent);
        let offered: Vec<ConversationId> =
            self.queue.iter().filter(his).map(|waiting| waiting.conversation).collect();
        for conversation in offered {
            self.end_step(conversation, agent, OfferEnd::Withdrawn);
        }
    }

    /// He had his chance; now another's.
    fn pass_over(&mut self, conversation: ConversationId, agent: AgentId, why: OfferEnd) {
        let order = self.members.next_turn();
        if let Some(waiting) = self.queue.get_mut(conversation) {
            waiting.say_no(agent, Exclusion::PassedOver, order, None);
        }
        self.end_step(conversation, agent, why);
    }

    fn end_step(&mut self, conversation: ConversationId, agent: AgentId, why: OfferEnd) {
        if let Some(waiting) = self.queue.get_mut(conversation) {
            waiting.step = Step::Free;
        }
        self.members.let_go(agent);
        self.end_offer(agent, conversation, why);
        self.node.watchers.touch(self.key_of(conversation), self.key.team, None);
        self.route_soon();
    }

    pub(super) fn end_offer(&self, agent: AgentId, conversation: ConversationId, why: OfferEnd) {
        self.node.outbox.put(Notice::OfferEnded {
            agent: self.agent_key(agent),
            team: self.key.team,
            conversation,
            why,
        });
    }
}
