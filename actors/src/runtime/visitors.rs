//! Which visitors are there: those who asked for something within a minute, on a socket or without.

use std::time::Duration;

use dashmap::DashMap;
use domain::{VisitorId, WorkspaceId};

/// How long a visitor counts as there.
const PRESENT_FOR: Duration = Duration::from_secs(60);

/// When each was last seen, in milliseconds of the node's uptime. It holds those of the last minute or two.
#[derive(Debug, Default)]
pub(crate) struct VisitorsSeen(DashMap<(WorkspaceId, VisitorId), u64>);

impl VisitorsSeen {
    pub(crate) fn seen(&self, workspace: WorkspaceId, visitor: VisitorId, uptime_ms: u64) {
        self.0.insert((workspace, visitor), uptime_ms);
    }

    pub(crate) fn is_there(&self, workspace: WorkspaceId, visitor: VisitorId, uptime_ms: u64) -> bool {
        self.0.get(&(workspace, visitor)).is_some_and(|seen_ms| is_recent(*seen_ms, uptime_ms))
    }

    /// Forgets visitors who are gone.
    pub(crate) fn sweep(&self, uptime_ms: u64) {
        self.0.retain(|_, seen_ms| is_recent(*seen_ms, uptime_ms));
    }
}

fn is_recent(seen_ms: u64, uptime_ms: u64) -> bool {
    uptime_ms.saturating_sub(seen_ms) < PRESENT_FOR.as_millis() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_visitor_is_there_for_a_minute_and_then_forgotten() {
        let (workspace, visitor) = (WorkspaceId::from_hash([1; 16]), VisitorId::from_hash([2; 16]));
        let seen = VisitorsSeen::default();
        seen.seen(workspace, visitor, 1_000);
        assert!(seen.is_there(workspace, visitor, 60_999));
        assert!(!seen.is_there(workspace, visitor, 61_000));
        seen.sweep(61_000);
        assert!(seen.0.is_empty());
    }
}
