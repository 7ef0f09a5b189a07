//! People and teams for tests, each known by a small number.

use domain::{
    Agent, AgentCard, AgentId, AssignmentMode, Email, Name, Principal, Role, Status, Strategy, Team,
    WorkspaceId,
};
use store::ConversationKey;

pub use crate::node::Living;
use crate::words::{AgentKey, TeamKey};

/// The id that `n` stands for.
pub fn id<K: domain::Kind>(n: u8) -> domain::Id<K> {
    domain::Id::from_hash([n; 16])
}

/// The one workspace.
pub fn workspace() -> WorkspaceId {
    id(1)
}

/// The key of conversation `n`.
pub fn key(n: u8) -> ConversationKey {
    ConversationKey { workspace: workspace(), conversation: id(n) }
}

/// The key of team `n`.
pub fn team_key(n: u8) -> TeamKey {
    TeamKey { workspace: workspace(), team: id(n) }
}

/// The key of agent `n`.
pub fn agent_key(n: u8) -> AgentKey {
    AgentKey { workspace: workspace(), agent: id(n) }
}

/// A name.
///
/// # Panics
/// When `text` is none.
pub fn name(text: &str) -> Name {
    Name::parse(text).expect("a name")
}

/// Agent `n`, as others are shown them.
pub fn card(n: u8) -> AgentCard {
    AgentCard { id: id(n), name: name("Ann") }
}

/// Agent `n`, who asks.
pub fn agent(n: u8) -> Principal {
    Principal::Agent { card: card(n), role: Role::Agent, teams: vec![id(1), id(2)] }
}

/// Agent `n` as a supervisor, who asks.
pub fn supervisor(n: u8) -> Principal {
    Principal::Agent { card: card(n), role: Role::Supervisor, teams: vec![id(1), id(2)] }
}

/// Visitor `n`, who asks.
pub fn visitor(n: u8) -> Principal {
    Principal::Visitor { id: id(n), site: id(1), name: None }
}

/// Team `n` with these agents; offers last five seconds.
pub fn team(n: u8, agents: impl IntoIterator<Item = u8>, assignment: AssignmentMode) -> Team {
    Team {
        id: id(n),
        name: name(&format!("Team {n}")),
        assignment,
        strategy: Strategy::LeastBusy,
        accept_timeout_s: Some(5),
        idle_end_min: Team::IDLE_END_MIN,
        queue_max: None,
        agents: agents.into_iter().map(id).collect::<Vec<AgentId>>(),
        hours: None,
    }
}

/// Agent `n`'s record: online, with room for `capacity`.
///
/// # Panics
/// Never.
pub fn some_agent(n: u8, capacity: u32) -> Agent {
    Agent {
        id: id(n),
        email: Email::parse(&format!("a{n}@example.org")).expect("an address"),
        name: name("Ann"),
        role: Role::Agent,
        capacity,
        skills: Vec::new(),
        languages: Vec::new(),
        disabled: false,
        operator: false,
        password_hash: "".into(),
        status: Status::Online,
        generation: 0,
    }
}
