//! The lists that agents look at, by the contract's names, and what of each one sees. Shared by HTTP, which pages them,
//! and by sockets, which watch them.

use domain::{Principal, Role};
use store::HeadView;

use crate::errors::ApiError;

/// A list of conversations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    /// What the agent holds.
    Mine,
    /// What is open in the agent's teams.
    Team,
    /// What is open in the workspace; for supervisors.
    All,
    /// What waits, in its order.
    Queue,
    /// What is over.
    Ended,
}

impl View {
    /// All of them.
    pub const ALL: [View; 5] = [View::Mine, View::Team, View::All, View::Queue, View::Ended];

    /// By its name.
    ///
    /// # Errors
    /// `VALIDATION_FAILED` of another name.
    pub fn parse(name: &str) -> Result<Self, ApiError> {
        match name {
            "mine" => Ok(View::Mine),
            "team" => Ok(View::Team),
            "all" => Ok(View::All),
            "queue" => Ok(View::Queue),
            "ended" => Ok(View::Ended),
            _ => Err(ApiError::invalid_field("view", "must be mine, team, all, queue or ended")),
        }
    }

    /// As clients name it.
    pub fn name(self) -> &'static str {
        match self {
            View::Mine => "mine",
            View::Team => "team",
            View::All => "all",
            View::Queue => "queue",
            View::Ended => "ended",
        }
    }

    /// The conversations in it that `who` sees: supervisors see those of the whole workspace, other agents those of their teams
    /// and their own.
    ///
    /// # Errors
    /// `FORBIDDEN` for visitors, and for a view that only supervisors have.
    pub fn for_agent(self, who: &Principal) -> Result<HeadView, ApiError> {
        let Principal::Agent { card, role, teams } = who else {
            return Err(ApiError::forbidden("only agents list conversations"));
        };
        let supervises = *role >= Role::Supervisor;
        let of_teams = (!supervises).then(|| teams.clone());
        match self {
            View::Mine => Ok(HeadView::HeldBy(card.id)),
            View::Team => Ok(HeadView::Open(Some(teams.clone()))),
            View::All if supervises => Ok(HeadView::Open(None)),
            View::All => Err(ApiError::forbidden("only supervisors list all conversations")),
            View::Queue => Ok(HeadView::Queue(of_teams)),
            View::Ended => Ok(HeadView::Ended(of_teams.map(|teams| (teams, card.id)))),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use domain::{
        AgentCard, Attributes, Author, Conversation, Event, EventKind, Head, Id, Kind, Name, Seq, SiteId,
        Start, State, Timestamp, VisitorCard,
    };

    use super::*;

    pub(crate) fn id<K: Kind>(n: u8) -> Id<K> {
        Id::from_hash([n; 16])
    }

    fn card(n: u8) -> AgentCard {
        AgentCard { id: id(n), name: Name::parse("Ann").unwrap() }
    }

    /// Agent 1, of team 1.
    pub(crate) fn agent(role: Role) -> Principal {
        Principal::Agent { card: card(1), role, teams: vec![id(1)] }
    }

    /// Of this team, in this state; of this agent.
    pub(crate) fn head(team: u8, state: State, assignee: Option<u8>) -> Head {
        let site: SiteId = id(1);
        let visitor = VisitorCard { id: id(1), name: None, email: None, verified: false };
        let start = Start { site, team: id(team), visitor, subject: None, attributes: Attributes::default() };
        let by = Author::Visitor { id: id(1), name: None };
        let at = Timestamp::from_ms(1);
        let started = Event { seq: Seq(1), at, by, request: None, kind: EventKind::Started(start) };
        let head = Conversation::begin(&started).unwrap().head().clone();
        let ended_at = (state == State::Ended).then_some(at);
        Head { state, assignee: assignee.map(card), ended_at, ..head }
    }

    #[test]
    fn a_view_shows_each_agent_what_they_may_see() {
        use State::{Assigned, Ended, Queued};
        use View::{All, Mine, Queue, Team};
        let ended = View::Ended;
        // The views of an agent of team 1, and of a supervisor who is in team 1, that show it.
        for (head, agents, supervisors) in [
            (head(1, Queued, None), vec![Team, Queue], vec![Team, All, Queue]),
            (head(2, Queued, None), vec![], vec![All, Queue]),
            (head(1, Assigned, Some(1)), vec![Mine, Team], vec![Mine, Team, All]),
            (head(2, Assigned, Some(1)), vec![Mine], vec![Mine, All]),
            (head(1, Assigned, Some(2)), vec![Team], vec![Team, All]),
            (head(2, Assigned, Some(2)), vec![], vec![All]),
            (head(1, State::Bot, None), vec![Team], vec![Team, All]),
            (head(1, Ended, Some(2)), vec![ended], vec![ended]),
            (head(2, Ended, Some(1)), vec![ended], vec![ended]),
            (head(2, Ended, Some(2)), vec![], vec![ended]),
        ] {
            for (role, shown) in [(Role::Agent, agents), (Role::Supervisor, supervisors)] {
                let who = agent(role);
                let shows =
                    |view: &View| view.for_agent(&who).is_ok_and(|heads| heads.time_of(&head).is_some());
                let found: Vec<View> = [Mine, Team, All, Queue, ended].into_iter().filter(shows).collect();
                assert_eq!(found, shown, "{role:?} {head:?}");
            }
        }
    }

    #[test]
    fn names_are_read_as_they_are_written_and_a_visitor_lists_nothing() {
        for view in [View::Mine, View::Team, View::All, View::Queue, View::Ended] {
            assert_eq!(View::parse(view.name()).ok(), Some(view));
            let visitor = Principal::Visitor { id: id(1), site: id(1), name: None };
            assert!(view.for_agent(&visitor).is_err());
        }
        assert!(View::parse("visitors").is_err() && View::All.for_agent(&agent(Role::Agent)).is_err());
    }
}
