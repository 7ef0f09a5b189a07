//! What a team's router keeps: the team's queue and who of its agents is there; it offers or gives each waiting conversation
//! to one of them.
//!
//! All of it is memory, made anew from the live index and from agents' reports. An offer binds nobody; what is assigned is
//! decided by the agent's own actor and by the conversation's log, so a router that errs costs a refusal, never a second
//! owner. A router lives as long as its node: there is one for each team at most.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use domain::{AgentId, ConversationId, Exclusion, Pace, ReleaseReason, Team, Timestamp};
use ractor::ActorRef;
use store::ConversationKey;
use tokio::time::Instant;

use super::declined::Declined;
use super::members::Members;
use super::questions::Questions;
use super::queue::{Queue, Step, Waiting};
use crate::mail::{QueueGauges, TeamMessage};
use crate::runtime::Context;
use crate::words::{
    AgentKey, AgentReport, Before, Joined, Notice, OfferEnd, QueueNews, QueuePosition, TeamKey,
};

/// How soon a queue that moves is shown to its visitors and agents again.
const TELL_VISITORS: Duration = Duration::from_secs(2);
const TELL_AGENTS: Duration = Duration::from_secs(1);
/// An agent who gave a conversation back is not asked again for so long, unless no other is there.
const RELEASED_FOR: Duration = Duration::from_secs(60);

/// A router in memory.
pub(super) struct Router {
    pub(super) node: Arc<Context>,
    pub(super) key: TeamKey,
    pub(super) myself: ActorRef<TeamMessage>,
    /// None until it was read, or when it is gone: then nothing is routed.
    pub(super) team: Option<Team>,
    pub(super) members: Members,
    pub(super) queue: Queue,
    /// The queue was read since this router began. Before that its order is not known, and nothing is routed.
    pub(super) read: bool,
    pub(super) questions: Questions,
    pub(super) declined: Declined,
    pace: Pace,
    /// A message to route is on its way.
    pub(super) route_due: bool,
    /// Counts what joined or left: a reading of the queue is trusted only for what did not move meanwhile.
    pub(super) moves: u64,
    /// When each that did last moved, since the last reading began.
    pub(super) moved: HashMap<ConversationId, u64>,
    /// What left the queue since then: when it had been queued, and after which assignment.
    pub(super) gone: HashMap<ConversationId, (Timestamp, u64)>,
    /// How often the queue had moved when the last reading that was heeded began.
    pub(super) heeded: u64,
    /// Something failed, and the queue, or the records, are read again soon.
    pub(super) reconciles_soon: bool,
    pub(super) loads_soon: bool,
    /// The queue moved since its visitors were told.
    pub(super) visitors_due: bool,
    visitors_told: Instant,
    agents_told: Instant,
    /// As agents were last told.
    news: Option<QueueNews>,
    /// Of the queue, for those who do not ask.
    gauges: Arc<QueueGauges>,
}

impl Router {
    pub(super) fn new(
        node: Arc<Context>,
        key: TeamKey,
        gauges: Arc<QueueGauges>,
        myself: ActorRef<TeamMessage>,
    ) -> Self {
        let now = Instant::now();
        Self {
            node,
            key,
            myself,
            team: None,
            members: Members::default(),
            queue: Queue::default(),
            read: false,
            questions: Questions::default(),
            declined: Declined::default(),
            pace: Pace::default(),
            route_due: false,
            moves: 0,
            moved: HashMap::new(),
            gone: HashMap::new(),
            heeded: 0,
            reconciles_soon: false,
            loads_soon: false,
            gauges,
            visitors_due: false,
            visitors_told: now,
            agents_told: now,
            news: None,
        }
    }

    /// After each message.
    pub(super) fn show(&self) {
        self.gauges.set(self.queue.len(), self.queue.first().map(|first| first.queued_at));
    }

    pub(super) fn expected_wait_s(&self, position: u64) -> Option<u64> {
        self.members.there().next()?;
        self.pace.expected_wait_s(position)
    }

    /// By its own notice, or because the store lists it.
    pub(super) fn joined(&mut self, joined: Joined) {
        let Joined { conversation, queued_at, epoch, visitor, needs, from } = joined;
        if self
            .queue
            .get(conversation)
            .is_some_and(|known| (known.queued_at, known.epoch, known.visitor) == (queued_at, epoch, visitor))
        {
            return;
        }
        let mut waiting = Waiting::new(conversation, (queued_at, epoch), visitor, needs);
        let order = self.members.next_turn();
        match from {
            None => self.recall(conversation, visitor),
            Some(Before::Ended(agent)) => {
                waiting.step = Step::Free;
                waiting.preferred = Some(agent);
            }
            Some(Before::Lost(agent, reason)) => {
                waiting.step = Step::Free;
                match reason {
                    ReleaseReason::Released => {
                        let until = Instant::now() + RELEASED_FOR;
                        waiting.exclude(agent, Exclusion::Released, order, Some(until));
                    }
                    ReleaseReason::Transfer => {
                        waiting.exclude(agent, Exclusion::TransferredAway, order, None)
                    }
                    // The agent did not give it up: when they are back they are asked first.
                    ReleaseReason::AgentGone
                    | ReleaseReason::Offline
                    | ReleaseReason::OverCapacity
                    | ReleaseReason::Disabled => waiting.preferred = Some(agent),
                }
            }
        }
        if let Some(before) = self.queue.insert(waiting) {
            self.drop_step(&before, OfferEnd::Withdrawn);
        }
        self.visitors_due = true;
        // It has a position now, which sockets that were shown the conversation may not have seen.
        self.node.hub.lists.touch(self.key_of(conversation), self.key.team, None);
        self.answer_questions();
        self.route_soon();
    }

    pub(super) fn left(&mut self, conversation: ConversationId, taken: Option<AgentId>) {
        self.note_move(conversation);
        let Some(waiting) = self.queue.remove(conversation) else { return };
        self.gone.insert(conversation, (waiting.queued_at, waiting.epoch));
        self.visitors_due = true;
        if taken.is_some() {
            self.pace.assigned(self.node.uptime_ms());
            self.node.stats.waited(self.node.clock.now().ms_since(waiting.queued_at));
        }
        let accepted = taken.is_some() && taken == waiting.with();
        self.drop_step(&waiting, if accepted { OfferEnd::Accepted } else { OfferEnd::Taken });
        self.route_soon();
    }

    pub(super) fn agent(&mut self, report: AgentReport) {
        let agent = report.agent;
        if self.members.heed(report)
            && let Some(news) = self.news
        {
            self.tell_agent(agent, news);
        }
        if !self.members.gets_offers(agent) {
            self.withdraw_from(agent);
        }
        self.route_soon();
    }

    /// What was in hand for it is no more.
    pub(super) fn drop_step(&mut self, waiting: &Waiting, why: OfferEnd) {
        let Some(agent) = waiting.with() else { return };
        self.members.let_go(agent);
        if waiting.offer().is_some() {
            self.end_offer(agent, waiting.conversation, why);
        }
    }

    pub(super) fn note_move(&mut self, conversation: ConversationId) {
        self.moves += 1;
        self.moved.insert(conversation, self.moves);
    }

    pub(super) fn key_of(&self, conversation: ConversationId) -> ConversationKey {
        ConversationKey { workspace: self.key.workspace, conversation }
    }

    pub(super) fn agent_key(&self, agent: AgentId) -> AgentKey {
        AgentKey { workspace: self.key.workspace, agent }
    }

    /// Once for all messages that wait now.
    pub(super) fn route_soon(&mut self) {
        if !self.route_due {
            self.route_due = true;
            // An actor that ends routes no more.
            let _ = self.myself.cast(TeamMessage::Route);
        }
    }

    pub(super) fn tick(&mut self) {
        let now = Instant::now();
        self.expire_offers(now);
        self.expire_gifts(now);
        self.end_rests(now);
        self.questions.drop_gone();
        if self.visitors_due && now >= self.visitors_told + TELL_VISITORS {
            self.visitors_due = false;
            self.visitors_told = now;
            self.tell_visitors();
        }
        if now >= self.agents_told + TELL_AGENTS {
            let since = self.queue.first().map(|first| first.queued_at);
            let news = QueueNews { team: self.key.team, waiting: self.queue.len(), since };
            if self.news.replace(news) != Some(news) {
                self.agents_told = now;
                for agent in self.members.attending().collect::<Vec<_>>() {
                    self.tell_agent(agent, news);
                }
            }
        }
    }

    fn tell_visitors(&mut self) {
        let there = self.members.there().next().is_some();
        let Self { queue, pace, node, key, .. } = self;
        for (position, waiting) in (1..).zip(queue.iter_mut()) {
            let expected_wait_s = pace.expected_wait_s(position).filter(|_| there);
            if waiting.told.replace((position, expected_wait_s)) != Some((position, expected_wait_s)) {
                let place = QueuePosition { position, expected_wait_s, offered_to: None };
                node.hub.lists.place(key.workspace, waiting.visitor, waiting.conversation, place);
            }
        }
    }

    fn tell_agent(&self, agent: AgentId, news: QueueNews) {
        self.node.outbox.put(Notice::Queue { agent: self.agent_key(agent), news });
    }
}
