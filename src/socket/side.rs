//! Which side a socket is of, and what only that side's needs. A visitor's is small, for there are many of them.

use std::time::Duration;

use cluster::{AgentKey, AgentView, Attachment, PushSender, Topic, Watcher};
use domain::WorkspaceId;
use tokio::time::Instant;

use super::Close;
use super::frames::Frame;
use super::places::Places;
use super::session::Session;
use super::watches::Watches;
use crate::http::App;
use crate::identity::Caller;

/// How soon a token is looked at again: a revocation on any node closes the sockets within 5 s.
const CHECK_EVERY: Duration = Duration::from_secs(4);

pub(super) enum Side {
    Visitor(Places),
    Agent(Box<Desk>),
}

/// What an agent's socket has beside.
pub(super) struct Desk {
    pub(super) key: AgentKey,
    /// Tells the agent's actor that he is present.
    attachment: Attachment,
    check_at: Instant,
    pub(super) watcher: Watcher,
    /// When what changed is told next.
    pub(super) look_at: Instant,
    pub(super) watches: Watches,
}

impl Side {
    /// From now on nothing that concerns it is missed; of an agent also how he is.
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
                let desk = Desk { key, attachment, check_at, watcher, look_at: now, watches };
                Ok((Side::Agent(Box::new(desk)), Some(view)))
            }
            Caller::Visitor { visitor, .. } => {
                app.cluster.visitor_seen(workspace, visitor.id);
                watcher.look_at(vec![Topic::Visitor(visitor.id)]);
                let is_shared = app.store.records.expires_by_itself();
                let check_at = is_shared.then(|| Instant::now() + CHECK_EVERY);
                Ok((Side::Visitor(Places::new(visitor.id, watcher, check_at)), None))
            }
            Caller::Anonymous | Caller::Site { .. } => Err(Close::Unauthenticated),
        }
    }

    pub(super) fn watcher(&self) -> &Watcher {
        match self {
            Side::Visitor(places) => &places.watcher,
            Side::Agent(desk) => &desk.watcher,
        }
    }

    /// What changed is not told before.
    pub(super) fn look_at(&self) -> Instant {
        match self {
            Side::Visitor(places) => places.look_at,
            Side::Agent(desk) => desk.look_at,
        }
    }

    /// When the person is to be looked at again. Of a visitor only where other nodes may change what holds: the revocations
    /// of this one are heard at once.
    pub(super) fn check_at(&self) -> Option<Instant> {
        match self {
            Side::Visitor(places) => places.check_at,
            Side::Agent(desk) => Some(desk.check_at),
        }
    }

    /// There is something of the lists that he watches to be written.
    pub(super) fn has_lists(&self) -> bool {
        match self {
            Side::Visitor(_) => false,
            Side::Agent(desk) => desk.watches.has_work(),
        }
    }
}

impl Session {
    /// An agent whose actor ended is attached anew: what it was to tell is told as it is now.
    pub(super) async fn check_agent(&mut self) -> Result<(), Close> {
        let desk = match &mut self.side {
            Side::Agent(desk) => desk,
            Side::Visitor(places) => {
                places.check_at = Some(Instant::now() + CHECK_EVERY);
                return Ok(());
            }
        };
        desk.check_at = Instant::now() + CHECK_EVERY;
        if desk.attachment.lives() {
            return Ok(());
        }
        match self.app.cluster.attach(desk.key, self.sender.clone()).await {
            Ok(attachment) => {
                let status = attachment.view.status;
                desk.watches.read_again(attachment.view.conversations.iter().copied());
                desk.attachment = attachment;
                self.write(&Frame::Status { status }).await?;
                self.flush().await
            }
            // The next look tries again.
            Err(error) => {
                tracing::warn!(agent = %desk.key.agent, %error, "a socket was not attached again");
                Ok(())
            }
        }
    }
}
