//! Boots that enter, one after the other and at once, over records and a log that do not always answer.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use store::faulty::{Faults, FaultyLog};
use store::memory::MemoryStore;
use store::{Generation, INSTALLATION, RecordError, RecordKind};

use crate::membership::ShardId;
use crate::testing::records::{self, Trouble, TroubledRecords};

use super::*;

const NOW: Timestamp = Timestamp::from_ms(1);

fn boot(n: u64) -> Incarnation {
    Incarnation(Uuid::from_u64_pair(0, n))
}

/// What a write of a record comes to.
#[derive(Clone, Copy, Debug)]
enum Write {
    Done,
    UnknownDone,
    UnknownLost,
    Unavailable,
}

/// Lets writes come to what the test says.
#[derive(Default)]
struct Script {
    script: Mutex<VecDeque<Write>>,
    writes: AtomicUsize,
}

#[async_trait]
impl Trouble for Script {
    async fn write(
        &self,
        call: &'static str,
        _: RecordKind,
        write: records::Write,
    ) -> Result<(), RecordError> {
        if call == "delete" {
            return write.await;
        }
        self.writes.fetch_add(1, Ordering::Relaxed);
        let scripted = self.script.lock().unwrap().pop_front();
        match scripted.unwrap_or(Write::Done) {
            Write::Done => write.await,
            Write::UnknownDone => {
                write.await?;
                Err(RecordError::Unknown)
            }
            Write::UnknownLost => Err(RecordError::Unknown),
            Write::Unavailable => Err(StoreError::Unavailable("as scripted".into()).into()),
        }
    }
}

type ScriptedRecords = TroubledRecords<Script>;

struct Fixture {
    store: Store,
    records: Arc<ScriptedRecords>,
    log: FaultyLog,
}

impl Fixture {
    fn new(seed: u64) -> Self {
        let memory = Arc::new(MemoryStore::default());
        let log = FaultyLog::new(memory.clone(), seed, Faults::default());
        let records = Arc::new(ScriptedRecords::default());
        let store = Store {
            log: Arc::new(log.clone()),
            heads: memory.clone(),
            records: records.clone(),
            series: memory,
        };
        Self { store, records, log }
    }

    fn script(&self, writes: impl IntoIterator<Item = Write>) {
        self.records.trouble.script.lock().unwrap().extend(writes);
    }

    async fn enter(&self, n: u64) -> Result<Boot, StartError> {
        Boot::enter_as(&self.store, boot(n), &Clock::by_hand(NOW)).await
    }

    async fn view(&self) -> View {
        store::get::<View>(&*self.records, INSTALLATION, "view").await.unwrap().unwrap().document
    }

    /// The view's version, its one member, and who is to be sealed.
    async fn stands(&self) -> (u64, Option<Incarnation>, Vec<Incarnation>) {
        let view = self.view().await;
        assert!(view.members().len() <= 1);
        let member = view.members().first().map(|member| member.incarnation);
        (view.version(), member, view.unsealed().to_vec())
    }
}

#[tokio::test]
async fn each_boot_seals_the_one_before_and_writes_as_a_higher_generation() {
    let fixture = Fixture::new(0);
    let first = fixture.enter(1).await.unwrap();
    assert_eq!((first.custody.generation(), first.lanes.incarnation()), (Some(Generation(1)), boot(1)));
    let second = fixture.enter(2).await.unwrap();
    assert!(!first.lanes.confirm().await.unwrap() && second.lanes.confirm().await.unwrap());
    assert_eq!(second.custody.generation(), Some(Generation(2)));
    assert_eq!(fixture.stands().await, (3, Some(boot(2)), vec![]));
    let view = fixture.view().await;
    assert!(ShardId::all().all(|shard| view.may_start(shard, boot(2))));
}

/// On CQL each is one conditional statement.
#[tokio::test]
async fn a_start_writes_the_view_twice_after_a_kill_and_once_after_a_clean_end() {
    let fixture = Fixture::new(0);
    let writes = || fixture.records.trouble.writes.swap(0, Ordering::Relaxed);
    fixture.enter(1).await.unwrap();
    assert_eq!(writes(), 1);
    let second = fixture.enter(2).await.unwrap();
    assert_eq!(writes(), 2);
    second.leave(NOW).await.unwrap();
    assert_eq!(writes(), 1);
    fixture.enter(3).await.unwrap();
    assert_eq!(writes(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_is_alone_from_now_on_seals_all_members_of_before() {
    let fixture = Fixture::new(0);
    let named = |n: u64| {
        let address = format!("10.0.0.{n}:4000");
        Member { address, ..member(boot(n), NodeName::parse(&format!("node-{n}")).unwrap()) }
    };
    let enters = |view: &mut View| view.enter(named(1)) | view.enter(named(2)) | view.hand_out(SPREAD);
    change(&*fixture.records, NOW, enters).await.unwrap();
    // They write no heartbeats, so that they are dead.
    let clock = Clock::by_hand(NOW);
    let dead = dead_members(&fixture.store, NOW).await.unwrap();
    assert_eq!(dead, [boot(1), boot(2)]);
    let half = enter(&fixture.store, &clock, boot(3), &dead[..1]).await.err();
    assert!(matches!(half, Some(StartError::ClusterLives(names)) if names.len() == 1));
    let (_boot, _driver) = enter(&fixture.store, &clock, boot(3), &dead).await.unwrap();
    assert_eq!(fixture.stands().await, (3, Some(boot(3)), vec![]));
    let view = fixture.view().await;
    assert!(ShardId::all().all(|shard| view.may_start(shard, boot(3))));
}

#[tokio::test]
async fn a_boot_that_left_is_not_sealed_again() {
    let fixture = Fixture::new(0);
    let first = fixture.enter(1).await.unwrap();
    first.leave(NOW).await.unwrap();
    assert!(!first.lanes.confirm().await.unwrap());
    assert_eq!(fixture.stands().await, (2, None, vec![]));
    assert_eq!(fixture.enter(2).await.unwrap().custody.generation(), Some(Generation(3)));
}

#[tokio::test]
async fn one_that_is_out_of_the_view_already_leaves_it_as_it_is() {
    let fixture = Fixture::new(0);
    let first = fixture.enter(1).await.unwrap();
    let second = fixture.enter(2).await.unwrap();
    first.leave(NOW).await.unwrap();
    assert_eq!(fixture.stands().await.1, Some(boot(2)));
    assert!(second.lanes.confirm().await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_boot_that_was_overtaken_before_it_was_open_does_not_start() {
    let fixture = Fixture::new(0);
    fixture.enter(1).await.unwrap();
    let (records, clock) = (Arc::clone(&fixture.store.records), Clock::by_hand(NOW));
    let late = member(boot(2), NodeName::parse(ALONE).unwrap());
    let (membership, _driver) = Driver::join_alone(records, clock, late, &[]).await.unwrap();
    fixture.enter(3).await.unwrap();
    let late = take_over(&fixture.store, membership).await;
    assert!(matches!(late, Err(StartError::Superseded)));
    assert_eq!(fixture.stands().await, (4, Some(boot(3)), vec![]));
}

#[tokio::test(start_paused = true)]
async fn what_is_not_known_of_the_view_is_read() {
    use Write::{Done, UnknownDone, UnknownLost};
    for script in [
        vec![UnknownDone],
        vec![UnknownLost],
        vec![Done, UnknownDone],
        vec![Done, UnknownLost],
        vec![UnknownLost, UnknownDone, UnknownLost, UnknownDone],
    ] {
        let fixture = Fixture::new(0);
        fixture.enter(1).await.unwrap();
        fixture.script(script.clone());
        let second = fixture.enter(2).await.unwrap();
        assert_eq!(second.custody.generation(), Some(Generation(2)), "{script:?}");
        assert_eq!(fixture.stands().await, (3, Some(boot(2)), vec![]), "{script:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_boot_that_failed_need_not_be_sealed() {
    let fixture = Fixture::new(0);
    let first = fixture.enter(1).await.unwrap();
    fixture.log.trouble(Faults { unavailable: 1.0, ..Faults::default() });
    for n in 2..5 {
        assert!(matches!(fixture.enter(n).await, Err(StartError::Store(_))));
    }
    assert_eq!(fixture.stands().await, (7, None, vec![boot(1)]));
    fixture.log.calm();
    assert_eq!(fixture.enter(5).await.unwrap().custody.generation(), Some(Generation(8)));
    assert!(!first.lanes.confirm().await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_view_that_cannot_be_written_starts_nobody() {
    let fixture = Fixture::new(0);
    fixture.enter(1).await.unwrap();
    fixture.script([Write::Unavailable]);
    assert!(matches!(fixture.enter(2).await, Err(StartError::Store(_))));
    assert_eq!(fixture.stands().await.1, Some(boot(1)));
}

/// However boots overlap: each generation is one boot's, at most one has open lanes in the end, and it is the highest.
#[tokio::test(start_paused = true)]
async fn of_boots_that_enter_at_once_the_last_one_writes() {
    for seed in 0..200 {
        let fixture = Arc::new(Fixture::new(seed));
        let faults = Faults { unavailable: 0.05, answer_lost: 0.1, delay_ms_max: 30, ..Faults::default() };
        fixture.log.trouble(faults);
        let entering: Vec<_> = (1..=5)
            .map(|n| {
                let fixture = Arc::clone(&fixture);
                tokio::spawn(async move { fixture.enter(n).await })
            })
            .collect();
        let mut entered = Vec::new();
        for boot in entering {
            entered.extend(boot.await.unwrap().ok());
        }
        fixture.log.calm();
        entered.sort_by_key(|boot| boot.custody.generation());
        assert!(
            entered.is_sorted_by(|one, other| one.custody.generation() < other.custody.generation()),
            "seed {seed}"
        );
        let mut open = Vec::new();
        for boot in &entered {
            if boot.lanes.confirm().await.unwrap() {
                open.push(boot.custody.generation());
            }
        }
        assert!(open.len() <= 1, "seed {seed}: {open:?}");
        let last = fixture.enter(9).await.unwrap();
        for boot in &entered {
            assert!(!boot.lanes.confirm().await.unwrap(), "seed {seed}");
        }
        assert!(
            entered.iter().all(|before| before.custody.generation() < last.custody.generation()),
            "seed {seed}"
        );
    }
}
