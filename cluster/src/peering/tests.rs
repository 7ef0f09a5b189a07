//! Whole nodes of a cluster in one process, over one store in memory and real TCP on loopback: the clock is not paused.

use actors::Settings;
use domain::{ClientId, Command, MessageText, Request};
use store::Store;
use store::memory::{MemoryRecords, MemoryStore};
use tokio::time::{Instant, sleep, timeout};
use uuid::Uuid;

use actors::ExecuteError;
use actors::testing::{id, key, visitor};

use super::*;
use crate::membership::{MemberState, change};
use crate::protocol::ProtocolRange;
use crate::testing::start_request;
use crate::{Cluster, ClusterStatus, Ended, MemberStatus, StartError};

/// More than anything here takes, on a machine that is busy.
const LONG: Duration = Duration::from_secs(30);

fn store() -> Store {
    let memory = Arc::new(MemoryStore::default());
    let records = Arc::new(MemoryRecords::default());
    Store { log: memory.clone(), heads: memory.clone(), records, series: memory }
}

fn joining(name: &str, secret: u8) -> Joining {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    Joining {
        name: NodeName::parse(name).unwrap(),
        address: listener.local_addr().unwrap().to_string(),
        listener,
        secret: ClusterSecret::new(vec![secret; 32]).unwrap(),
        tls: None,
    }
}

async fn start(store: &Store, name: &str) -> Cluster {
    let joining = Some(joining(name, 1));
    Cluster::start(store.clone(), Clock::system(), Settings::default(), joining).await.unwrap()
}

async fn status(store: &Store) -> ClusterStatus {
    ClusterStatus::read(&*store.records, Clock::system().now()).await.unwrap()
}

/// Completes once the cluster stands so.
async fn until(store: &Store, is_so: impl Fn(&ClusterStatus) -> bool) -> ClusterStatus {
    let looked = timeout(LONG, async {
        while !is_so(&status(store).await) {
            sleep(Duration::from_millis(20)).await;
        }
    });
    if looked.await.is_err() {
        panic!("it stays {:?}", status(store).await);
    }
    status(store).await
}

fn names(status: &ClusterStatus) -> Vec<(&str, MemberState, usize)> {
    status.members.iter().map(|of| (of.member.name.as_str(), of.member.state, of.shards)).collect()
}

#[tokio::test]
async fn one_of_three_serves_and_when_it_drains_another_one_does() {
    let store = store();
    let a = start(&store, "a").await;
    timeout(LONG, a.custody()).await.expect("the first has everything");
    let (b, c) = (start(&store, "b").await, start(&store, "c").await);
    let all_linked = |status: &ClusterStatus| {
        let is_settled = |of: &MemberStatus| of.linked.len() == 2 && of.member.state == MemberState::Up;
        status.members.len() == 3 && status.members.iter().all(is_settled)
    };
    let seen = until(&store, all_linked).await;
    let up = MemberState::Up;
    assert_eq!(names(&seen), [("a", up, 256), ("b", up, 0), ("c", up, 0)]);
    assert_eq!((a.serves(), b.serves(), c.serves()), (true, false, false));

    // What one has acknowledged the next one knows; those who stand by answer nothing.
    let started = a.create(key(1), start_request(1, 1, 1, Default::default())).await.unwrap();
    assert!(!started.answer.is_repeated());
    let refused = b.create(key(2), start_request(2, 2, 1, Default::default())).await;
    assert!(matches!(refused, Err(ExecuteError::Moved)), "{refused:?}");

    // One that has no way in changes nothing for the others.
    let stranger = Cluster::start(store.clone(), Clock::system(), Settings::default(), Some(joining("d", 2)));
    let stranger = stranger.await.unwrap();
    assert_eq!(timeout(LONG, stranger.ended()).await, Ok(Ended::Out), "it is put out again");
    assert!(a.serves() && !stranger.serves());
    drop(stranger);
    // One without a cluster is told to stay away.
    let alone = Cluster::start(store.clone(), Clock::system(), Settings::default(), None).await.err();
    let Some(StartError::ClusterLives(living)) = alone else { panic!("{alone:?}") };
    assert_eq!(living.len(), 3, "{living:?}");

    let left = crate::drain(&*store.records, Clock::system().now(), &NodeName::parse("a").unwrap()).await;
    assert!(left.unwrap().is_some());
    timeout(LONG, a.told_to_leave()).await.expect("it reads the view");
    // It hands over while it drains: the next one does not wait until it has left.
    timeout(LONG, b.custody()).await.expect("a releases everything over a link");
    assert_eq!((a.serves(), c.serves(), status(&store).await.members.len()), (false, false, 3));
    let text = MessageText::parse("hello", 100).unwrap();
    let command =
        Command::PostMessage { message_id: id(9), text: Some(text), files: Vec::new(), note: false };
    let client_id = Some(ClientId::parse("m").unwrap());
    let request = Request { by: visitor(1), client_id, command };
    let refused = a.execute(key(1), request.clone()).await;
    assert!(matches!(refused, Err(ExecuteError::Moved)), "{refused:?}");
    let outcome = b.execute(key(1), request).await;
    assert!(outcome.is_ok(), "{outcome:?}");
    assert_eq!(a.drain(LONG).await, 0);
    let seen = until(&store, |status| status.members.len() == 2 && status.moves == 0).await;
    assert!(seen.unsealed.is_empty(), "it has sealed itself");
}

/// A peer as links alone make it: it reads no store.
#[tokio::test]
async fn a_newer_view_goes_to_peers_at_once_and_theirs_is_learned() {
    let store = store();
    let a = start(&store, "a").await;
    timeout(LONG, a.custody()).await.expect("it has everything");
    let b = joining("b", 1);
    let (name_of_a, name_of_b) = (NodeName::parse("a").unwrap(), b.name.clone());
    let member = Member {
        name: b.name.clone(),
        incarnation: Incarnation(Uuid::from_u64_pair(0, 2)),
        address: b.address.clone(),
        state: MemberState::Joining,
        protocol: ProtocolRange::OURS,
        level: 1,
    };
    let me = Introduction { name: b.name.clone(), incarnation: member.incarnation.0, booted_ms: 1, level: 1 };
    let b = Peering::start(b, me, Pulse::new(), Clock::system()).unwrap();
    let records = &*store.records;
    let joined = change(records, Clock::system().now(), |view| view.join(member.clone())).await.unwrap();
    // It has peers, and shows that it knows no view.
    let within = b.handle.enter();
    let peers = joined.members().iter().map(|member| (member.name.clone(), member.address.clone()));
    b.links.set_peers(&peers.collect());
    drop(within);
    let told = timeout(LONG, b.inbox.tell()).await.expect("a tells of what it has read");
    assert_eq!((&told.peer, told_view(&told.payload).unwrap()), (&name_of_a, joined.clone()));

    // The store says nothing of this one: only a link can.
    let newer = joined.after(|_| true).unwrap();
    b.set(&newer);
    b.tell(&newer, &mut BTreeMap::new());
    let began = Instant::now();
    while a.member_figures().version() < newer.version() && began.elapsed() < LONG {
        sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(a.member_figures().version(), newer.version());
    timeout(LONG, b.until_known(newer.version())).await.expect("a shows that it knows");
    assert!(a.member_figures().links[&name_of_b].is_linked);
}
