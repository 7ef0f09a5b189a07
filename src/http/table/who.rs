//! Who may ask, and pages of which origin.

use domain::Role;
use identity::Caller;

use crate::errors::ApiError;

/// Who may ask. Nobody else: a principal that a row does not name is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// Everybody; no credential is looked at and any page may ask.
    Open,
    /// Callers without a credential who want an agent's: log-in, refresh, log-out. Pages of this server only.
    LogIn,
    /// A site, by its key.
    Site {
        /// `?site=` is taken as well as `X-Site-Key`.
        in_query: bool,
    },
    /// Callers with a bearer token of one of these kinds.
    Bearer {
        /// A visitor.
        visitor: bool,
        /// An agent of at least this role.
        agent: Option<Role>,
        /// Of agents only the installation's operators.
        operator: bool,
    },
    /// Callers with a bearer token of any kind, or instead of one a signed link, which the handler verifies: without a token
    /// the caller is anonymous.
    BearerOrLink,
    /// Everybody who opens a socket; its first frame proves who that is. Pages of any site.
    Socket,
}

impl Who {
    /// Visitors alone.
    pub const VISITOR: Who = Who::Bearer { visitor: true, agent: None, operator: false };
    /// Agents of any role.
    pub const AGENT: Who = Who::of_role(Role::Agent);
    /// Supervisors and admins.
    pub const SUPERVISOR: Who = Who::of_role(Role::Supervisor);
    /// Admins.
    pub const ADMIN: Who = Who::of_role(Role::Admin);
    /// Operators of the installation.
    pub const OPERATOR: Who = Who::Bearer { visitor: false, agent: Some(Role::Admin), operator: true };
    /// Visitors, and agents of any role.
    pub const VISITOR_OR_AGENT: Who =
        Who::Bearer { visitor: true, agent: Some(Role::Agent), operator: false };

    const fn of_role(role: Role) -> Self {
        Who::Bearer { visitor: false, agent: Some(role), operator: false }
    }

    /// Pages of which origin may ask, before it is known who asks.
    pub(crate) fn pages(self) -> Pages {
        match self {
            Who::Open => Pages::All,
            Who::LogIn | Who::Bearer { visitor: false, .. } => Pages::Own,
            Who::Site { .. } | Who::BearerOrLink | Who::Socket | Who::Bearer { visitor: true, .. } => {
                Pages::OfSites
            }
        }
    }

    /// Deny by default: only callers that the row names pass.
    ///
    /// # Errors
    /// `FORBIDDEN`.
    pub(crate) fn admits(self, caller: &Caller) -> Result<(), ApiError> {
        let passes = match (self, caller) {
            (Who::Open | Who::LogIn | Who::Socket, Caller::Anonymous) => true,
            (Who::Site { .. }, Caller::Site { .. }) => true,
            (Who::BearerOrLink, Caller::Anonymous | Caller::Visitor { .. } | Caller::Agent { .. }) => true,
            (Who::Bearer { visitor, .. }, Caller::Visitor { .. }) => visitor,
            (Who::Bearer { agent: least, operator, .. }, Caller::Agent { agent, .. }) => {
                least.is_some_and(|least: Role| agent.role >= least) && (agent.operator || !operator)
            }
            (
                Who::Open | Who::LogIn | Who::Socket,
                Caller::Site { .. } | Caller::Visitor { .. } | Caller::Agent { .. },
            )
            | (Who::Site { .. }, Caller::Anonymous | Caller::Visitor { .. } | Caller::Agent { .. })
            | (Who::Bearer { .. }, Caller::Anonymous | Caller::Site { .. })
            | (Who::BearerOrLink, Caller::Site { .. }) => false,
        };
        if passes { Ok(()) } else { Err(ApiError::forbidden("this route is not for you")) }
    }
}

/// Pages of which origin may ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pages {
    /// The origin is not judged, and no page of another one can read the answer.
    All,
    /// Those of this server.
    Own,
    /// Those of any site, and of this server.
    OfSites,
}
