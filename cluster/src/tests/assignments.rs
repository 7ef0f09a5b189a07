//! Assignments on the real store: one wins, and no agent passes their capacity.

use std::time::Duration;

use domain::{
    Absent, Attributes, ClientId, Command, Head, Principal, Rejection, ReleaseReason, Request, Start, State,
    Status, Timestamp, VisitorCard,
};
use store::sqlite::{Access, SqliteOptions, SqliteStore};
use store::{Clock, Store};

use actors::testing::{agent, agent_key, card, id, key, some_agent, workspace};
use actors::{AgentView, ExecuteError, Outcome, Push, Settings, ViewAgent, window};

use crate::Cluster;

struct Fixture {
    _dir: tempfile::TempDir,
    _sqlite: SqliteStore,
    store: Store,
    cluster: Cluster,
}

impl Fixture {
    /// Agents 1 to `agents`, online, each with room for `capacity`.
    async fn start(agents: u8, capacity: u32) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let sqlite = SqliteStore::open(dir.path(), Access::Server, SqliteOptions::default()).unwrap();
        let store = sqlite.store();
        for n in 1..=agents {
            let agent = some_agent(n, capacity);
            store::insert(&*store.records, workspace(), agent, Timestamp::from_ms(1)).await.unwrap();
        }
        let cluster = Self::cluster(&store).await;
        Self { _dir: dir, _sqlite: sqlite, store, cluster }
    }

    async fn cluster(store: &Store) -> Cluster {
        let settings = Settings { agent_grace: Duration::from_secs(2), ..Settings::default() };
        Cluster::start(store.clone(), Clock::system(), settings, None).await.unwrap()
    }

    async fn conversation(&self, n: u8) {
        let start = Start {
            site: id(1),
            team: id(1),
            visitor: VisitorCard { id: id(1), name: None, email: None, verified: false },
            subject: None,
            attributes: Attributes::default(),
        };
        let by = Principal::Visitor { id: id(1), site: id(1), name: None };
        let client_id = Some(ClientId::parse(&n.to_string()).unwrap());
        let request = Request { by, client_id, command: Command::Start { start, first: None } };
        self.cluster.create(key(n), request).await.unwrap();
    }

    async fn view(&self, n: u8) -> AgentView {
        self.cluster.ask(agent_key(n), ViewAgent).await.unwrap()
    }

    async fn head(&self, n: u8) -> Head {
        self.store.heads.get(key(n)).await.unwrap().unwrap()
    }

    /// Waits until what actors tell one another has arrived.
    async fn until(&self, what: impl AsyncFn(&Self) -> bool) {
        let waited = async {
            while !what(self).await {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), waited).await.expect("it does not come about");
    }
}

fn rejected(outcome: Result<Outcome, ExecuteError>) -> Option<Rejection> {
    match outcome {
        Err(ExecuteError::Rejected(rejection)) => Some(rejection),
        Ok(_) | Err(_) => None,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_who_accept_at_once_one_wins_each_time_and_nobody_passes_their_capacity() {
    const AGENTS: u8 = 5;
    const CAPACITY: u32 = 3;
    const CONVERSATIONS: u8 = 40;
    let fixture = Fixture::start(AGENTS, CAPACITY).await;
    let (mut won, mut lost, mut full) = (0, 0, 0);
    for conversation in 0..CONVERSATIONS {
        fixture.conversation(conversation).await;
        let tries: Vec<_> = (1..=AGENTS)
            .map(|n| {
                let cluster = fixture.cluster.clone();
                tokio::spawn(async move { cluster.accept(key(conversation), agent(n), None, false).await })
            })
            .collect();
        let mut winners = 0;
        for one in tries {
            match one.await.unwrap() {
                Ok(_) => winners += 1,
                Err(ExecuteError::Rejected(Rejection::AlreadyAssigned)) => lost += 1,
                Err(ExecuteError::Rejected(Rejection::CapacityExceeded)) => full += 1,
                Err(other) => panic!("{other:?}"),
            }
        }
        assert!(winners <= 1, "two agents have one conversation");
        won += winners;
        for n in 1..=AGENTS {
            let view = fixture.view(n).await;
            assert!(view.load <= CAPACITY as usize, "{view:?}");
        }
    }
    assert_eq!(won, i32::from(AGENTS) * CAPACITY as i32, "all room is used ({lost} lost, {full} full)");
}

#[tokio::test]
async fn the_conversations_own_no_comes_before_the_agents() {
    let fixture = Fixture::start(2, 1).await;
    for n in 1..=3 {
        fixture.conversation(n).await;
    }
    fixture.cluster.accept(key(1), agent(1), None, false).await.unwrap();
    fixture.cluster.accept(key(2), agent(2), None, false).await.unwrap();
    let cluster = &fixture.cluster;
    assert_eq!(
        rejected(cluster.accept(key(2), agent(1), None, false).await),
        Some(Rejection::AlreadyAssigned)
    );
    assert_eq!(rejected(cluster.accept(key(9), agent(1), None, false).await), Some(Rejection::NotFound));
    assert_eq!(
        rejected(cluster.accept(key(3), agent(1), None, false).await),
        Some(Rejection::CapacityExceeded)
    );
    assert!(cluster.accept(key(1), agent(1), None, false).await.unwrap().answer.is_repeated());
}

#[tokio::test]
async fn a_transfer_takes_room_from_one_and_gives_it_to_the_other() {
    let fixture = Fixture::start(2, 1).await;
    for n in 1..=2 {
        fixture.conversation(n).await;
    }
    let (sender, mut pushes) = window(8, 1 << 20);
    let attachment = fixture.cluster.attach(agent_key(2), sender).await.unwrap();
    fixture.cluster.accept(key(1), agent(1), None, false).await.unwrap();
    fixture.cluster.transfer(key(1), agent(1), None, card(2), None).await.unwrap();
    let Some(Push::Assigned { conversation, .. }) = pushes.next().await else { panic!("not told") };
    assert_eq!(conversation, key(1).conversation);
    fixture.until(async |fixture| fixture.view(1).await.load == 0).await;
    fixture.cluster.accept(key(2), agent(1), None, false).await.unwrap();
    let full = fixture.cluster.transfer(key(2), agent(1), None, card(2), None).await;
    assert_eq!(rejected(full), Some(Rejection::CapacityExceeded));
    let himself = fixture.cluster.transfer(key(2), agent(1), None, card(1), None).await;
    assert!(matches!(rejected(himself), Some(Rejection::Conflict(_))));
    drop(attachment);
}

#[tokio::test]
async fn nobody_gets_a_conversation_who_is_not_there() {
    let fixture = Fixture::start(2, 5).await;
    fixture.conversation(1).await;
    fixture.cluster.accept(key(1), agent(1), None, false).await.unwrap();
    // Two seconds after their last request the agent is not present any more.
    fixture.until(async |fixture| !fixture.view(2).await.present).await;
    let absent = fixture.cluster.transfer(key(1), agent(1), None, card(2), None).await;
    assert_eq!(rejected(absent), Some(Rejection::AgentOffline(Absent::AgentGone)));
    fixture.cluster.agent_seen(agent_key(2), Status::Online);
    fixture.cluster.transfer(key(1), agent(1), None, card(2), None).await.unwrap();
    fixture.cluster.set_status(agent_key(1), Status::Offline).await.unwrap();
    fixture.conversation(2).await;
    let offline = fixture.cluster.accept(key(2), agent(1), None, false).await;
    assert_eq!(rejected(offline), Some(Rejection::AgentOffline(Absent::Offline)));
}

#[tokio::test]
async fn an_agent_who_goes_offline_gives_back_what_they_hold() {
    let fixture = Fixture::start(1, 5).await;
    fixture.conversation(1).await;
    fixture.cluster.accept(key(1), agent(1), None, false).await.unwrap();
    fixture.cluster.set_status(agent_key(1), Status::Offline).await.unwrap();
    fixture.until(async |fixture| fixture.head(1).await.state == State::Queued).await;
    let events = fixture.store.log.read(key(1), domain::Seq(2), 10).await.unwrap();
    assert!(matches!(events[0].kind, domain::EventKind::Released { reason: ReleaseReason::Offline, .. }));
    fixture.until(async |fixture| fixture.view(1).await.load == 0).await;
}

#[tokio::test]
async fn a_caller_who_goes_away_leaves_no_place_taken() {
    let fixture = Fixture::start(1, 2).await;
    for n in 1..=2 {
        fixture.conversation(n).await;
        let cluster = fixture.cluster.clone();
        let accepting = tokio::spawn(async move { cluster.accept(key(n), agent(1), None, false).await });
        tokio::task::yield_now().await;
        accepting.abort();
    }
    // Whatever was written counts, and nothing else.
    fixture
        .until(async |fixture| {
            let mut held = 0;
            for n in 1..=2 {
                held += usize::from(fixture.head(n).await.state == State::Assigned);
            }
            fixture.view(1).await.load == held
        })
        .await;
}

#[tokio::test]
async fn an_agents_actor_finds_what_the_agent_holds_again() {
    let fixture = Fixture::start(1, 2).await;
    for n in 1..=3 {
        fixture.conversation(n).await;
    }
    fixture.cluster.accept(key(1), agent(1), None, false).await.unwrap();
    fixture.cluster.accept(key(2), agent(1), None, false).await.unwrap();
    let second = Fixture::cluster(&fixture.store).await;
    assert_eq!(second.ask(agent_key(1), ViewAgent).await.unwrap().load, 2);
    let full = second.accept(key(3), agent(1), None, false).await;
    assert_eq!(rejected(full), Some(Rejection::CapacityExceeded));
}

#[tokio::test]
async fn a_socket_whose_agents_actor_ended_attaches_anew_and_is_told_again() {
    let fixture = Fixture::start(1, 5).await;
    fixture.conversation(1).await;
    let (sender, mut pushes) = window(16, 16 * 1024);
    let attachment = fixture.cluster.attach(agent_key(1), sender.clone()).await.unwrap();
    fixture.cluster.node().end_agent(agent_key(1)).await;
    while !matches!(pushes.next().await, Some(Push::AgentLost)) {}

    let _again = fixture.cluster.attach(agent_key(1), sender).await.unwrap();
    drop(attachment);
    assert!(fixture.view(1).await.present);
    fixture.cluster.accept(key(1), agent(1), None, false).await.unwrap();
    while !matches!(pushes.next().await, Some(Push::Assigned { .. })) {}
}
