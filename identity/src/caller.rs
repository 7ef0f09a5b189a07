//! Who makes a request, once that is proven, and why a credential proves nothing.

use std::sync::Arc;

use domain::{Agent, AgentId, Principal, Site, SiteId, TeamId, Timestamp, Visitor, VisitorId, WorkspaceId};
use store::StoreError;

use crate::token::SessionId;

/// Who made a request, proven.
#[derive(Clone, Debug)]
pub enum Caller {
    /// Gave no credential. Only routes that are open to all take such a request.
    Anonymous,
    /// A page that embeds a widget and gave the public key of its site.
    Site {
        /// The workspace of the site.
        workspace: WorkspaceId,
        /// The site.
        site: Arc<Site>,
    },
    /// A person who asks questions.
    Visitor {
        /// The workspace of the visitor.
        workspace: WorkspaceId,
        /// The site that the token is bound to.
        site: SiteId,
        /// The visitor's record, at most a second old.
        visitor: Arc<Visitor>,
        /// The generation of the visitor's tokens that the token belongs to.
        generation: u64,
        /// When the token ends.
        expires_at: Timestamp,
        /// The site takes only visitors whose identity is signed, and this visitor's is not. They read and end the
        /// conversations that they have; they begin none and write nothing.
        unproven: bool,
    },
    /// A person who answers questions.
    Agent {
        /// The workspace of the agent.
        workspace: WorkspaceId,
        /// The agent's record, at most a second old.
        agent: Arc<Agent>,
        /// The teams that name the agent, at most a second old.
        teams: Arc<[TeamId]>,
        /// The log-in that the access token belongs to.
        session: SessionId,
        /// When the access token ends.
        expires_at: Timestamp,
    },
}

impl Caller {
    /// The workspace whose data the caller may ask for. None without a credential.
    pub fn workspace(&self) -> Option<WorkspaceId> {
        match self {
            Self::Anonymous => None,
            Self::Site { workspace, .. }
            | Self::Visitor { workspace, .. }
            | Self::Agent { workspace, .. } => Some(*workspace),
        }
    }

    /// The caller as the rules know them; none for callers who take no part in conversations.
    pub fn principal(&self) -> Option<Principal> {
        match self {
            Self::Anonymous | Self::Site { .. } => None,
            Self::Visitor { site, visitor, .. } => {
                Some(Principal::Visitor { id: visitor.id, site: *site, name: visitor.name.clone() })
            }
            Self::Agent { agent, teams, .. } => {
                Some(Principal::Agent { card: agent.card(), role: agent.role, teams: teams.to_vec() })
            }
        }
    }
}

/// A credential proves nothing.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// The credential is malformed, or nobody has it.
    #[error("the token is not a valid one")]
    Invalid,
    /// The credential's time is over.
    #[error("the token has expired")]
    Expired,
    /// The log-in was ended, or the person that the credential stands for is gone or disabled.
    #[error("the token was revoked")]
    Revoked,
    /// The store did not say whether the credential is valid: try again.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Something was revoked or changed on this node. A task that holds a [`Caller`] for long, and finds that caller named here,
/// asks [`Identity::still_valid`](crate::Identity::still_valid) at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Revoked {
    /// A log-in ended.
    Session(SessionId),
    /// An agent was disabled or removed, or their password, role or teams were changed.
    Agent(AgentId),
    /// A visitor was changed.
    Visitor(VisitorId),
    /// A site was changed.
    Site(SiteId),
    /// The teams of a workspace were changed, and with them what its agents see.
    Teams(WorkspaceId),
}
