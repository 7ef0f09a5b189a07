//! The actor of one agent who is there: his will, his presence, and what he carries. It alone approves what is
//! assigned to him, so that capacity is never passed, however many assignments race.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use domain::{Agent, AgentId, ConversationId, Load, Rejection, ReleaseReason, Status, WorkspaceId};
use ractor::{Actor, ActorProcessingErr, ActorRef, ActorStatus};
use store::{ConversationKey, HeadFilter, HeadView, StoreError};
use tokio::sync::oneshot;

use crate::admission::{Admission, Permit};
use crate::node::Shared;
use crate::registry::Handle;
use crate::{ExecuteError, Notice, Push, PushSender};

/// An agent, with the workspace without which he is not found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
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
    /// How many he holds or is about to.
    pub load: usize,
    /// What he holds, by id.
    pub conversations: Vec<ConversationId>,
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
    Notice(Box<Notice>),
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
    Sweep,
    Swept {
        before: Vec<(ConversationId, u64)>,
        listed: Vec<(ConversationId, u64)>,
    },
}

/// What others set and look at without asking the actor, who alone changes `online` and `sessions`.
#[derive(Debug, Default)]
pub(crate) struct Presence {
    /// When he last asked for anything, in milliseconds of the node's uptime.
    seen_ms: AtomicU64,
    /// His will is online, and he is not disabled.
    online: AtomicBool,
    /// How many sockets of his are open.
    sessions: AtomicUsize,
}

impl Presence {
    pub(crate) fn seen(&self, uptime_ms: u64) {
        self.seen_ms.store(uptime_ms, Ordering::Relaxed);
    }

    fn silent_ms(&self, uptime_ms: u64) -> u64 {
        uptime_ms.saturating_sub(self.seen_ms.load(Ordering::Relaxed))
    }

    /// A socket of his is open, or he asked for something within `grace`.
    fn is_present(&self, uptime_ms: u64, grace: Duration) -> bool {
        self.sessions.load(Ordering::Relaxed) > 0 || self.silent_ms(uptime_ms) <= grace.as_millis() as u64
    }

    /// He wants conversations, and is there.
    pub(crate) fn is_online(&self, uptime_ms: u64, grace: Duration) -> bool {
        self.online.load(Ordering::Relaxed) && self.is_present(uptime_ms, grace)
    }
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
    /// Reservations that were not settled yet.
    reservations: usize,
    sessions: Vec<(u64, PushSender)>,
    presence: Arc<Presence>,
}

struct Opened {
    node: Arc<Shared>,
    agent: Agent,
    workspace: WorkspaceId,
    held: Vec<(ConversationId, u64)>,
    presence: Arc<Presence>,
}

/// Reads who he is and what he holds, and starts his actor.
pub(crate) async fn activate(node: &Arc<Shared>, key: AgentKey) -> Result<AgentHandle, ExecuteError> {
    let records = &*node.store.records;
    let record = store::get::<Agent>(records, key.workspace, &key.agent.to_string()).await?;
    let agent = record.ok_or(Rejection::NotFound)?.document;
    let held = held_by(node, key).await?;
    let presence = Arc::new(Presence::default());
    // Who was there before this actor gets the whole grace time again.
    presence.seen(node.uptime_ms());
    let opened = Opened {
        node: Arc::clone(node),
        agent,
        workspace: key.workspace,
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

/// The conversations that name him, each with its assignment's epoch.
async fn held_by(node: &Shared, key: AgentKey) -> Result<Vec<(ConversationId, u64)>, StoreError> {
    const PAGE: usize = 200;
    let (view, filter) = (HeadView::HeldBy(key.agent), HeadFilter::default());
    let mut held = Vec::new();
    let mut after = None;
    loop {
        let page = node.store.heads.list(key.workspace, &view, &filter, after, PAGE).await?;
        after = page.last().map(|row| row.position);
        let full = page.len() == PAGE;
        held.extend(page.into_iter().map(|row| (row.conversation, row.head.assignment_epoch)));
        if !full {
            return Ok(held);
        }
    }
}

impl Actor for AgentActor {
    type Msg = AgentMessage;
    type State = Desk;
    type Arguments = Opened;

    async fn pre_start(&self, _: ActorRef<AgentMessage>, opened: Opened) -> Result<Desk, ActorProcessingErr> {
        let Opened { node, agent, workspace, held, presence } = opened;
        let mut load = Load::default();
        for (conversation, epoch) in held {
            load.hold(conversation, epoch, agent.capacity);
        }
        let desk = Desk {
            node,
            key: AgentKey { workspace, agent: agent.id },
            status: agent.status,
            capacity: agent.capacity,
            disabled: agent.disabled,
            load,
            reservations: 0,
            sessions: Vec::new(),
            presence,
        };
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
            AgentMessage::Notice(notice) => desk.heed(*notice),
            AgentMessage::SetStatus { status, reply, permit: _permit } => {
                desk.set_status(status);
                // Whoever asked may be gone.
                let _ = reply.send(desk.view());
            }
            AgentMessage::Changed { capacity, disabled } => desk.change(capacity, disabled),
            AgentMessage::Attach { session, sender, reply, permit: _permit } => {
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
            AgentMessage::Sweep => desk.sweep(&myself),
            AgentMessage::Swept { before, listed } => desk.swept(&before, &listed),
        }
        desk.publish();
        Ok(())
    }
}

impl Desk {
    /// Shows those who do not ask what changed.
    fn publish(&self) {
        self.presence.online.store(self.status == Status::Online && !self.disabled, Ordering::Relaxed);
        self.presence.sessions.store(self.sessions.len(), Ordering::Relaxed);
    }

    fn present(&self) -> bool {
        self.presence.is_present(self.node.uptime_ms(), self.node.settings.agent_grace)
    }

    fn view(&self) -> AgentView {
        AgentView {
            status: self.status,
            present: self.present(),
            capacity: self.capacity,
            load: self.load.count(),
            conversations: self.load.held().collect(),
        }
    }

    fn reserve(&mut self, conversation: ConversationId, how: Reserve) -> Result<(), Rejection> {
        let there = match how {
            Reserve::Asked => self.status != Status::Offline,
            Reserve::Given => self.status != Status::Offline && self.present(),
        };
        if self.disabled || !there {
            return Err(Rejection::AgentOffline);
        }
        self.load.reserve(conversation, self.capacity)?;
        self.reservations += 1;
        Ok(())
    }

    fn settle(&mut self, conversation: ConversationId, assigned: Option<u64>) {
        self.reservations = self.reservations.saturating_sub(1);
        self.load.settle(conversation, assigned, self.capacity);
    }

    fn heed(&mut self, notice: Notice) {
        match notice {
            Notice::Assigned { key, epoch, head, .. } => {
                let over = self.load.hold(key.conversation, epoch, self.capacity);
                if over {
                    self.give_back(key.conversation, epoch, ReleaseReason::OverCapacity);
                } else if self.status == Status::Offline {
                    // He left while it was being written.
                    self.give_back(key.conversation, epoch, ReleaseReason::Offline);
                }
                self.push(&Push::Assigned { conversation: key.conversation, head });
            }
            Notice::Lost { key, epoch, why, .. } => {
                self.load.drop_held(key.conversation, epoch);
                self.push(&Push::Unassigned { conversation: key.conversation, why });
            }
            // For a conversation, not for an agent.
            Notice::Release { .. } => {}
        }
    }

    fn set_status(&mut self, status: Status) {
        if std::mem::replace(&mut self.status, status) == status {
            return;
        }
        self.publish();
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

    fn give_all_back(&self, reason: ReleaseReason) {
        for (conversation, epoch) in self.load.held_since() {
            self.give_back(conversation, epoch, reason);
        }
    }

    fn give_back(&self, conversation: ConversationId, epoch: u64, reason: ReleaseReason) {
        let key = ConversationKey { workspace: self.key.workspace, conversation };
        self.node.outbox.put(Notice::Release { key, epoch, reason });
    }

    fn push(&mut self, push: &Push) {
        self.sessions.retain(|(_, sender)| sender.push(push.clone()).is_ok());
    }

    /// Looks at the heads again, for a notice may have been lost; and leaves memory when nobody needs him.
    fn sweep(&mut self, myself: &ActorRef<AgentMessage>) {
        let silent_ms = self.presence.silent_ms(self.node.uptime_ms());
        if self.sessions.is_empty() && self.reservations == 0 && silent_ms > IDLE_FOR.as_millis() as u64 {
            let presence = &self.presence;
            self.node.agents.forget(&self.key, |handle| Arc::ptr_eq(&handle.presence, presence));
            // An actor that is ending already cannot be drained again.
            let _ = myself.drain();
            return;
        }
        let before: Vec<(ConversationId, u64)> = self.load.held_since().collect();
        let (node, key, myself) = (Arc::clone(&self.node), self.key, myself.clone());
        tokio::spawn(async move {
            match held_by(&node, key).await {
                // An actor that ended needs no word.
                Ok(listed) => drop(myself.cast(AgentMessage::Swept { before, listed })),
                Err(error) => tracing::debug!(agent = %key.agent, %error, "what he holds was not read"),
            }
        });
    }

    /// What he held before the look and the look did not find is gone; what came since the look stands.
    fn swept(&mut self, before: &[(ConversationId, u64)], listed: &[(ConversationId, u64)]) {
        for &(conversation, epoch) in before {
            if !listed.iter().any(|(other, _)| *other == conversation) {
                self.load.drop_held(conversation, epoch);
            }
        }
        let gone = if self.disabled {
            Some(ReleaseReason::Disabled)
        } else {
            (self.status == Status::Offline).then_some(ReleaseReason::Offline)
        };
        for &(conversation, epoch) in listed {
            let over = !self.load.holds(conversation) && self.load.hold(conversation, epoch, self.capacity);
            if let Some(reason) = gone.or(over.then_some(ReleaseReason::OverCapacity)) {
                self.give_back(conversation, epoch, reason);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_wants_conversations_is_online_while_a_socket_is_open_or_he_asked_a_moment_ago() {
        const GRACE: Duration = Duration::from_secs(20);
        let presence = Presence::default();
        presence.seen(1_000);
        assert!(!presence.is_online(1_000, GRACE), "his will is not online");
        presence.online.store(true, Ordering::Relaxed);
        assert!(presence.is_online(21_000, GRACE));
        assert!(!presence.is_online(21_001, GRACE));
        presence.sessions.store(1, Ordering::Relaxed);
        assert!(presence.is_online(1_000_000, GRACE));
        presence.online.store(false, Ordering::Relaxed);
        assert!(!presence.is_online(1_000_000, GRACE));
    }
}
