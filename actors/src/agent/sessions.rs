//! An agent's open sockets, as their actor knows them: by name. The hub of their node has the ways to them.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::hub::Hub;
use crate::words::{AgentKey, AgentPublication, QueueNews};

pub(super) struct Sessions {
    key: AgentKey,
    hub: Arc<Hub>,
    all: BTreeSet<u64>,
}

impl Sessions {
    pub(super) fn new(key: AgentKey, hub: Arc<Hub>) -> Self {
        Self { key, hub, all: BTreeSet::new() }
    }

    /// What is published from now on is for this one too, which is told how the queues stand.
    pub(super) fn add(&mut self, session: u64, queues: Vec<QueueNews>) {
        self.all.insert(session);
        self.publish(AgentPublication::Opened { session, queues });
    }

    pub(super) fn remove(&mut self, session: u64) {
        self.all.remove(&session);
    }

    pub(super) fn count(&self) -> usize {
        self.all.len()
    }

    pub(super) fn publish(&self, publication: AgentPublication) {
        if !self.all.is_empty() {
            self.hub.sessions.publish(self.key, publication);
        }
    }
}

/// Also when the actor panics: the sockets have to know.
impl Drop for Sessions {
    fn drop(&mut self) {
        self.publish(AgentPublication::Gone);
    }
}
