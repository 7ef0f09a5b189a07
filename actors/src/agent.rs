//! The actor of one agent who is there: his will, his presence, and what he carries. It alone approves what is
//! assigned to him, so that capacity is never passed, however many assignments race.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use domain::{
    Absent, Agent, AgentId, ConversationId, Head, Load, Rejection, ReleaseReason, Status, TeamId, Timestamp,
    WorkspaceId,
};
use ractor::{Actor, ActorProcessingErr, ActorRef, ActorStatus};
use tokio::sync::oneshot;

use crate::admission::{Admission, Permit};
use crate::node::Shared;
use crate::registry::Handle;
use crate::stats::Stats;
use crate::team::TeamKey;
use crate::{ExecuteError, Loss, Notice, OfferEnd, Push, PushSender, QueueNews};

mod give_back;
mod offers;
mod presence;
mod sweep;
mod will;

pub(crate) use presence::Presence;
pub(crate) use will::write_status;

use offers::{Misses, Offers};
use sweep::{held_by, teams_of};

/// An agent, with the workspace without which he is not found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AgentKey {
    /// Whose he is.
    pub workspace: WorkspaceId,
    /// Names him there.
    pub agent: AgentId,
}

/// An agent as his actor sees him.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentView {
    /// His will.
    pub status: Status,
    /// A socket of his is open, or he asked for something within the grace time.
    pub present: bool,
    /// How many conversations he may hold.
    pub capacity: u32,
    /// How many he holds, is about to, or is offered.
    pub load: usize,
    /// What he holds, by id.
    pub conversations: Vec<ConversationId>,
    /// What he is offered, each with the time until which he may accept it.
    pub offers: Vec<(ConversationId, Timestamp)>,
}

/// How an agent is, as the routers of his teams are told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentState {
    /// Who.
    pub agent: AgentId,
    /// His will; of one who is disabled `offline`.
    pub status: Status,
    /// He is there.
    pub present: bool,
    /// How many he holds or is about to.
    pub carried: u32,
    /// How many other teams offer him.
    pub offered_elsewhere: u32,
    /// How many he may hold.
    pub capacity: u32,
}

impl AgentState {
    /// He wants conversations, and is there.
    pub(crate) fn gets_offers(&self) -> bool {
        self.status == Status::Online && self.present
    }

    /// Online or away, and there: the queue is the agent's business.
    pub(crate) fn attends(&self) -> bool {
        self.status != Status::Offline && self.present
    }
}

/// How an assignment came about; it decides what the agent has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reserve {
    /// He asked for it himself: he may be away.
    Asked,
    /// Another gives it to him: he must be present.
    Given,
}

pub(crate) enum AgentMessage {
    Reserve {
        conversation: ConversationId,
        how: Reserve,
        reply: oneshot::Sender<Result<(), Rejection>>,
        permit: Permit,
    },
    /// What became of a reservation: the epoch of the assignment, if it was written.
    Settle {
        conversation: ConversationId,
        assigned: Option<u64>,
    },
    /// The log says that he has it, since `epoch`.
    Assigned {
        conversation: ConversationId,
        epoch: u64,
        head: Arc<Head>,
    },
    /// The log says that he has it no more, since that assignment.
    Lost {
        conversation: ConversationId,
        epoch: u64,
        why: Loss,
    },
    SetStatus {
        status: Status,
        reply: oneshot::Sender<AgentView>,
        permit: Permit,
    },
    /// The record was changed by an admin.
    Changed {
        capacity: u32,
        disabled: bool,
    },
    Attach {
        session: u64,
        sender: PushSender,
        reply: oneshot::Sender<AgentView>,
        permit: Permit,
    },
    Detach {
        session: u64,
    },
    View {
        reply: oneshot::Sender<AgentView>,
        permit: Permit,
    },
    /// He came, or went.
    PresenceMoved,
    /// The teams that he is in now.
    Teams(Vec<TeamId>),
    /// Which teams he is in is to be looked up anew.
    TeamsChanged,
    Offer {
        team: TeamId,
        conversation: ConversationId,
        expires_at: Timestamp,
    },
    OfferEnded {
        team: TeamId,
        conversation: ConversationId,
        why: OfferEnd,
    },
    /// What an offered conversation is shown with has changed.
    OfferTouched(ConversationId),
    /// This team's router wants to know how he is.
    Report(TeamId),
    Queue(QueueNews),
    Sweep,
    /// Something that he asked of the store was not done.
    Failed,
    Swept {
        before: Vec<(ConversationId, u64)>,
        listed: Vec<(ConversationId, u64)>,
    },
}

#[derive(Clone)]
pub(crate) struct AgentHandle {
    pub(crate) actor: ActorRef<AgentMessage>,
    pub(crate) admission: Admission,
    pub(crate) presence: Arc<Presence>,
}

impl Handle for AgentHandle {
    fn lives(&self) -> bool {
        self.actor.get_status() < ActorStatus::Draining
    }
}

/// An agent that nobody asked for during this time, and whom no socket holds, leaves memory.
const IDLE_FOR: Duration = Duration::from_secs(600);

struct AgentActor;

struct Desk {
    node: Arc<Shared>,
    key: AgentKey,
    status: Status,
    capacity: u32,
    disabled: bool,
    load: Load,
    /// What came to him although he was full, and is given back. (Who is given less capacity keeps what he has, as
    /// long as this actor lives.)
    surplus: BTreeSet<ConversationId>,
    /// Reservations that were not settled yet.
    reservations: usize,
    sessions: Vec<(u64, PushSender)>,
    presence: Arc<Presence>,
    teams: Vec<TeamId>,
    offers: Offers,
    misses: Misses,
    /// How his teams' queues stand, for a socket that begins.
    queues: BTreeMap<TeamId, QueueNews>,
    /// What the routers of his teams were last told.
    told: Vec<(TeamId, AgentState)>,
    log_told: presence::LogTold,
    /// Something failed, and a sweep comes soon.
    sweeps_soon: bool,
}

struct Opened {
    node: Arc<Shared>,
    agent: Agent,
    workspace: WorkspaceId,
    teams: Vec<TeamId>,
    held: Vec<(ConversationId, u64)>,
    presence: Arc<Presence>,
}

/// Reads who he is and what he holds, and starts his actor.
pub(crate) async fn activate(node: &Arc<Shared>, key: AgentKey) -> Result<AgentHandle, ExecuteError> {
    let records = &*node.store.records;
    let record = store::get::<Agent>(records, key.workspace, &key.agent.to_string()).await?;
    let agent = record.ok_or(Rejection::NotFound)?.document;
    let held = held_by(node, key).await?;
    let teams = teams_of(node, key).await?;
    let presence = Arc::new(Presence::from(node.uptime_ms()));
    let opened = Opened {
        node: Arc::clone(node),
        agent,
        workspace: key.workspace,
        teams,
        held,
        presence: Arc::clone(&presence),
    };
    let supervisor = node.supervisor.get_cell();
    let (actor, _) =
        AgentActor::spawn_linked(None, AgentActor, opened, supervisor).await.map_err(|error| {
            tracing::warn!(%error, "an agent's actor was not started");
            ExecuteError::Overloaded
        })?;
    Ok(AgentHandle { actor, admission: Admission::new(node.settings.mailbox_places), presence })
}

impl Actor for AgentActor {
    type Msg = AgentMessage;
    type State = Desk;
    type Arguments = Opened;

    async fn pre_start(&self, _: ActorRef<AgentMessage>, opened: Opened) -> Result<Desk, ActorProcessingErr> {
        let Opened { node, agent, workspace, teams, held, presence } = opened;
        let mut load = Load::default();
        // What passes his capacity, the newest first, was approved by an earlier actor of his and heard of by nobody.
        let mut surplus = Vec::new();
        for (conversation, epoch) in held.into_iter().rev() {
            if load.hold(conversation, epoch, agent.capacity) {
                surplus.push((conversation, epoch));
            }
        }
        let mut desk = Desk {
            node,
            key: AgentKey { workspace, agent: agent.id },
            status: agent.status,
            capacity: agent.capacity,
            disabled: agent.disabled,
            load,
            surplus: BTreeSet::new(),
            reservations: 0,
            sessions: Vec::new(),
            presence,
            teams,
            offers: Offers::default(),
            misses: Misses::default(),
            queues: BTreeMap::new(),
            told: Vec::new(),
            log_told: presence::LogTold::default(),
            sweeps_soon: false,
        };
        for (conversation, epoch) in surplus {
            desk.give_back_surplus(conversation, epoch);
        }
        desk.publish();
        Ok(desk)
    }

    async fn handle(
        &self,
        myself: ActorRef<AgentMessage>,
        message: AgentMessage,
        desk: &mut Desk,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            AgentMessage::Reserve { conversation, how, reply, permit: _permit } => {
                let answer = desk.reserve(conversation, how);
                let reserved = answer.is_ok();
                if reply.send(answer).is_err() && reserved {
                    desk.settle(conversation, None);
                }
            }
            AgentMessage::Settle { conversation, assigned } => desk.settle(conversation, assigned),
            AgentMessage::Assigned { conversation, epoch, head } => desk.assigned(conversation, epoch, head),
            AgentMessage::Lost { conversation, epoch, why } => desk.lost(conversation, epoch, why),
            AgentMessage::SetStatus { status, reply, permit: _permit } => {
                desk.misses.answer();
                desk.set_status(status);
                // Whoever asked may be gone.
                let _ = reply.send(desk.view());
            }
            AgentMessage::Changed { capacity, disabled } => desk.change(capacity, disabled),
            AgentMessage::Attach { session, sender, reply, permit: _permit } => {
                for news in desk.queues.values() {
                    // A failure is an overflow, which the socket sees by itself.
                    let _ = sender.push(Push::Queue(*news));
                }
                desk.sessions.push((session, sender));
                desk.publish();
                if reply.send(desk.view()).is_err() {
                    desk.sessions.pop();
                }
            }
            AgentMessage::Detach { session } => {
                desk.sessions.retain(|(other, _)| *other != session);
                desk.presence.seen(desk.node.uptime_ms());
            }
            AgentMessage::View { reply, permit: _permit } => {
                let _ = reply.send(desk.view());
            }
            AgentMessage::PresenceMoved => {
                if !desk.holds_on() {
                    Stats::add(&desk.node.stats.agents_lost, u64::from(desk.load.held().next().is_some()));
                    desk.give_all_back(ReleaseReason::AgentGone);
                }
            }
            AgentMessage::Teams(teams) => {
                desk.queues.retain(|team, _| teams.contains(team));
                desk.teams = teams;
            }
            AgentMessage::TeamsChanged => desk.look_up_teams(&myself),
            AgentMessage::Offer { team, conversation, expires_at } => {
                desk.offered(team, conversation, expires_at);
            }
            AgentMessage::OfferEnded { team, conversation, why } => {
                desk.offer_ended(team, conversation, why);
            }
            AgentMessage::OfferTouched(conversation) => desk.show_offer_again(conversation),
            AgentMessage::Report(team) => desk.told.retain(|(told, _)| *told != team),
            AgentMessage::Queue(news) => {
                desk.queues.insert(news.team, news);
                desk.push(&Push::Queue(news));
            }
            AgentMessage::Sweep => desk.sweep(&myself),
            AgentMessage::Failed => desk.sweep_soon(&myself),
            AgentMessage::Swept { before, listed } => desk.swept(&before, &listed),
        }
        desk.publish();
        Ok(())
    }
}

impl Desk {
    /// Shows those who do not ask what changed, and tells the routers of his teams.
    fn publish(&mut self) {
        let status = if self.disabled { Status::Offline } else { self.status };
        self.presence.show(status, self.sessions.len(), self.shown_load(), self.capacity);
        let moved = self.presence.look(self.node.uptime_ms(), self.node.settings.agent_grace);
        self.log_told.tell(self.key.agent, status, moved.present);
        let told: Vec<(TeamId, AgentState)> =
            self.teams.iter().map(|team| (*team, self.state_for(*team, status, moved.present))).collect();
        for (team, state) in told.iter().filter(|state| !self.told.contains(state)) {
            self.tell(*team, state.clone());
        }
        // A team that he left has no use for him.
        for (team, state) in self.told.iter().filter(|(team, _)| !self.teams.contains(team)) {
            self.tell(*team, AgentState { status: Status::Offline, ..state.clone() });
        }
        self.told = told;
    }

    fn tell(&self, team: TeamId, state: AgentState) {
        let team = TeamKey { workspace: self.key.workspace, team };
        self.node.outbox.put(Notice::Agent { team, state: Box::new(state) });
    }

    fn state_for(&self, team: TeamId, status: Status, present: bool) -> AgentState {
        AgentState {
            agent: self.key.agent,
            status,
            present,
            carried: self.load.count() as u32,
            offered_elsewhere: self.offers.elsewhere(team, &self.load) as u32,
            capacity: self.capacity,
        }
    }

    /// He is there.
    fn present(&self) -> bool {
        self.presence.is_present(self.node.uptime_ms(), self.node.settings.agent_grace)
    }

    /// He is there, or was a moment ago: he keeps what he holds.
    fn holds_on(&self) -> bool {
        self.presence.holds_on(self.node.uptime_ms(), self.node.settings.agent_grace)
    }

    fn shown_load(&self) -> usize {
        self.load.count() + self.offers.besides(&self.load).count()
    }

    fn view(&self) -> AgentView {
        AgentView {
            status: self.status,
            present: self.present(),
            capacity: self.capacity,
            load: self.shown_load(),
            conversations: self.load.held().collect(),
            offers: self.offers.besides(&self.load).collect(),
        }
    }

    fn reserve(&mut self, conversation: ConversationId, how: Reserve) -> Result<(), Rejection> {
        if self.disabled {
            return Err(Rejection::AgentOffline(Absent::Disabled));
        }
        if self.status == Status::Offline {
            return Err(Rejection::AgentOffline(Absent::Offline));
        }
        if matches!(how, Reserve::Given) && !self.present() {
            return Err(Rejection::AgentOffline(Absent::AgentGone));
        }
        self.load.reserve(conversation, self.capacity)?;
        self.reservations += 1;
        Ok(())
    }

    fn settle(&mut self, conversation: ConversationId, assigned: Option<u64>) {
        self.reservations = self.reservations.saturating_sub(1);
        // Over: an actor of his that died had approved it.
        if self.load.settle(conversation, assigned, self.capacity)
            && let Some(epoch) = assigned
        {
            self.give_back_surplus(conversation, epoch);
        }
    }

    fn assigned(&mut self, conversation: ConversationId, epoch: u64, head: Arc<Head>) {
        if self.load.hold(conversation, epoch, self.capacity) {
            self.give_back_surplus(conversation, epoch);
        } else if let Some(reason) = self.why_gone() {
            // He left while it was being written.
            self.give_back(conversation, epoch, reason);
        }
        self.push(&Push::Assigned { conversation, head });
    }

    fn lost(&mut self, conversation: ConversationId, epoch: u64, why: Loss) {
        self.load.drop_held(conversation, epoch);
        self.push(&Push::Unassigned { conversation, why });
    }

    fn set_status(&mut self, status: Status) {
        if std::mem::replace(&mut self.status, status) == status {
            return;
        }
        self.push(&Push::Status(status));
        if status == Status::Offline {
            self.give_all_back(ReleaseReason::Offline);
        }
    }

    fn change(&mut self, capacity: u32, disabled: bool) {
        self.capacity = capacity;
        if disabled && !self.disabled {
            self.give_all_back(ReleaseReason::Disabled);
        }
        self.disabled = disabled;
    }

    /// Why he can hold nothing; none: he can.
    fn why_gone(&self) -> Option<ReleaseReason> {
        if self.disabled {
            Some(ReleaseReason::Disabled)
        } else if self.status == Status::Offline {
            Some(ReleaseReason::Offline)
        } else {
            (!self.holds_on()).then_some(ReleaseReason::AgentGone)
        }
    }

    fn push(&mut self, push: &Push) {
        self.sessions.retain(|(_, sender)| sender.push(push.clone()).is_ok());
    }
}
