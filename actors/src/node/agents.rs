//! The way to agents' actors.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use domain::{Agent, ConversationId, Status, WorkspaceId};
use tokio::sync::oneshot;

use super::{Attachment, HOPS_MAX, Node};
use crate::admission::Permit;
use crate::agent::{self, AgentHandle, AgentMessage, Reserve};
use crate::stats::Stats;
use crate::{AgentKey, AgentView, ExecuteError, PushSender};

/// What is known of an agent without asking his actor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AgentBrief {
    /// His will; of one who is disabled `offline`.
    pub status: Status,
    /// He is there.
    pub present: bool,
    /// How many he holds, is about to, or is offered.
    pub load: u32,
    /// How many he may hold.
    pub capacity: u32,
}

impl Node {
    /// The agent as his actor sees him.
    pub async fn agent(&self, key: AgentKey) -> Result<AgentView, ExecuteError> {
        self.ask_agent(key, |reply, permit| AgentMessage::View { reply, permit }).await
    }

    /// The agent wants to be taken for this: kept in his record, then told to his actor. Of two the last wins.
    pub async fn set_status(&self, key: AgentKey, status: Status) -> Result<AgentView, ExecuteError> {
        agent::write_status(&self.shared, key, status).await?;
        self.agent_handle(key).await?.presence.seen(self.shared.uptime_ms());
        self.ask_agent(key, |reply, permit| AgentMessage::SetStatus { status, reply, permit }).await
    }

    /// The agent's record was changed; an agent who is not in memory reads it when he is.
    pub fn agent_changed(&self, workspace: WorkspaceId, agent: &Agent) {
        let key = AgentKey { workspace, agent: agent.id };
        let (capacity, disabled) = (agent.capacity, agent.disabled);
        self.tell_agent(key, AgentMessage::Changed { capacity, disabled });
        self.reload_teams(workspace);
    }

    /// The agent asked for something: he is there. One who is not offline comes into memory by it.
    pub fn agent_seen(&self, key: AgentKey, status: Status) {
        match self.shared.agents.get(&key) {
            Some(handle) => handle.presence.seen(self.shared.uptime_ms()),
            None if status == Status::Offline => {}
            None => {
                let node = self.clone();
                tokio::spawn(async move {
                    match node.agent_handle(key).await {
                        Ok(handle) => handle.presence.seen(node.shared.uptime_ms()),
                        Err(error) => tracing::debug!(agent = %key.agent, %error, "his actor did not start"),
                    }
                });
            }
        }
    }

    /// The agent as far as this node knows; asks nobody and activates nobody. None: he is not in memory.
    pub fn agent_brief(&self, key: AgentKey) -> Option<AgentBrief> {
        let presence = self.shared.agents.get(&key)?.presence;
        let (load, capacity) = presence.load();
        let present = presence.is_present(self.shared.uptime_ms(), self.shared.settings.agent_grace);
        Some(AgentBrief { status: presence.status(), present, load, capacity })
    }

    /// How many of the agents in memory want to be taken for what, and how many of those are there; asks nobody.
    pub fn agents_by_status(&self) -> BTreeMap<(Status, bool), usize> {
        let (uptime_ms, grace) = (self.shared.uptime_ms(), self.shared.settings.agent_grace);
        let mut counts = BTreeMap::new();
        for (_, handle) in self.shared.agents.living() {
            let present = handle.presence.is_present(uptime_ms, grace);
            *counts.entry((handle.presence.status(), present)).or_default() += 1;
        }
        counts
    }

    /// The agent wants conversations and is there, as far as this node knows; asks nobody and activates nobody.
    pub fn is_online(&self, key: AgentKey) -> bool {
        let (uptime_ms, grace) = (self.shared.uptime_ms(), self.shared.settings.agent_grace);
        self.shared.agents.get(&key).is_some_and(|handle| handle.presence.is_online(uptime_ms, grace))
    }

    /// A socket of the agent's is open while the attachment is kept; `sender` is told what concerns him.
    pub async fn attach(&self, key: AgentKey, sender: PushSender) -> Result<Attachment, ExecuteError> {
        let session = self.shared.next_id.fetch_add(1, Ordering::Relaxed);
        let handle = self.agent_handle(key).await?;
        let view = self
            .ask_agent(key, |reply, permit| AgentMessage::Attach {
                session,
                sender: sender.clone(),
                reply,
                permit,
            })
            .await?;
        Ok(Attachment { actor: handle.actor, session, view })
    }

    pub(crate) async fn reserve(
        &self,
        key: AgentKey,
        conversation: ConversationId,
        how: Reserve,
    ) -> Result<(), ExecuteError> {
        let answer = self
            .ask_agent(key, |reply, permit| AgentMessage::Reserve { conversation, how, reply, permit })
            .await?;
        Ok(answer?)
    }

    /// Tells an agent's actor, if he is in memory; says whether he is.
    pub(crate) fn tell_agent(&self, key: AgentKey, message: AgentMessage) -> bool {
        // An actor that ended took what he knew with it.
        self.shared.agents.get(&key).is_some_and(|handle| handle.actor.cast(message).is_ok())
    }

    pub(super) async fn agent_handle(&self, key: AgentKey) -> Result<AgentHandle, ExecuteError> {
        self.shared.agents.get_or_start(key, || agent::activate(&self.shared, key)).await
    }

    /// Ends the agent's actor as a crash would.
    #[cfg(test)]
    pub(crate) async fn end_agent(&self, key: AgentKey) {
        let actor = self.agent_handle(key).await.expect("the test has made him").actor;
        actor.kill();
        actor.wait(None).await.expect("it ends");
    }

    async fn ask_agent<T>(
        &self,
        key: AgentKey,
        message: impl Fn(oneshot::Sender<T>, Permit) -> AgentMessage,
    ) -> Result<T, ExecuteError> {
        for _ in 0..HOPS_MAX {
            let handle = self.agent_handle(key).await?;
            let permit =
                handle.admission.enter().inspect_err(|_| Stats::add(&self.shared.stats.overloads, 1))?;
            let (reply, answer) = oneshot::channel();
            if handle.actor.cast(message(reply, permit)).is_err() {
                continue;
            }
            match tokio::time::timeout(self.shared.settings.deadline, answer).await {
                Ok(Ok(answer)) => return Ok(answer),
                // It left memory with the message unread; nothing of an agent's actor is stored, so asking again is safe.
                Ok(Err(_)) => {}
                Err(_) => return Err(ExecuteError::Unknown),
            }
        }
        Err(ExecuteError::Overloaded)
    }
}
