//! A workspace on a store in memory, and a cluster of one whose notices may go astray on their way to its carrier.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use actors::testing::{id, key, some_agent, workspace};
use actors::{Authority, ExecuteError, Node, Notice, Outcome, Settings};
use domain::{
    AgentId, Attributes, ClientId, Command, Head, Principal, Request, Start, Team, Timestamp, VisitorCard,
};
use store::faulty::{Dice, Faults, FaultyLog};
use store::memory::{MemoryRecords, MemoryStore};
use store::{Clock, Incarnation, Store};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::boot::{Boot, StartError};
use crate::{Cluster, carry, wake};

pub(crate) mod records;

/// How likely a notice is lost, or late; the rest comes in order.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Astray {
    pub(crate) lost: f64,
    pub(crate) late: f64,
}

pub(crate) struct Office {
    pub(crate) store: Store,
    /// What the log has, without its faults.
    pub(crate) memory: Arc<MemoryStore>,
    pub(crate) log: FaultyLog,
    pub(crate) cluster: Cluster,
    pub(crate) node: Node,
    pub(crate) astray: Arc<Mutex<Astray>>,
    /// What would go on delivering to a node that is lost.
    tasks: JoinSet<()>,
    /// The node before, which does not know yet that it may write no more.
    overtaken: Option<(Node, Cluster, JoinSet<()>)>,
    boots: u64,
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
        let log = FaultyLog::new(Arc::clone(&memory) as _, seed, faults);
        let records = Arc::new(MemoryRecords::default());
        let store =
            Store { log: Arc::new(log.clone()), heads: memory.clone(), records, series: memory.clone() };
        for team in teams {
            store::insert(&*store.records, workspace(), team, Timestamp::from_ms(1)).await.unwrap();
        }
        for (n, capacity) in agents {
            let agent = some_agent(n, capacity);
            store::insert(&*store.records, workspace(), agent, Timestamp::from_ms(1)).await.unwrap();
        }
        let astray = Arc::new(Mutex::new(Astray::default()));
        let mut boots = 0;
        let (node, cluster, tasks) = boot(&store, &astray, seed, &mut boots).await;
        Self { store, memory, log, cluster, node, astray, tasks, overtaken: None, boots }
    }

    /// The node dies, with all that it had in memory, and another one starts.
    pub(crate) async fn reboot(&mut self, seed: u64) {
        self.tasks.shutdown().await;
        self.node.kill_all();
        (self.node, self.cluster, self.tasks) = boot(&self.store, &self.astray, seed, &mut self.boots).await;
    }

    /// Another node starts over the same store, and the one before goes on until it finds that it was sealed.
    pub(crate) async fn overtake(&mut self, seed: u64) {
        let (node, cluster, tasks) = boot(&self.store, &self.astray, seed, &mut self.boots).await;
        let before = std::mem::replace(&mut self.node, node);
        let cluster = std::mem::replace(&mut self.cluster, cluster);
        let tasks = std::mem::replace(&mut self.tasks, tasks);
        if let Some((node, ..)) = self.overtaken.replace((before, cluster, tasks)) {
            node.kill_all();
        }
    }

    /// The node that was overtaken, if there is one.
    pub(crate) fn overtaken(&self) -> Option<&Cluster> {
        self.overtaken.as_ref().map(|(_, cluster, _)| cluster)
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
        self.cluster.create(key(n), start_request(n, visitor, team, attributes)).await
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
        if let Some((node, ..)) = &self.overtaken {
            node.kill_all();
        }
    }
}

/// What starts conversation `n` of this visitor in the team.
pub(crate) fn start_request(n: u8, visitor: u8, team: u8, attributes: Attributes) -> Request {
    let start = Start {
        site: id(1),
        team: id(team),
        visitor: VisitorCard { id: id(visitor), name: None, email: None, verified: false },
        subject: None,
        attributes,
    };
    let client_id = Some(ClientId::parse(&n.to_string()).unwrap());
    let command = Command::Start { start, first: None };
    Request { by: actors::testing::visitor(visitor), client_id, command }
}

/// A boot that fails is followed by another one, as a supervisor of processes would have it.
async fn boot(
    store: &Store,
    astray: &Arc<Mutex<Astray>>,
    seed: u64,
    boots: &mut u64,
) -> (Node, Cluster, JoinSet<()>) {
    let clock = Clock::of_tokio();
    let entered = loop {
        *boots += 1;
        match Boot::enter_as(store, Incarnation(Uuid::from_u64_pair(seed, *boots)), &clock).await {
            Ok(entered) => break entered,
            Err(StartError::Store(_)) => {}
            Err(other) => panic!("nobody else starts: {other}"),
        }
    };
    let (node, notices) = start(store, clock, entered.authority()).await;
    let (carrier, carried) = mpsc::channel(1_024);
    let mut tasks = JoinSet::new();
    tasks.spawn(go_astray(notices, carrier, Arc::clone(astray), Dice::new(seed)));
    tasks.spawn(carry::run(node.downgrade(), carried));
    tasks.spawn(wake::run(node.downgrade()));
    (node.clone(), Cluster::of(node, entered), tasks)
}

async fn start(store: &Store, clock: Clock, authority: Authority) -> (Node, mpsc::Receiver<Notice>) {
    let settings = Settings { agent_grace: Office::GRACE, ..Settings::default() };
    Node::start(store.clone(), clock, authority, settings).await.unwrap()
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
