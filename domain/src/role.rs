//! What an agent is in their workspace.

use serde::{Deserialize, Serialize};

/// An agent's role. Ordered: each may do what the one before may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Sees the conversations of their teams and those assigned to them.
    Agent,
    /// Sees the whole workspace; takes over, ends, transfers and releases what others hold.
    Supervisor,
    /// Changes the workspace itself.
    Admin,
}
