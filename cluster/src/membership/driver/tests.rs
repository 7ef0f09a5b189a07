//! The driver by itself: what it costs, and how one joins, leaves and finds itself out.

use std::collections::BTreeMap;

use async_trait::async_trait;
use domain::Timestamp;
use store::{Incarnation, RecordKind};
use uuid::Uuid;

use super::*;
use crate::membership::handle::Out;
use crate::membership::pings::Pong;
use crate::name::NodeName;
use crate::protocol::ProtocolRange;
use crate::testing::records::{Trouble, TroubledRecords, Write};

/// Counts calls.
#[derive(Default)]
struct Calls(Mutex<BTreeMap<(&'static str, RecordKind), u64>>);

impl Calls {
    fn count(&self, call: &'static str, kind: RecordKind) {
        *self.0.lock().unwrap().entry((call, kind)).or_default() += 1;
    }

    fn take(&self) -> BTreeMap<(&'static str, RecordKind), u64> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

#[async_trait]
impl Trouble for Calls {
    async fn write(&self, call: &'static str, kind: RecordKind, write: Write) -> Result<(), RecordError> {
        self.count(call, kind);
        write.await
    }

    async fn reads(&self, call: &'static str, kind: RecordKind) -> Result<(), StoreError> {
        self.count(call, kind);
        Ok(())
    }
}

type CountedRecords = TroubledRecords<Calls>;

/// Every peer answers at once.
struct AllAnswer;

impl Pings for AllAnswer {
    fn last_pong(&self, _: Incarnation) -> Option<Pong> {
        let (tick_age, clock) = (Duration::ZERO, Timestamp::from_ms(0));
        Some(Pong { at: Instant::now(), clock, tick_age, heartbeat_age: None })
    }

    fn is_linked(&self, _: Incarnation) -> bool {
        true
    }
}

fn member(name: &str, n: u8, address: &str) -> Member {
    Member {
        name: NodeName::parse(name).unwrap(),
        incarnation: Incarnation(Uuid::from_bytes([n; 16])),
        address: address.to_owned(),
        state: MemberState::Joining,
        protocol: ProtocolRange::OURS,
        level: 1,
    }
}

async fn join(records: &Arc<CountedRecords>, name: &str, n: u8) -> (Membership, Driver) {
    join_as(records, name, n, Spread::Even).await
}

async fn join_as(records: &Arc<CountedRecords>, name: &str, n: u8, spread: Spread) -> (Membership, Driver) {
    let member = member(name, n, &format!("{name}:4000"));
    let (clock, pings) = (Clock::of_tokio(), Arc::new(AllAnswer));
    Driver::join(records.clone(), clock, member, Pulse::new(), pings, spread).await.unwrap()
}

async fn join_alone(
    records: &Arc<CountedRecords>,
    n: u8,
    dead: &[Incarnation],
) -> Result<(Membership, Driver), AloneError> {
    Driver::join_alone(records.clone(), Clock::of_tokio(), member("alone", n, ""), dead).await
}

#[tokio::test(start_paused = true)]
async fn an_idle_node_reads_the_view_each_second_and_in_a_cluster_writes_one_heartbeat() {
    let records = Arc::new(CountedRecords::default());
    let (_, driver) = join_alone(&records, 9, &[]).await.unwrap();
    tokio::spawn(driver.run());
    sleep(Duration::from_secs(5)).await;
    records.trouble.take();
    sleep(Duration::from_secs(60)).await;
    assert_eq!(records.trouble.take(), BTreeMap::from([(("get", RecordKind::View), 60)]));

    let (a, driver) = join(&records, "a", 1).await;
    tokio::spawn(driver.run());
    sleep(Duration::from_secs(5)).await;
    assert_eq!(a.view().members().len(), 1, "the one that was alone is out");
    records.trouble.take();
    sleep(Duration::from_secs(60)).await;
    let calls = [("get", RecordKind::View), ("update", RecordKind::Heartbeat)];
    assert_eq!(records.trouble.take(), calls.map(|call| (call, 60)).into_iter().collect());

    let (other, driver) = join(&records, "b", 2).await;
    tokio::spawn(driver.run());
    sleep(Duration::from_secs(5)).await;
    assert!(other.views().borrow().members().iter().all(|member| member.state == MemberState::Up));
    records.trouble.take();
    sleep(Duration::from_secs(60)).await;
    let calls = records.trouble.take();
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

#[tokio::test(start_paused = true)]
async fn one_member_has_all_shards_and_the_next_takes_them_when_it_drains_or_is_gone() {
    let records = Arc::new(CountedRecords::default());
    let mut joined = Vec::new();
    for (name, n) in [("a", 1), ("b", 2), ("c", 3)] {
        let (membership, driver) = join_as(&records, name, n, Spread::One).await;
        joined.push((membership, tokio::spawn(driver.run())));
        sleep(Duration::from_secs(3)).await;
    }
    let newest = |of: usize| joined[of].0.view();
    let owner = |view: &View| {
        let owner = view.shards()[crate::membership::ShardId(0)].owner;
        assert!(view.shards().iter().all(|(_, shard)| shard.owner == owner));
        view.members().iter().position(|member| Some(member.incarnation) == owner)
    };
    let view = newest(2);
    assert_eq!((view.members().len(), owner(&view)), (3, Some(0)));
    joined[0].0.drain().await.unwrap();
    sleep(Duration::from_secs(2)).await;
    let view = newest(2);
    let up = view.members().iter().filter(|member| member.state == MemberState::Up);
    assert_eq!((up.count(), view.members()[0].state), (2, MemberState::Draining));
    assert!(matches!(owner(&view), Some(1 | 2)));
    joined[0].0.leave().await.unwrap();
    sleep(Duration::from_secs(2)).await;
    assert_eq!(newest(1).members().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn one_that_is_alone_does_not_stand_beside_a_cluster_nor_evict_one_that_lives() {
    let records = Arc::new(CountedRecords::default());
    let (a, driver) = join(&records, "a", 1).await;
    let running = tokio::spawn(driver.run());
    let refused = join_alone(&records, 9, &[]).await.err();
    let Some(AloneError::Cluster(living)) = refused else { panic!("{refused:?}") };
    assert_eq!(living.iter().map(|member| member.name.as_str()).collect::<Vec<_>>(), ["a"]);
    sleep(Duration::from_secs(3)).await;
    assert_eq!((a.view().version(), a.view().members().len()), (1, 1), "nothing was changed");
    // Of a dead cluster it takes everything.
    running.abort();
    let (alone, _driver) = join_alone(&records, 9, &[a.incarnation()]).await.unwrap();
    let view = alone.view();
    assert_eq!((view.members().len(), view.unsealed()), (1, [a.incarnation()].as_slice()));
    assert!(view.shards().iter().all(|(_, shard)| shard.owner == Some(alone.incarnation())));
}
