//! From the queue to an agent: choosing, offering, giving, and what becomes of it.

use std::time::Duration;

use domain::{
    AgentId, AssignmentMode, Candidate, Choice, ConversationId, Exclusion, Explanation, Rejection, choose,
};
use tokio::time::Instant;

use super::queue::{Offer, Step, Waiting};
use super::router::Router;
use crate::runtime::Stats;
use crate::words::{Decline, Given, Notice, OfferEnd};

/// Assignments of one team that are being written at once.
const GIVING_MAX: usize = 64;
/// An assignment whose outcome was not told for so long is tried again: longer than its reservation and its append may take.
const GIVING_FOR: Duration = Duration::from_secs(30);
/// How long a conversation that could not be given is left alone: a store that fails fails often at once.
const REST: Duration = Duration::from_secs(1);

impl Router {
    /// Offers or gives, from the front of the queue, as long as some agent is free.
    pub(super) fn route(&mut self) {
        self.route_due = false;
        let Some(team) = self.team.as_ref().filter(|_| self.read) else { return };
        let (mode, strategy) = (team.assignment, team.strategy);
        if mode == AssignmentMode::Manual || !self.members.any_is_free() {
            return;
        }
        let mut giving =
            self.queue.iter().filter(|waiting| matches!(waiting.step, Step::Giving { .. })).count();
        let free: Vec<ConversationId> = self
            .queue
            .iter()
            .filter(|waiting| matches!(waiting.step, Step::Free))
            .map(|waiting| waiting.conversation)
            .collect();
        for conversation in free {
            if !self.members.any_is_free() || giving >= GIVING_MAX {
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
        let position = self.position(conversation).unwrap_or_default();
        self.node.outbox.put(Notice::Offer {
            agent: self.agent_key(agent),
            team: self.key.team,
            conversation,
            position,
            expires_at,
        });
        self.node.hub.lists.touch(self.key_of(conversation), self.key.team, None);
    }

    fn accept_timeout(&self) -> Duration {
        let asked = self.team.as_ref().and_then(|team| team.accept_timeout_s);
        asked.map_or(self.node.settings.accept_timeout, |seconds| Duration::from_secs(seconds.into()))
    }

    fn give(&mut self, conversation: ConversationId, agent: AgentId, why: Explanation) {
        let Some(card) = self.members.card(agent) else { return };
        let Some(waiting) = self.queue.get_mut(conversation) else { return };
        waiting.step = Step::Giving { agent, since: Instant::now() };
        let epoch = waiting.epoch;
        self.members.take_in_hand(agent);
        let (team, why) = (self.key, Box::new(why));
        self.node.outbox.put(Notice::Give { team, conversation, to: card, epoch, why });
    }

    pub(super) fn given(&mut self, conversation: ConversationId, agent: AgentId, given: Given) {
        let waiting = self.queue.get_mut(conversation);
        let Some(waiting) =
            waiting.filter(|waiting| matches!(waiting.step, Step::Giving { agent: to, .. } if to == agent))
        else {
            // It left the queue meanwhile, or was taken to be lost: the agent is free for others already.
            return;
        };
        match given {
            // It leaves the queue by the conversation's own notice; if that is lost, when the queue is read.
            Given::Done => {
                Stats::add(&self.node.stats.given, 1);
                return;
            }
            // The agent is not as reported: their actor is to report again.
            Given::Refused => {
                waiting.step = Step::Free;
                self.members.forget(agent);
                self.node.outbox.put(Notice::Report { agent: self.agent_key(agent), team: self.key.team });
                self.route_soon();
            }
            // Its own notice says where it went, or the next reading does.
            Given::Moved => drop(self.queue.remove(conversation)),
            Given::Failed => waiting.step = Step::Resting(Instant::now() + REST),
        }
        self.members.let_go(agent);
        if given != Given::Refused {
            self.reconcile_soon();
        }
    }

    /// A notice to give, or the one of its outcome, may have been lost: then it is as if it had failed. What is written late
    /// all the same is refused by the epoch, or stands.
    pub(super) fn expire_gifts(&mut self, now: Instant) {
        let since = |waiting: &Waiting| match waiting.step {
            Step::Giving { agent, since } if now >= since + GIVING_FOR => Some((waiting.conversation, agent)),
            Step::Giving { .. } | Step::Looking | Step::Free | Step::Resting(_) | Step::Offered(_) => None,
        };
        let lost: Vec<(ConversationId, AgentId)> = self.queue.iter().filter_map(since).collect();
        for (conversation, agent) in lost {
            self.given(conversation, agent, Given::Failed);
        }
    }

    /// Those that have rested may be given again.
    pub(super) fn end_rests(&mut self, now: Instant) {
        let rested = |waiting: &&mut Waiting| matches!(waiting.step, Step::Resting(until) if now >= until);
        let mut any = false;
        for waiting in self.queue.iter_mut().filter(rested) {
            waiting.step = Step::Free;
            any = true;
        }
        if any {
            self.route_soon();
        }
    }

    pub(super) fn decline(
        &mut self,
        Decline { conversation, agent, client_id }: Decline,
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

    /// The agent's actor is not there, or does not take it.
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

    /// The agent gets no offers now: those that they have go on to others.
    pub(super) fn withdraw_from(&mut self, agent: AgentId) {
        let to_agent = |waiting: &&Waiting| waiting.offer().is_some_and(|offer| offer.agent == agent);
        let offered: Vec<ConversationId> =
            self.queue.iter().filter(to_agent).map(|waiting| waiting.conversation).collect();
        for conversation in offered {
            self.end_step(conversation, agent, OfferEnd::Withdrawn);
        }
    }

    /// The agent does not take it; now another may.
    fn pass_over(&mut self, conversation: ConversationId, agent: AgentId, why: OfferEnd) {
        let order = self.members.next_turn();
        if let Some(waiting) = self.queue.get_mut(conversation) {
            waiting.exclude(agent, Exclusion::PassedOver, order, None);
        }
        self.end_step(conversation, agent, why);
    }

    fn end_step(&mut self, conversation: ConversationId, agent: AgentId, why: OfferEnd) {
        if let Some(waiting) = self.queue.get_mut(conversation) {
            waiting.step = Step::Free;
        }
        self.members.let_go(agent);
        self.end_offer(agent, conversation, why);
        self.node.hub.lists.touch(self.key_of(conversation), self.key.team, None);
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
