//! A workspace on a store in memory, and a cluster of one whose notices may go astray on their way to its carrier.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use actors::testing::{id, key, some_agent, workspace};
use actors::{ExecuteError, Node, Notice, Outcome, Settings};
use domain::{
    AgentId, Attributes, ClientId, Command, Head, Principal, Request, Start, Team, Timestamp, VisitorCard,
};
use store::faulty::{Dice, Faults, FaultyLog};
use store::memory::{MemoryRecords, MemoryStore};
use store::{Clock, Owner, Store};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::{Cluster, carry, wake};

/// How likely a notice is lost, or late; the rest comes in order.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Astray {
    pub(crate) lost: f64,
    pub(crate) late: f64,
}

pub(crate) struct Office {
    pub(crate) store: Store,
    pub(crate) log: Arc<FaultyLog>,
    pub(crate) cluster: Cluster,
    pub(crate) node: Node,
    pub(crate) astray: Arc<Mutex<Astray>>,
    /// What would go on delivering to a node that is lost.
    tasks: JoinSet<()>,
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
        let (node, tasks) = boot(&store, &astray, seed, 1).await;
        Self { store, log, cluster: Cluster::of(node.clone()), node, astray, tasks, boots: 1 }
    }

    /// The node dies, with all that it had in memory, and another one starts.
    pub(crate) async fn reboot(&mut self, seed: u64) {
        self.tasks.shutdown().await;
        self.node.kill_all();
        self.boots += 1;
        (self.node, self.tasks) = boot(&self.store, &self.astray, seed, self.boots).await;
        self.cluster = Cluster::of(self.node.clone());
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
        self.cluster
            .create(key(n), Request { by: actors::testing::visitor(visitor), client_id, command })
            .await
    }

    pub(crate) async fn ask(&self, n: u8, by: Principal, command: Command) -> Result<Outcome, ExecuteError> {
        self.cluster.execute(key(n), Request { by, client_id: None, command }).await
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
        self.node.kill_all();
    }
}

async fn boot(store: &Store, astray: &Arc<Mutex<Astray>>, seed: u64, boot: u32) -> (Node, JoinSet<()>) {
    let settings = Settings { agent_grace: Office::GRACE, ..Settings::default() };
    let owner = Owner(format!("a#{boot}"));
    let (node, notices) = Node::start(store.clone(), Clock::of_tokio(), owner, settings).await.unwrap();
    let (carrier, carried) = mpsc::channel(1_024);
    let mut tasks = JoinSet::new();
    tasks.spawn(go_astray(notices, carrier, Arc::clone(astray), Dice::new(seed)));
    tasks.spawn(carry::run(node.downgrade(), carried));
    tasks.spawn(wake::run(node.downgrade()));
    (node, tasks)
}

async fn go_astray(
    mut notices: mpsc::Receiver<Notice>,
    carrier: mpsc::Sender<Notice>,
    astray: Arc<Mutex<Astray>>,
    mut dice: Dice,
) {
    while let Some(notice) = notices.recv().await {
        let Astray { lost, late } = *astray.lock().unwrap();
        if dice.chance(lost) {
            continue;
        }
        let (aside, delay) = (dice.chance(late), dice.up_to(1_500));
        let carrier = carrier.clone();
        let carried = async move { drop(carrier.send(notice).await) };
        if aside {
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(delay)).await;
                carried.await;
            });
        } else {
            carried.await;
        }
    }
}
