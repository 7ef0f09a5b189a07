//! The driver by itself: what it costs, and how one joins, leaves and finds itself out.

use std::collections::BTreeMap;

use async_trait::async_trait;
use domain::{Timestamp, WorkspaceId};
use store::memory::MemoryRecords;
use store::{Incarnation, Record, RecordKind, Unique};
use uuid::Uuid;

use super::*;
use crate::membership::handle::Out;
use crate::membership::pings::Pong;
use crate::name::NodeName;
use crate::protocol::ProtocolRange;

/// Counts calls.
#[derive(Default)]
struct CountedRecords {
    inner: MemoryRecords,
    calls: Mutex<BTreeMap<(&'static str, RecordKind), u64>>,
}

impl CountedRecords {
    fn count(&self, call: &'static str, kind: RecordKind) {
        *self.calls.lock().unwrap().entry((call, kind)).or_default() += 1;
    }

    fn take(&self) -> BTreeMap<(&'static str, RecordKind), u64> {
        std::mem::take(&mut self.calls.lock().unwrap())
    }
}

#[async_trait]
impl Records for CountedRecords {
    async fn insert(&self, kind: RecordKind, record: Record, unique: &[Unique]) -> Result<(), RecordError> {
        self.count("insert", kind);
        self.inner.insert(kind, record, unique).await
    }

    async fn update(&self, kind: RecordKind, record: Record, unique: &[Unique]) -> Result<(), RecordError> {
        self.count("update", kind);
        self.inner.update(kind, record, unique).await
    }

    async fn delete(
        &self,
        workspace: WorkspaceId,
        kind: RecordKind,
        id: &str,
        version: Option<u64>,
    ) -> Result<(), RecordError> {
        self.count("delete", kind);
        self.inner.delete(workspace, kind, id, version).await
    }

    async fn get(
        &self,
        workspace: WorkspaceId,
        kind: RecordKind,
        id: &str,
    ) -> Result<Option<Record>, StoreError> {
        self.count("get", kind);
        self.inner.get(workspace, kind, id).await
    }

    async fn find(
        &self,
        workspace: WorkspaceId,
        kind: RecordKind,
        unique: &Unique,
    ) -> Result<Option<Record>, StoreError> {
        self.count("find", kind);
        self.inner.find(workspace, kind, unique).await
    }

    async fn list(
        &self,
        workspace: WorkspaceId,
        kind: RecordKind,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Record>, StoreError> {
        self.count("list", kind);
        self.inner.list(workspace, kind, after, limit).await
    }

    async fn expire(&self, now: Timestamp, limit: usize) -> Result<usize, StoreError> {
        self.inner.expire(now, limit).await
    }
}

/// Every peer answers at once.
struct AllAnswer;

impl Pings for AllAnswer {
    fn last_pong(&self, _: Incarnation) -> Option<Pong> {
        let (tick_age, clock) = (Duration::ZERO, Timestamp::from_ms(0));
        Some(Pong { at: Instant::now(), clock, tick_age, heartbeat_age: None })
    }
}

async fn join(records: &Arc<CountedRecords>, name: &str, n: u8) -> (Membership, Driver) {
    let member = Member {
        name: NodeName::parse(name).unwrap(),
        incarnation: Incarnation(Uuid::from_bytes([n; 16])),
        address: String::new(),
        state: MemberState::Joining,
        protocol: ProtocolRange::OURS,
        level: 1,
    };
    Driver::join(records.clone(), Clock::of_tokio(), member, Arc::new(AllAnswer)).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn an_idle_node_reads_the_view_each_second_and_with_peers_writes_one_heartbeat() {
    let records = Arc::new(CountedRecords::default());
    let (_, driver) = join(&records, "a", 1).await;
    tokio::spawn(driver.run());
    sleep(Duration::from_secs(5)).await;
    records.take();
    sleep(Duration::from_secs(60)).await;
    assert_eq!(records.take(), BTreeMap::from([(("get", RecordKind::View), 60)]));

    let (other, driver) = join(&records, "b", 2).await;
    tokio::spawn(driver.run());
    sleep(Duration::from_secs(5)).await;
    assert!(other.views().borrow().members().iter().all(|member| member.state == MemberState::Up));
    records.take();
    sleep(Duration::from_secs(60)).await;
    let calls = records.take();
    let expected =
        [("get", RecordKind::View), ("list", RecordKind::Heartbeat), ("update", RecordKind::Heartbeat)];
    assert_eq!(calls, expected.map(|call| (call, 120)).into_iter().collect());
}

#[tokio::test(start_paused = true)]
async fn a_boot_that_is_replaced_finds_itself_out_once_and_ends() {
    let records = Arc::new(CountedRecords::default());
    let (first, driver) = join(&records, "a", 1).await;
    let running = tokio::spawn(driver.run());
    let mut out = first.out();
    assert_eq!(*out.borrow_and_update(), None);
    let (second, _driver) = join(&records, "a", 2).await;
    out.changed().await.unwrap();
    assert_eq!(*out.borrow_and_update(), Some(Out { version: 2 }));
    running.await.unwrap();
    assert!(!out.has_changed().unwrap());
    // It changes nothing any more.
    let left = first.leave().await.unwrap();
    assert_eq!((left.version(), second.views().borrow().version()), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn a_node_that_drains_gives_its_shards_away_and_leaves() {
    let records = Arc::new(CountedRecords::default());
    let (a, driver) = join(&records, "a", 1).await;
    tokio::spawn(driver.run());
    let (b, driver) = join(&records, "b", 2).await;
    tokio::spawn(driver.run());
    sleep(Duration::from_secs(3)).await;
    let view = a.drain().await.unwrap();
    assert!(view.shards().iter().all(|(_, shard)| shard.owner == Some(b.incarnation())));
    a.leave().await.unwrap();
    assert!(a.out().borrow().is_some());
    sleep(Duration::from_secs(2)).await;
    let view = b.views().borrow().clone();
    assert!(view.member(a.incarnation()).is_none() && view.unsealed().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_view_that_comes_over_a_link_is_known_at_once_and_an_older_one_is_not() {
    let records = Arc::new(CountedRecords::default());
    let (a, _driver) = join(&records, "a", 1).await;
    let older = (**a.views().borrow()).clone();
    let (b, _driver) = join(&records, "b", 2).await;
    let newer = (**b.views().borrow()).clone();
    a.learn(newer.clone());
    a.learn(older);
    assert_eq!(**a.views().borrow(), newer);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_stood_still_does_nothing_by_its_view_until_it_is_read_again() {
    let records = Arc::new(CountedRecords::default());
    let (a, driver) = join(&records, "a", 1).await;
    // Nothing ticks: the driver does not run.
    assert!(a.pulse().is_current() && a.pulse().answers());
    sleep(Duration::from_millis(1_300)).await;
    assert!(!a.pulse().is_current() && a.pulse().answers());
    let version = a.change(|view| view.drain(a.incarnation())).await.unwrap().version();
    assert_eq!(version, 1, "it changes nothing");
    sleep(Duration::from_secs(2)).await;
    assert!(!a.pulse().answers(), "a wedged server does not look alive");
    tokio::spawn(driver.run());
    sleep(Duration::from_millis(500)).await;
    assert!(a.pulse().is_current() && a.pulse().answers());
}
