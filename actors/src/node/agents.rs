//! Agents, as this node sees them.

use std::collections::BTreeMap;

use domain::{Agent, Status, WorkspaceId};

use super::ask::Address;
use super::local::Node;
use crate::agent;
use crate::mail::AgentMessage;
use crate::words::{AgentBrief, AgentKey, AgentView, ExecuteError, SetStatus};

impl Node {
    /// Keeps in the agent's record what they want to be taken for, then tells their actor. Of two the last wins.
    ///
    /// # Errors
    /// [`ExecuteError::Unknown`]: the same again is safe. The others: nothing was changed.
    pub async fn set_status(&self, key: AgentKey, status: Status) -> Result<AgentView, ExecuteError> {
        agent::write_status(&self.context, key, status).await?;
        key.reach(self).await?.shown.seen(self.context.uptime_ms());
        self.ask(key, SetStatus(status)).await
    }

    /// The agent's record was changed; an agent who is not in memory reads it when they are.
    pub fn agent_changed(&self, workspace: WorkspaceId, agent: &Agent) {
        let key = AgentKey { workspace, agent: agent.id };
        let (capacity, disabled) = (agent.capacity, agent.disabled);
        self.tell_agent(key, AgentMessage::Changed { capacity, disabled });
        self.reload_teams(workspace);
    }

    /// The agent asked for something, so they are there. One who is not offline comes into memory by it.
    pub fn agent_seen(&self, key: AgentKey, status: Status) {
        match self.context.agents.get(&key) {
            Some(handle) => handle.shown.seen(self.context.uptime_ms()),
            None if status == Status::Offline => {}
            None => {
                let node = self.clone();
                tokio::spawn(async move {
                    match key.reach(&node).await {
                        Ok(handle) => handle.shown.seen(node.context.uptime_ms()),
                        Err(error) => {
                            tracing::debug!(agent = %key.agent, %error, "the agent's actor did not start")
                        }
                    }
                });
            }
        }
    }

    /// The agent as far as this node knows; asks and activates no actor. None: the agent is not in memory.
    pub fn agent_brief(&self, key: AgentKey) -> Option<AgentBrief> {
        let presence = self.context.agents.get(&key)?.shown;
        let (load, capacity) = presence.load();
        let present = presence.is_present(self.context.uptime_ms(), self.context.settings.agent_grace);
        Some(AgentBrief { status: presence.status(), present, load, capacity })
    }

    /// How many of the agents in memory want to be taken for what, and how many of those are there; asks no actor.
    pub fn agents_by_status(&self) -> BTreeMap<(Status, bool), usize> {
        let (uptime_ms, grace) = (self.context.uptime_ms(), self.context.settings.agent_grace);
        let mut counts = BTreeMap::new();
        for (_, handle) in self.context.agents.living() {
            let present = handle.shown.is_present(uptime_ms, grace);
            *counts.entry((handle.shown.status(), present)).or_default() += 1;
        }
        counts
    }

    /// The agent wants conversations and is there, as far as this node knows; asks and activates no actor.
    pub fn is_online(&self, key: AgentKey) -> bool {
        let (uptime_ms, grace) = (self.context.uptime_ms(), self.context.settings.agent_grace);
        self.context.agents.get(&key).is_some_and(|handle| handle.shown.is_online(uptime_ms, grace))
    }
}
