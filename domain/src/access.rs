//! Who asks, how they stand to a conversation, and what they may do with it: one table, deny by default.

use serde::{Deserialize, Serialize};

use crate::{AgentCard, Name, Rejection, Role, SiteId, Stale, TeamId, VisitorId};

/// Who asks, within one workspace; made from a credential, never from a request's body.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Principal {
    /// A person on a web page.
    Visitor {
        /// The visitor.
        id: VisitorId,
        /// The site that their token is bound to.
        site: SiteId,
        /// As they gave it, when they did.
        name: Option<Name>,
    },
    /// A person who answers.
    Agent {
        /// The agent, as others see them.
        card: AgentCard,
        /// Their role now.
        role: Role,
        /// Their teams now.
        teams: Vec<TeamId>,
    },
    /// Switchboard itself: the router, a sweep, a timer.
    System,
}

/// How a principal stands to one conversation; [`crate::Conversation::standing`] finds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The visitor whose conversation it is.
    ItsVisitor,
    /// The agent who has it; after its end, the last agent who had it.
    ItsAgent,
    /// An agent who had it and still sees it, and why they have it no more.
    FormerAgent(Stale),
    /// A supervisor or admin of its workspace who does not hold it.
    Supervisor,
    /// An agent of its team who never had it.
    Onlooker,
    /// Switchboard itself.
    System,
    /// Does not see it.
    Stranger,
}

/// What can be done with a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Read it and its events; subscribe.
    Read,
    /// Post a message; type.
    Write,
    /// Post a private note.
    Note,
    /// Take it from the queue.
    Accept,
    /// Take it from another agent.
    TakeOver,
    /// End it.
    End,
    /// Give it to another agent or team.
    Transfer,
    /// Give it back to the queue.
    Release,
    /// Open it again after its end.
    Reopen,
    /// Change its tags.
    Tag,
    /// Rate it.
    Rate,
}

/// The one table of who may do what with a conversation. What a principal does not see does not exist for them.
///
/// # Errors
///
/// [`Rejection::NotFound`]: the principal does not see the conversation. [`Rejection::StaleAssignment`]: the agent held it
/// and holds it no more. [`Rejection::Forbidden`]: the principal sees it and may not do this. The caller passes each of them
/// on to the client.
pub fn may(standing: Standing, action: Action) -> Result<(), Rejection> {
    use Action::{Accept, End, Note, Rate, Read, Release, Reopen, Tag, TakeOver, Transfer, Write};
    match (standing, action) {
        (Standing::Stranger, _) => Err(Rejection::NotFound),
        (Standing::System, _) => Ok(()),
        (Standing::ItsVisitor, Read | Write | End | Rate) => Ok(()),
        (Standing::ItsVisitor, Note | Accept | TakeOver | Transfer | Release | Reopen | Tag) => {
            Err(Rejection::Forbidden)
        }
        (Standing::ItsAgent, Read | Write | Note | Accept | End | Transfer | Release | Reopen | Tag) => {
            Ok(())
        }
        (Standing::Supervisor, Read | Note | Accept | TakeOver | End | Transfer | Release | Reopen | Tag) => {
            Ok(())
        }
        (Standing::FormerAgent(_) | Standing::Onlooker, Read | Note | Accept) => Ok(()),
        (Standing::FormerAgent(why), Write | End | Transfer | Release | Reopen | Tag) => {
            Err(Rejection::StaleAssignment(why))
        }
        (Standing::Onlooker, Write | End | Transfer | Release | Reopen | Tag) => Err(Rejection::Forbidden),
        (Standing::Supervisor, Write) => Err(Rejection::Forbidden),
        (Standing::ItsAgent | Standing::FormerAgent(_) | Standing::Onlooker, TakeOver) => {
            Err(Rejection::Forbidden)
        }
        (Standing::ItsAgent | Standing::FormerAgent(_) | Standing::Supervisor | Standing::Onlooker, Rate) => {
            Err(Rejection::Forbidden)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stranger_is_told_of_nothing_and_only_its_visitor_rates() {
        for action in [Action::Read, Action::Write, Action::Rate, Action::Accept, Action::End] {
            assert_eq!(may(Standing::Stranger, action), Err(Rejection::NotFound));
        }
        assert_eq!(may(Standing::ItsVisitor, Action::Rate), Ok(()));
        assert_eq!(may(Standing::Supervisor, Action::Rate), Err(Rejection::Forbidden));
        assert_eq!(
            may(Standing::FormerAgent(Stale::AgentGone), Action::Write),
            Err(Rejection::StaleAssignment(Stale::AgentGone))
        );
        assert_eq!(may(Standing::Onlooker, Action::Write), Err(Rejection::Forbidden));
    }
}
