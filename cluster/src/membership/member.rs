//! A member as the view has it.

use serde::{Deserialize, Serialize};
use store::Incarnation;

use crate::name::NodeName;
use crate::protocol::ProtocolRange;

/// What a member does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MemberState {
    /// Has no shards yet: it does not reach every member.
    Joining,
    /// Takes shards.
    Up,
    /// Gives its shards away, and leaves then.
    Draining,
}

/// One boot of a node in the cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// The node.
    pub name: NodeName,
    /// This boot of it.
    pub incarnation: Incarnation,
    /// Where its peers reach it, as `host:port`; empty for a node that is alone.
    pub address: String,
    /// What it does.
    pub state: MemberState,
    /// What it speaks.
    pub protocol: ProtocolRange,
    /// The newest formats that it reads.
    pub level: u32,
}

impl Member {
    /// Nobody reaches it: it is of no cluster, and the one member of its view.
    pub fn is_alone(&self) -> bool {
        self.address.is_empty()
    }
}
