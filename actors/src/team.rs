//! The router of one team: it keeps the team's queue and who of its agents is there, and offers or gives each waiting
//! conversation to one of them.
//!
//! All of it is memory, made anew from the live index and from what agents tell. An offer binds nobody; what is
//! assigned is decided by the agent's own actor and by the conversation's log ([`crate::assignment`]), so a router that
//! errs costs a refusal, never a second owner. It lives as long as its node: there is one for each team at most.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use domain::{
    AgentId, ClientId, ConversationId, Exclusion, Explanation, Needs, Pace, Rejection, ReleaseReason, Team,
    TeamId, Timestamp, VisitorId, WorkspaceId,
};
use ractor::{Actor, ActorProcessingErr, ActorRef, ActorStatus};
use store::{ConversationKey, StoreError};
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::admission::{Admission, Permit};
use crate::node::Shared;
use crate::registry::Handle;
use crate::{AgentKey, AgentState, ExecuteError, Notice, OfferEnd, QueueNews};

mod gauges;
mod history;
mod members;
mod offers;
mod places;
mod queue;
mod sweep;

use gauges::QueueGauges;
use members::Members;
use offers::Declined;
use places::Asked;
use queue::{Queue, Step, Waiting};

pub(crate) use offers::Given;
pub(crate) use sweep::Roster;

/// A team, with the workspace without which it is not found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TeamKey {
    /// Whose it is.
    pub workspace: WorkspaceId,
    /// Names it there.
    pub team: TeamId,
}

/// A conversation that joined a team's queue, or changed in it.
#[derive(Clone, Debug)]
pub struct Joined {
    /// Which.
    pub conversation: ConversationId,
    /// When it first joined this queue.
    pub queued_at: Timestamp,
    /// Of its last assignment.
    pub epoch: u64,
    /// Who waits.
    pub visitor: VisitorId,
    /// What it asks of its agent.
    pub needs: Needs,
    /// What was before it joined.
    pub from: Option<Before>,
}

/// What was before a conversation joined a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Before {
    /// This agent had it, and lost it.
    Lost(AgentId, ReleaseReason),
    /// It had ended, and this agent had it last.
    Ended(AgentId),
}

/// Where a conversation stands in its queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// From 1.
    pub position: u64,
    /// By the pace of the last assignments; none while that is not known, or nobody is there.
    pub expected_wait_s: Option<u64>,
    /// Who may accept it just now.
    pub offered_to: Option<AgentId>,
}

pub(crate) enum TeamMessage {
    Joined(Box<Joined>),
    /// It waits no longer; `taken`: somebody has it.
    Left {
        conversation: ConversationId,
        taken: Option<AgentId>,
    },
    /// Who had the visitor's last conversation.
    Recalled {
        conversation: ConversationId,
        agent: Option<AgentId>,
    },
    Agent(Box<AgentState>),
    Decline {
        conversation: ConversationId,
        agent: AgentId,
        /// His own name for it: a repeat declines nothing more.
        client_id: Option<ClientId>,
        reply: oneshot::Sender<Result<(), Rejection>>,
        permit: Permit,
    },
    /// An offer found its agent not there.
    Refused {
        conversation: ConversationId,
        agent: AgentId,
    },
    Given {
        conversation: ConversationId,
        agent: AgentId,
        given: Given,
    },
    Place {
        conversation: ConversationId,
        reply: oneshot::Sender<Option<Place>>,
        permit: Permit,
    },
    /// The same of one that is on its way here: answered when it has come.
    PlaceWhenKnown {
        conversation: ConversationId,
        /// When it was queued, and after which assignment.
        since: (Timestamp, u64),
        reply: oneshot::Sender<Option<Place>>,
        permit: Permit,
    },
    /// How many wait; none: not known yet.
    Waiting {
        reply: oneshot::Sender<Option<usize>>,
        permit: Permit,
    },
    /// Why it is offered to whom it is offered, or would be; none: it does not wait here.
    Explain {
        conversation: ConversationId,
        reply: oneshot::Sender<Option<(Place, Explanation)>>,
        permit: Permit,
    },
    Route,
    Tick,
    /// Records were changed.
    Reload,
    Loaded(Box<Result<Roster, StoreError>>),
    Sweep,
    /// The queue was not read.
    Unread,
    Swept {
        began: u64,
        listed: Vec<Joined>,
    },
}

#[derive(Clone)]
pub(crate) struct TeamHandle {
    pub(crate) actor: ActorRef<TeamMessage>,
    /// In front of those who ask and wait; what other actors tell is bounded by their outbox.
    pub(crate) admission: Admission,
    pub(crate) queue: Arc<QueueGauges>,
}

impl Handle for TeamHandle {
    fn lives(&self) -> bool {
        self.actor.get_status() < ActorStatus::Draining
    }
}

/// How soon its visitors and agents are told again of a queue that moves.
const TELL_VISITORS: Duration = Duration::from_secs(2);
const TELL_AGENTS: Duration = Duration::from_secs(1);
/// Who gave a conversation back is not asked for so long, unless he is alone.
const RELEASED_FOR: Duration = Duration::from_secs(60);

pub(crate) struct RouterActor;

/// What the actor keeps.
pub(crate) struct Desk {
    node: Arc<Shared>,
    key: TeamKey,
    myself: ActorRef<TeamMessage>,
    /// None until it was read, or when it is gone: then nothing is routed.
    team: Option<Team>,
    members: Members,
    queue: Queue,
    /// The queue was read since this router began. Before that its order is not known, and nothing is routed.
    read: bool,
    asked: Asked,
    declined: Declined,
    pace: Pace,
    /// A message to route is on its way.
    route_due: bool,
    /// Counts what joined or left: a sweep trusts its look only for what did not move meanwhile.
    moves: u64,
    /// When each that did last moved, since the last sweep began.
    moved: HashMap<ConversationId, u64>,
    /// What left the queue since then: when it had been queued, and after which assignment.
    gone: HashMap<ConversationId, (Timestamp, u64)>,
    swept: u64,
    /// Something failed, and a sweep, or another look at the records, comes soon.
    sweeps_soon: bool,
    loads_soon: bool,
    /// The queue moved since its visitors were told.
    visitors_due: bool,
    visitors_told: Instant,
    agents_told: Instant,
    /// As agents were last told.
    news: Option<QueueNews>,
    /// Of the queue, for those who do not ask.
    gauges: Arc<QueueGauges>,
}

/// Starts the router of `key`; it reads its team by itself.
pub(crate) async fn start(node: &Arc<Shared>, key: TeamKey) -> Result<TeamHandle, ExecuteError> {
    let supervisor = node.supervisor.get_cell();
    let queue = Arc::new(QueueGauges::default());
    let opened = (Arc::clone(node), key, Arc::clone(&queue));
    let (actor, _) =
        RouterActor::spawn_linked(None, RouterActor, opened, supervisor).await.map_err(|error| {
            tracing::warn!(%error, "a team's router was not started");
            ExecuteError::Overloaded
        })?;
    Ok(TeamHandle { actor, admission: Admission::new(node.settings.mailbox_places), queue })
}

impl Actor for RouterActor {
    type Msg = TeamMessage;
    type State = Desk;
    type Arguments = (Arc<Shared>, TeamKey, Arc<QueueGauges>);

    async fn pre_start(
        &self,
        myself: ActorRef<TeamMessage>,
        (node, key, gauges): Self::Arguments,
    ) -> Result<Desk, ActorProcessingErr> {
        let now = Instant::now();
        let mut desk = Desk {
            node,
            key,
            myself,
            team: None,
            members: Members::default(),
            queue: Queue::default(),
            read: false,
            asked: Asked::default(),
            declined: Declined::default(),
            pace: Pace::default(),
            route_due: false,
            moves: 0,
            moved: HashMap::new(),
            gone: HashMap::new(),
            swept: 0,
            sweeps_soon: false,
            loads_soon: false,
            gauges,
            visitors_due: false,
            visitors_told: now,
            agents_told: now,
            news: None,
        };
        desk.load();
        Ok(desk)
    }

    async fn handle(
        &self,
        _: ActorRef<TeamMessage>,
        message: TeamMessage,
        desk: &mut Desk,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            TeamMessage::Joined(joined) => {
                desk.note_move(joined.conversation);
                desk.joined(*joined);
            }
            TeamMessage::Left { conversation, taken } => desk.left(conversation, taken),
            TeamMessage::Recalled { conversation, agent } => desk.recalled(conversation, agent),
            TeamMessage::Agent(state) => desk.agent(*state),
            // Whoever asked may be gone; the answer is only for him.
            TeamMessage::Decline { conversation, agent, client_id, reply, permit: _permit } => {
                let _ = reply.send(desk.decline(conversation, agent, client_id));
            }
            TeamMessage::Refused { conversation, agent } => desk.refused(conversation, agent),
            TeamMessage::Given { conversation, agent, given } => desk.given(conversation, agent, given),
            TeamMessage::Place { conversation, reply, permit: _permit } => {
                let _ = reply.send(desk.place(conversation));
            }
            // He waits in a list with a bound of its own.
            TeamMessage::PlaceWhenKnown { conversation, since, reply, permit: _permit } => {
                desk.place_when_known(conversation, since, reply);
            }
            TeamMessage::Waiting { reply, permit: _permit } => {
                let _ = reply.send(desk.waiting());
            }
            TeamMessage::Explain { conversation, reply, permit: _permit } => {
                let _ = reply.send(desk.explain(conversation));
            }
            TeamMessage::Route => desk.route(),
            TeamMessage::Tick => desk.tick(),
            TeamMessage::Reload => desk.load(),
            TeamMessage::Loaded(loaded) => desk.loaded(*loaded),
            TeamMessage::Sweep => desk.sweep(),
            TeamMessage::Unread => desk.sweep_soon(),
            TeamMessage::Swept { began, listed } => desk.swept(began, listed),
        }
        desk.gauges.set(desk.queue.len(), desk.queue.first().map(|first| first.queued_at));
        Ok(())
    }
}

impl Desk {
    /// By its own word, or by a sweep's.
    fn joined(&mut self, joined: Joined) {
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
                        waiting.say_no(agent, Exclusion::Released, order, Some(until));
                    }
                    ReleaseReason::Transfer => waiting.say_no(agent, Exclusion::TransferredAway, order, None),
                    // He lost it against his will, or without one: when he is back it is his first.
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
        // It has a place now, which whoever was told of the conversation itself may not have seen.
        self.node.watchers.touch(self.key_of(conversation), self.key.team, None);
        self.answer_asked();
        self.route_soon();
    }

    fn left(&mut self, conversation: ConversationId, taken: Option<AgentId>) {
        self.note_move(conversation);
        let Some(waiting) = self.queue.remove(conversation) else { return };
        self.gone.insert(conversation, (waiting.queued_at, waiting.epoch));
        self.visitors_due = true;
        if taken.is_some() {
            self.pace.assigned(self.node.uptime_ms());
            self.node.stats.waited(self.node.clock.now().ms_since(waiting.queued_at));
        }
        let his = taken.is_some() && taken == waiting.with();
        self.drop_step(&waiting, if his { OfferEnd::Accepted } else { OfferEnd::Taken });
        self.route_soon();
    }

    fn agent(&mut self, state: AgentState) {
        let agent = state.agent;
        if self.members.tell(state)
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
    fn drop_step(&mut self, waiting: &Waiting, why: OfferEnd) {
        let Some(agent) = waiting.with() else { return };
        self.members.let_go(agent);
        if waiting.offer().is_some() {
            self.end_offer(agent, waiting.conversation, why);
        }
    }

    fn note_move(&mut self, conversation: ConversationId) {
        self.moves += 1;
        self.moved.insert(conversation, self.moves);
    }

    fn key_of(&self, conversation: ConversationId) -> ConversationKey {
        ConversationKey { workspace: self.key.workspace, conversation }
    }

    fn agent_key(&self, agent: AgentId) -> AgentKey {
        AgentKey { workspace: self.key.workspace, agent }
    }

    /// Once for all messages that wait now.
    fn route_soon(&mut self) {
        if !self.route_due {
            self.route_due = true;
            // An actor that ends routes no more.
            let _ = self.myself.cast(TeamMessage::Route);
        }
    }

    fn tick(&mut self) {
        let now = Instant::now();
        self.expire_offers(now);
        self.asked.drop_gone();
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
                let place = Place { position, expected_wait_s, offered_to: None };
                node.watchers.place(key.workspace, waiting.visitor, waiting.conversation, place);
            }
        }
    }

    fn tell_agent(&self, agent: AgentId, news: QueueNews) {
        self.node.outbox.put(Notice::Queue { agent: self.agent_key(agent), news });
    }
}

#[cfg(test)]
mod tests;
