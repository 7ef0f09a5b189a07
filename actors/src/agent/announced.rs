//! What the server's log says of an agent's coming and going.

use domain::{AgentId, Status};

/// What the server's log last said of an agent, so that it says each change once.
#[derive(Debug, Default)]
pub(super) struct Announced {
    online: bool,
}

impl Announced {
    /// Logs when the agent begins or ceases to get conversations.
    pub(super) fn tell(&mut self, agent: AgentId, status: Status, present: bool) {
        let online = status == Status::Online && present;
        if online == self.online {
            return;
        }
        self.online = online;
        match status {
            Status::Online if online => tracing::info!(%agent, "an agent is online"),
            Status::Online => {
                tracing::info!(%agent, "an agent is gone: no socket, and no request for a while")
            }
            Status::Away => tracing::info!(%agent, "an agent is away"),
            Status::Offline => tracing::info!(%agent, "an agent went offline"),
        }
    }
}
