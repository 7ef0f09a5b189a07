//! Which side a socket is of, and what only that side's needs. A visitor's is small, for there are many of them.

use std::time::Duration;

use cluster::{AgentKey, AgentView, Attachment, PushSender, Topic, Watcher};
use domain::WorkspaceId;
use identity::Caller;
use tokio::time::Instant;

use super::close::Close;
use super::queue_positions::QueuePositions;
use super::watches::Watches;
use crate::app::App;

/// How soon after its actor ended an agent's socket is attached anew: one that ends again and again is not followed without a pause.
const ATTACH_AGAIN: Duration = Duration::from_millis(500);

/// How often a socket looks by itself whether its caller still is who they were. Word of a change comes at once, from commands
/// beside the server within 2 s (`staffing.rs`); this is for word that was lost, and a read for each socket.
pub(super) const CHECK_EVERY: Duration = Duration::from_secs(60);
/// How soon a socket that could not be attached anew tries it again.
pub(super) const ATTACH_RETRY: Duration = Duration::from_secs(4);

pub(super) enum Side {
    Visitor(QueuePositions),
    Agent(Box<AgentSide>),
}

/// What only an agent's socket has.
pub(super) struct AgentSide {
    pub(super) key: AgentKey,
    /// Tells the agent's actor that the agent is present; none: that actor ended, and the next one is to be told.
    pub(super) attachment: Option<Attachment>,
    pub(super) check_at: Instant,
    pub(super) watcher: Watcher,
    /// When changes are written next.
    pub(super) look_at: Instant,
    pub(super) watches: Watches,
}

impl Side {
    /// From now on nothing that concerns it is missed. Of an agent's also how the agent is.
    pub(super) async fn open(
        app: &App,
        caller: &Caller,
        workspace: WorkspaceId,
        sender: &PushSender,
    ) -> Result<(Self, Option<AgentView>), Close> {
        let mut watcher = app.cluster.watcher(workspace);
        match caller {
            Caller::Agent { agent, .. } => {
                let key = AgentKey { workspace, agent: agent.id };
                let attached = app.cluster.attach(key, sender.clone()).await;
                let attachment = attached.map_err(|_| Close::Overloaded)?;
                let watches = Watches::new(agent.id);
                watcher.look_at(watches.topics());
                let view = attachment.view.clone();
                let now = Instant::now();
                let check_at = now + CHECK_EVERY;
                let attachment = Some(attachment);
                let agent_side = AgentSide { key, attachment, check_at, watcher, look_at: now, watches };
                Ok((Side::Agent(Box::new(agent_side)), Some(view)))
            }
            Caller::Visitor { visitor, .. } => {
                app.cluster.visitor_seen(workspace, visitor.id);
                watcher.look_at(vec![Topic::Visitor(visitor.id)]);
                let is_shared = app.store.records.expires_by_itself();
                let check_at = is_shared.then(|| Instant::now() + CHECK_EVERY);
                Ok((Side::Visitor(QueuePositions::new(visitor.id, watcher, check_at)), None))
            }
            Caller::Anonymous | Caller::Site { .. } => Err(Close::Unauthenticated),
        }
    }

    pub(super) fn watcher(&self) -> &Watcher {
        match self {
            Side::Visitor(positions) => &positions.watcher,
            Side::Agent(agent_side) => &agent_side.watcher,
        }
    }

    /// Changes are not written before.
    pub(super) fn look_at(&self) -> Instant {
        match self {
            Side::Visitor(positions) => positions.look_at,
            Side::Agent(agent_side) => agent_side.look_at,
        }
    }

    /// When the person is to be looked at again. Of a visitor only where other nodes may change what holds: the revocations
    /// of this one are followed at once.
    pub(super) fn check_at(&self) -> Option<Instant> {
        match self {
            Side::Visitor(positions) => positions.check_at,
            Side::Agent(agent_side) => Some(agent_side.check_at),
        }
    }

    /// The agent's actor ended: the next look, which is soon, attaches the socket to the next one.
    pub(super) fn lose_attachment(&mut self) {
        if let Side::Agent(agent_side) = self {
            agent_side.attachment = None;
            agent_side.check_at = agent_side.check_at.min(Instant::now() + ATTACH_AGAIN);
        }
    }

    /// Something of the watched lists waits to be written.
    pub(super) fn has_lists(&self) -> bool {
        match self {
            Side::Visitor(_) => false,
            Side::Agent(agent_side) => agent_side.watches.has_work(),
        }
    }
}
