//! What an agent's actor is sent.

use std::sync::Arc;

use domain::{ConversationId, Head, TeamId, Timestamp};
use tokio::time::Instant;

use super::mailbox::{Asked, Handle};
use super::presence::AgentPresence;
use crate::words::{Attach, Loss, OfferEnd, QueueNews, QueuePosition, Reserve, SetStatus, ViewAgent};

pub(crate) type AgentHandle = Handle<AgentMessage, AgentPresence>;

pub(crate) enum AgentMessage {
    View(Asked<ViewAgent>),
    SetStatus(Asked<SetStatus>),
    Reserve(Asked<Reserve>),
    Attach(Asked<Attach>),
    Detach {
        session: u64,
    },
    /// What became of a reservation: the epoch of the assignment, if it was written.
    Settled {
        conversation: ConversationId,
        assigned: Option<u64>,
    },
    /// The log says that the agent has it, since `epoch`.
    Assigned {
        conversation: ConversationId,
        epoch: u64,
        head: Arc<Head>,
    },
    /// The log says that the agent has it no more, since that assignment.
    Lost {
        conversation: ConversationId,
        epoch: u64,
        why: Loss,
    },
    /// The record was changed by an admin.
    Changed {
        capacity: u32,
        disabled: bool,
    },
    /// The agent came, or went.
    PresenceMoved,
    /// The teams that the agent is in now.
    Teams(Vec<TeamId>),
    /// Read the agent's teams anew.
    TeamsChanged,
    Offer {
        team: TeamId,
        conversation: ConversationId,
        position: QueuePosition,
        expires_at: Timestamp,
    },
    OfferEnded {
        team: TeamId,
        conversation: ConversationId,
        why: OfferEnd,
    },
    /// What an offered conversation is shown with has changed.
    OfferTouched {
        conversation: ConversationId,
        position: QueuePosition,
    },
    /// Report to this team's router.
    Report(TeamId),
    Queue(QueueNews),
    /// Compare what the actor knows with the store.
    Reconcile,
    /// Something that the actor asked of the store was not done.
    Failed,
    /// What the store says that the agent holds; `before`: what the actor knew when it asked, at `asked_at`.
    Held {
        asked_at: Instant,
        before: Vec<(ConversationId, u64)>,
        listed: Vec<(ConversationId, u64)>,
    },
    #[cfg(any(test, feature = "testing"))]
    Inspect(tokio::sync::oneshot::Sender<domain::Load>),
}

impl From<Asked<ViewAgent>> for AgentMessage {
    fn from(asked: Asked<ViewAgent>) -> Self {
        Self::View(asked)
    }
}

impl From<Asked<SetStatus>> for AgentMessage {
    fn from(asked: Asked<SetStatus>) -> Self {
        Self::SetStatus(asked)
    }
}

impl From<Asked<Reserve>> for AgentMessage {
    fn from(asked: Asked<Reserve>) -> Self {
        Self::Reserve(asked)
    }
}

impl From<Asked<Attach>> for AgentMessage {
    fn from(asked: Asked<Attach>) -> Self {
        Self::Attach(asked)
    }
}
