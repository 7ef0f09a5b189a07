//! The node itself, and what it shows without asking an actor.

use std::sync::{Arc, Weak};
use std::time::Duration;

use domain::{VisitorId, WorkspaceId};
use store::{Clock, Generation, Store};

use crate::hub::Watcher;
use crate::runtime::{Context, StatsView};

/// One node. Cheap to clone.
#[derive(Clone)]
pub struct Node {
    pub(super) context: Arc<Context>,
}

/// A node that may have ended.
#[derive(Clone)]
pub struct WeakNode(Weak<Context>);

impl WeakNode {
    /// None once the node has ended.
    pub fn upgrade(&self) -> Option<Node> {
        self.0.upgrade().map(|context| Node { context })
    }
}

impl Node {
    /// For tasks that do not keep the node alive.
    pub fn downgrade(&self) -> WeakNode {
        WeakNode(Arc::downgrade(&self.context))
    }

    pub(super) fn of(context: &Arc<Context>) -> Self {
        Self { context: Arc::clone(context) }
    }

    /// The store that its actors use.
    pub fn store(&self) -> &Store {
        &self.context.store
    }

    /// Its lanes have ended: it writes nothing any more, and has no conversations.
    pub fn is_over(&self) -> bool {
        self.context.is_over()
    }

    /// As which its actors write; none: it has no custody yet, and no actors.
    pub fn generation(&self) -> Option<Generation> {
        self.context.may_start().ok()
    }

    /// The clock that its actors use.
    pub fn clock(&self) -> &Clock {
        &self.context.clock
    }

    /// One that watches lists of this workspace; at first none.
    pub fn watcher(&self, workspace: WorkspaceId) -> Watcher {
        self.context.hub.lists.watcher(workspace)
    }

    /// The visitor asked for something, and is there for a minute.
    pub fn visitor_seen(&self, workspace: WorkspaceId, visitor: VisitorId) {
        self.context.visitors.seen(workspace, visitor, self.context.uptime_ms());
    }

    /// The visitor is there.
    pub fn visitor_is_there(&self, workspace: WorkspaceId, visitor: VisitorId) -> bool {
        self.context.visitors.is_there(workspace, visitor, self.context.uptime_ms())
    }

    /// Counters since the start.
    pub fn stats(&self) -> StatsView {
        self.context.stats.view()
    }

    /// The live index was read once: it has `open` conversations.
    pub fn swept(&self, open: usize, took: Duration) {
        self.context.stats.swept(open, took);
    }

    /// How many conversations and agents are in memory.
    pub fn live(&self) -> (usize, usize) {
        (self.context.conversations.count(), self.context.agents.count())
    }
}
