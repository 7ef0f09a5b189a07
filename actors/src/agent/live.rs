//! What an agent's actor keeps: status, what the agent carries, sockets, offers. The actor alone approves what is assigned to
//! its agent, so that capacity is never passed, however many assignments race.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use domain::{
    Absent, Agent, ConversationId, Head, Load, Rejection, ReleaseReason, Status, TeamId, WorkspaceId,
};
use tokio::time::Instant;

use super::announced::Announced;
use super::offers::{Misses, Offers};
use super::sessions::Sessions;
use crate::mail::AgentPresence;
use crate::runtime::Context;
use crate::words::{
    AgentKey, AgentPublication, AgentReport, AgentView, Loss, Notice, Push, QueueNews, ReserveFor, TeamKey,
};

/// How long a loss is remembered for a look at the heads that began before it.
const LOSSES_KEPT: Duration = Duration::from_secs(60);

/// An agent in memory.
pub(super) struct LiveAgent {
    pub(super) node: Arc<Context>,
    pub(super) key: AgentKey,
    pub(super) status: Status,
    capacity: u32,
    pub(super) disabled: bool,
    pub(super) load: Load,
    /// What came to the agent beyond their capacity, and is given back. (An agent whose capacity is lowered keeps what they
    /// have, as long as this actor lives.)
    pub(super) surplus: BTreeSet<ConversationId>,
    /// Reservations that were not settled yet.
    pub(super) reservations: usize,
    sessions: Sessions,
    pub(super) presence: Arc<AgentPresence>,
    teams: Vec<TeamId>,
    pub(super) offers: Offers,
    pub(super) misses: Misses,
    /// How the queues of the agent's teams stand, for a socket that begins.
    queues: BTreeMap<TeamId, QueueNews>,
    /// What the routers of the agent's teams were last told.
    reported: Vec<(TeamId, AgentReport)>,
    announced: Announced,
    /// Something failed, and the actor reconciles soon.
    pub(super) reconciles_soon: bool,
    /// What was lost since the heads were last compared, when, and the epoch of the assignment that is over.
    pub(super) lost: Vec<(Instant, ConversationId, u64)>,
}

/// What the actor begins with.
pub(super) struct Opened {
    pub(super) node: Arc<Context>,
    pub(super) agent: Agent,
    pub(super) workspace: WorkspaceId,
    pub(super) teams: Vec<TeamId>,
    /// What the agent holds, with each assignment's epoch, the newest first.
    pub(super) held: Vec<(ConversationId, u64)>,
    pub(super) presence: Arc<AgentPresence>,
}

impl LiveAgent {
    pub(super) fn new(opened: Opened) -> Self {
        let Opened { node, agent, workspace, teams, held, presence } = opened;
        let mut load = Load::default();
        // What passes the capacity, the newest first, was approved by an earlier actor of this agent and told to nobody.
        let mut surplus = Vec::new();
        for (conversation, epoch) in held.into_iter().rev() {
            if load.hold(conversation, epoch, agent.capacity) {
                surplus.push((conversation, epoch));
            }
        }
        let key = AgentKey { workspace, agent: agent.id };
        let sessions = Sessions::new(key, Arc::clone(&node.hub));
        let mut live = Self {
            node,
            key,
            status: agent.status,
            capacity: agent.capacity,
            disabled: agent.disabled,
            load,
            surplus: BTreeSet::new(),
            reservations: 0,
            sessions,
            presence,
            teams,
            offers: Offers::default(),
            misses: Misses::default(),
            queues: BTreeMap::new(),
            reported: Vec::new(),
            announced: Announced::default(),
            reconciles_soon: false,
            lost: Vec::new(),
        };
        for (conversation, epoch) in surplus {
            live.give_back_surplus(conversation, epoch);
        }
        live.publish();
        live
    }

    /// Shows what changed to those who do not ask, and reports to the routers of the agent's teams.
    pub(super) fn publish(&mut self) {
        let status = if self.disabled { Status::Offline } else { self.status };
        self.presence.show(status, self.sessions.count(), self.shown_load(), self.capacity);
        let seen = self.presence.look(self.node.uptime_ms(), self.node.settings.agent_grace);
        self.announced.tell(self.key.agent, status, seen.present);
        let reports: Vec<(TeamId, AgentReport)> =
            self.teams.iter().map(|team| (*team, self.report_for(*team, status, seen.present))).collect();
        for (team, report) in reports.iter().filter(|report| !self.reported.contains(report)) {
            self.report(*team, report.clone());
        }
        // To a team that the agent left they are offline.
        for (team, report) in self.reported.iter().filter(|(team, _)| !self.teams.contains(team)) {
            self.report(*team, AgentReport { status: Status::Offline, ..report.clone() });
        }
        self.reported = reports;
    }

    fn report(&self, team: TeamId, report: AgentReport) {
        let team = TeamKey { workspace: self.key.workspace, team };
        let report = Box::new(AgentReport { version: self.node.next_id(), ..report });
        self.node.outbox.put(Notice::Agent { team, report });
    }

    fn report_for(&self, team: TeamId, status: Status, present: bool) -> AgentReport {
        AgentReport {
            agent: self.key.agent,
            // Given when it is sent, so that two reports of the same compare equal.
            version: 0,
            status,
            present,
            carried: self.load.count() as u32,
            offered_elsewhere: self.offers.elsewhere(team, &self.load) as u32,
            capacity: self.capacity,
        }
    }

    /// Reports to this team's router again, and to all of them without a team.
    pub(super) fn report_again(&mut self, team: Option<TeamId>) {
        self.reported.retain(|(reported, _)| team.is_some_and(|team| team != *reported));
    }

    pub(super) fn attach(&mut self, session: u64) {
        self.sessions.add(session, self.queues.values().copied().collect());
        self.publish();
    }

    pub(super) fn detach(&mut self, session: u64) {
        self.sessions.remove(session);
        self.presence.seen(self.node.uptime_ms());
    }

    pub(super) fn set_teams(&mut self, teams: Vec<TeamId>) {
        self.queues.retain(|team, _| teams.contains(team));
        self.teams = teams;
    }

    pub(super) fn queue_moved(&mut self, news: QueueNews) {
        self.queues.insert(news.team, news);
        self.push(Push::Queue(news));
    }

    /// The agent is there.
    pub(super) fn present(&self) -> bool {
        self.presence.is_present(self.node.uptime_ms(), self.node.settings.agent_grace)
    }

    /// The agent is there, or was a moment ago: they keep what they hold.
    pub(super) fn holds_on(&self) -> bool {
        self.presence.holds_on(self.node.uptime_ms(), self.node.settings.agent_grace)
    }

    fn shown_load(&self) -> usize {
        self.load.count() + self.offers.besides(&self.load).count()
    }

    pub(super) fn view(&self) -> AgentView {
        AgentView {
            status: self.status,
            present: self.present(),
            capacity: self.capacity,
            load: self.shown_load(),
            conversations: self.load.held().collect(),
            offers: self.offers.besides(&self.load).collect(),
        }
    }

    pub(super) fn reserve(
        &mut self,
        conversation: ConversationId,
        reserve_for: ReserveFor,
    ) -> Result<(), Rejection> {
        if self.disabled {
            return Err(Rejection::AgentOffline(Absent::Disabled));
        }
        if self.status == Status::Offline {
            return Err(Rejection::AgentOffline(Absent::Offline));
        }
        if matches!(reserve_for, ReserveFor::Given) && !self.present() {
            return Err(Rejection::AgentOffline(Absent::AgentGone));
        }
        self.load.reserve(conversation, self.capacity)?;
        self.reservations += 1;
        Ok(())
    }

    pub(super) fn settle(&mut self, conversation: ConversationId, assigned: Option<u64>) {
        self.reservations = self.reservations.saturating_sub(1);
        // Beyond capacity: an actor of this agent that died had approved it.
        if self.load.settle(conversation, assigned, self.capacity)
            && let Some(epoch) = assigned
        {
            self.give_back_surplus(conversation, epoch);
        }
    }

    pub(super) fn assigned(&mut self, conversation: ConversationId, epoch: u64, head: Arc<Head>) {
        if self.hold(conversation, epoch) {
            self.give_back_surplus(conversation, epoch);
        } else if let Some(reason) = self.why_gone() {
            // The agent left while it was being written.
            self.give_back(conversation, epoch, reason);
        }
        self.push(Push::Assigned { conversation, head });
    }

    /// Says whether it is more than the agent may hold.
    pub(super) fn hold(&mut self, conversation: ConversationId, epoch: u64) -> bool {
        self.load.hold(conversation, epoch, self.capacity)
    }

    pub(super) fn lost(&mut self, conversation: ConversationId, epoch: u64, why: Loss) {
        // A look at the heads is over by then; where none comes through for long, this must not grow.
        self.lost.retain(|(at, ..)| at.elapsed() < LOSSES_KEPT);
        self.lost.push((Instant::now(), conversation, epoch));
        self.load.drop_held(conversation, epoch);
        self.push(Push::Unassigned { conversation, why });
    }

    pub(super) fn set_status(&mut self, status: Status) {
        if std::mem::replace(&mut self.status, status) == status {
            return;
        }
        self.push(Push::Status(status));
        if status == Status::Offline {
            self.give_all_back(ReleaseReason::Offline);
        }
    }

    pub(super) fn change(&mut self, capacity: u32, disabled: bool) {
        self.capacity = capacity;
        if disabled && !self.disabled {
            self.give_all_back(ReleaseReason::Disabled);
        }
        self.disabled = disabled;
    }

    /// Why the agent can hold nothing; none: they can.
    pub(super) fn why_gone(&self) -> Option<ReleaseReason> {
        if self.disabled {
            Some(ReleaseReason::Disabled)
        } else if self.status == Status::Offline {
            Some(ReleaseReason::Offline)
        } else {
            (!self.holds_on()).then_some(ReleaseReason::AgentGone)
        }
    }

    /// To all sockets of the agent.
    pub(super) fn push(&self, push: Push) {
        self.sessions.publish(AgentPublication::Push(push));
    }

    fn give_back_surplus(&mut self, conversation: ConversationId, epoch: u64) {
        self.surplus.insert(conversation);
        self.give_back(conversation, epoch, ReleaseReason::OverCapacity);
    }

    pub(super) fn give_all_back(&self, reason: ReleaseReason) {
        for (conversation, epoch) in self.load.held_since() {
            self.give_back(conversation, epoch, reason);
        }
    }

    /// What the agent cannot have any longer goes back to its queue.
    pub(super) fn give_back(&self, conversation: ConversationId, epoch: u64, reason: ReleaseReason) {
        let key = store::ConversationKey { workspace: self.key.workspace, conversation };
        self.node.outbox.put(Notice::Release { key, agent: self.key.agent, epoch, reason });
    }
}
