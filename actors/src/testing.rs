//! A workspace for tests: a team with agents, on a store in memory, and a node whose notices may go astray.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use domain::{
    Agent, AgentCard, AgentId, AssignmentMode, Attributes, ClientId, Command, Email, Head, Name, Principal,
    Request, Role, Start, Status, Strategy, Team, Timestamp, VisitorCard, WorkspaceId,
};
use store::faulty::{Dice, Faults, FaultyLog};
use store::memory::{MemoryRecords, MemoryStore};
use store::{ConversationKey, Owner, Store};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::{AgentKey, Clock, ExecuteError, Node, Notice, Outcome, Settings, TeamKey};

pub(crate) fn id<K: domain::Kind>(n: u8) -> domain::Id<K> {
    domain::Id::from_hash([n; 16])
}

pub(crate) fn workspace() -> WorkspaceId {
    id(1)
}

pub(crate) fn key(n: u8) -> ConversationKey {
    ConversationKey { workspace: workspace(), conversation: id(n) }
}

pub(crate) fn team_key(n: u8) -> TeamKey {
    TeamKey { workspace: workspace(), team: id(n) }
}

pub(crate) fn agent_key(n: u8) -> AgentKey {
    AgentKey { workspace: workspace(), agent: id(n) }
}

pub(crate) fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

pub(crate) fn card(n: u8) -> AgentCard {
    AgentCard { id: id(n), name: name("Ann") }
}

pub(crate) fn agent(n: u8) -> Principal {
    Principal::Agent { card: card(n), role: Role::Agent, teams: vec![id(1), id(2)] }
}

pub(crate) fn supervisor(n: u8) -> Principal {
    Principal::Agent { card: card(n), role: Role::Supervisor, teams: vec![id(1), id(2)] }
}

pub(crate) fn visitor(n: u8) -> Principal {
    Principal::Visitor { id: id(n), site: id(1), name: None }
}

pub(crate) fn team(n: u8, agents: impl IntoIterator<Item = u8>, assignment: AssignmentMode) -> Team {
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

/// How likely a notice is lost, or late; the rest comes in order.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Astray {
    pub(crate) lost: f64,
    pub(crate) late: f64,
}

pub(crate) struct Office {
    pub(crate) store: Store,
    pub(crate) log: Arc<FaultyLog>,
    pub(crate) node: Node,
    pub(crate) astray: Arc<Mutex<Astray>>,
    carrier: JoinHandle<()>,
    boots: u32,
}

impl Office {
    pub(crate) const GRACE: Duration = Duration::from_secs(4);

    /// Online agents with room for `capacity` each.
    pub(crate) async fn open(teams: Vec<Team>, agents: impl IntoIterator<Item = (u8, u32)>) -> Self {
        Self::open_with(teams, agents, 0, Faults::default()).await
    }

    pub(crate) async fn open_with(
        teams: Vec<Team>,
        agents: impl IntoIterator<Item = (u8, u32)>,
        seed: u64,
        faults: Faults,
    ) -> Self {
        let memory = Arc::new(MemoryStore::default());
        let log = Arc::new(FaultyLog::new(Arc::clone(&memory) as _, seed, faults));
        let records = Arc::new(MemoryRecords::default());
        let store = Store { log: Arc::clone(&log) as _, heads: memory.clone(), records, series: memory };
        for team in teams {
            store::insert(&*store.records, workspace(), team, Timestamp::from_ms(1)).await.unwrap();
        }
        for (n, capacity) in agents {
            let agent = some_agent(n, capacity);
            store::insert(&*store.records, workspace(), agent, Timestamp::from_ms(1)).await.unwrap();
        }
        let astray = Arc::new(Mutex::new(Astray::default()));
        let (node, carrier) = boot(&store, &astray, seed, 1).await;
        Self { store, log, node, astray, carrier, boots: 1 }
    }

    /// The node dies, with all that it had in memory, and another one starts.
    pub(crate) async fn reboot(&mut self, seed: u64) {
        self.carrier.abort();
        self.node.kill_all();
        self.boots += 1;
        let (node, carrier) = boot(&self.store, &self.astray, seed, self.boots).await;
        (self.node, self.carrier) = (node, carrier);
    }

    pub(crate) async fn start(&self, n: u8, visitor: u8, team: u8) -> Result<Outcome, ExecuteError> {
        self.start_with(n, visitor, team, Attributes::default()).await
    }

    pub(crate) async fn start_with(
        &self,
        n: u8,
        visitor: u8,
        team: u8,
        attributes: Attributes,
    ) -> Result<Outcome, ExecuteError> {
        let start = Start {
            site: id(1),
            team: id(team),
            visitor: VisitorCard { id: id(visitor), name: None, email: None, verified: false },
            subject: None,
            attributes,
        };
        let client_id = Some(ClientId::parse(&n.to_string()).unwrap());
        let command = Command::Start { start, first: None };
        self.node.create(key(n), Request { by: self::visitor(visitor), client_id, command }).await
    }

    pub(crate) async fn ask(&self, n: u8, by: Principal, command: Command) -> Result<Outcome, ExecuteError> {
        self.node.execute(key(n), Request { by, client_id: None, command }).await
    }

    pub(crate) async fn head(&self, n: u8) -> Head {
        self.store.heads.get(key(n)).await.unwrap().unwrap()
    }

    pub(crate) async fn holder(&self, n: u8) -> Option<AgentId> {
        self.head(n).await.assignee.map(|agent| agent.id)
    }

    pub(crate) async fn until(&self, what: impl AsyncFn(&Self) -> bool) {
        let waited = async {
            while !what(self).await {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(120), waited).await.expect("it does not come about");
    }
}

impl Drop for Office {
    fn drop(&mut self) {
        self.carrier.abort();
        self.node.kill_all();
    }
}

pub(crate) fn some_agent(n: u8, capacity: u32) -> Agent {
    Agent {
        id: id(n),
        email: Email::parse(&format!("a{n}@example.org")).unwrap(),
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

async fn boot(store: &Store, astray: &Arc<Mutex<Astray>>, seed: u64, boot: u32) -> (Node, JoinHandle<()>) {
    let settings = Settings { agent_grace: Office::GRACE, ..Settings::default() };
    let owner = Owner(format!("a#{boot}"));
    let (node, notices) = Node::start(store.clone(), Clock::of_tokio(), owner, settings).await.unwrap();
    let carrier = tokio::spawn(carry(node.clone(), notices, Arc::clone(astray), Dice::new(seed)));
    (node, carrier)
}

async fn carry(node: Node, mut notices: mpsc::Receiver<Notice>, astray: Arc<Mutex<Astray>>, mut dice: Dice) {
    while let Some(notice) = notices.recv().await {
        let Astray { lost, late } = *astray.lock().unwrap();
        if dice.chance(lost) {
            continue;
        }
        let aside = dice.chance(late) || matches!(notice, Notice::Release { .. });
        if aside {
            let (node, delay) = (node.clone(), dice.up_to(if late > 0.0 { 1_500 } else { 0 }));
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(delay)).await;
                node.deliver(notice).await;
            });
        } else {
            node.deliver(notice).await;
        }
    }
}
