//! The protocol between nodes.

use serde::{Deserialize, Serialize};

/// The versions of the protocol between nodes that a node speaks, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProtocolRange {
    /// The oldest.
    pub min: u32,
    /// The newest.
    pub max: u32,
}

impl ProtocolRange {
    /// What this program speaks.
    pub const OURS: Self = Self { min: 1, max: 1 };

    /// The newest that both speak.
    pub(crate) fn agree(self, other: Self) -> Option<u32> {
        let newest = self.max.min(other.max);
        (newest >= self.min.max(other.min)).then_some(newest)
    }
}
