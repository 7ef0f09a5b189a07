//! `[routing]`: how conversations find agents.

use documented::DocumentedFields;
use serde::{Deserialize, Serialize};

/// `[routing]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, DocumentedFields)]
#[serde(deny_unknown_fields, default)]
pub struct RoutingConfig {
    /// Seconds until an offer goes to the next agent, in teams that set none of their own; 1 to 86400.
    pub accept_timeout_s: u32,
    /// Seconds for which an agent counts as present after their last socket or request; 1 to 86400. Then what they hold
    /// goes back to the queue.
    pub agent_grace_s: u32,
}

impl Default for RoutingConfig {
    fn default() -> Self {
        Self { accept_timeout_s: 30, agent_grace_s: 20 }
    }
}
