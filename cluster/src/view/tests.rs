//! Boots that enter, one after the other and at once, over records and a log that do not always answer.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use domain::WorkspaceId;
use store::faulty::{Faults, FaultyLog};
use store::memory::{MemoryRecords, MemoryStore};
use store::{INSTALLATION, Record, RecordError, RecordKind, Records, Unique};

use crate::membership::ShardId;

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

/// Records whose writes come to what the test says.
#[derive(Default)]
struct ScriptedRecords {
    inner: MemoryRecords,
    script: Mutex<VecDeque<Write>>,
    writes: AtomicUsize,
}

impl ScriptedRecords {
    async fn write(&self, write: impl Future<Output = Result<(), RecordError>>) -> Result<(), RecordError> {
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

#[async_trait]
impl Records for ScriptedRecords {
    async fn insert(&self, kind: RecordKind, record: Record, unique: &[Unique]) -> Result<(), RecordError> {
        self.write(self.inner.insert(kind, record, unique)).await
    }

    async fn update(&self, kind: RecordKind, record: Record, unique: &[Unique]) -> Result<(), RecordError> {
        self.write(self.inner.update(kind, record, unique)).await
    }

    async fn delete(
        &self,
        workspace: WorkspaceId,
        kind: RecordKind,
        id: &str,
        version: Option<u64>,
    ) -> Result<(), RecordError> {
        self.inner.delete(workspace, kind, id, version).await
    }

    async fn get(
        &self,
        workspace: WorkspaceId,
        kind: RecordKind,
        id: &str,
    ) -> Result<Option<Record>, StoreError> {
        self.inner.get(workspace, kind, id).await
    }

    async fn find(
        &self,
        workspace: WorkspaceId,
        kind: RecordKind,
        unique: &Unique,
    ) -> Result<Option<Record>, StoreError> {
        self.inner.find(workspace, kind, unique).await
    }

    async fn list(
        &self,
        workspace: WorkspaceId,
        kind: RecordKind,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Record>, StoreError> {
        self.inner.list(workspace, kind, after, limit).await
    }

    async fn expire(&self, now: Timestamp, limit: usize) -> Result<usize, StoreError> {
        self.inner.expire(now, limit).await
    }
}

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
        self.records.script.lock().unwrap().extend(writes);
    }

    async fn enter(&self, n: u64) -> Result<Authority, StartError> {
        enter(&self.store, boot(n), NOW).await
    }

    async fn leave(&self, authority: &Authority) {
        let boot = Boot { store: self.store.clone(), authority: authority.clone() };
        boot.leave(NOW).await.unwrap();
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
    assert_eq!((first.generation, first.lanes.incarnation()), (Generation(1), boot(1)));
    let second = fixture.enter(2).await.unwrap();
    assert!(!first.lanes.confirm().await.unwrap() && second.lanes.confirm().await.unwrap());
    assert_eq!(second.generation, Generation(2));
    assert_eq!(fixture.stands().await, (3, Some(boot(2)), vec![]));
    let view = fixture.view().await;
    assert!(ShardId::all().all(|shard| view.may_start(shard, boot(2))));
}

/// On CQL each is one conditional statement.
#[tokio::test]
async fn a_start_writes_the_view_twice_after_a_kill_and_once_after_a_clean_end() {
    let fixture = Fixture::new(0);
    let writes = || fixture.records.writes.swap(0, Ordering::Relaxed);
    fixture.enter(1).await.unwrap();
    assert_eq!(writes(), 1);
    let second = fixture.enter(2).await.unwrap();
    assert_eq!(writes(), 2);
    fixture.leave(&second).await;
    assert_eq!(writes(), 1);
    fixture.enter(3).await.unwrap();
    assert_eq!(writes(), 1);
}

#[tokio::test]
async fn a_node_that_is_alone_from_now_on_seals_all_members_of_before() {
    let fixture = Fixture::new(0);
    let named = |n: u64| Member { name: NodeName::parse(&format!("node-{n}")).unwrap(), ..member(boot(n)) };
    let enters = |view: &mut View| view.enter(named(1)) | view.enter(named(2));
    change(&*fixture.records, NOW, enters).await.unwrap();
    fixture.enter(3).await.unwrap();
    assert_eq!(fixture.stands().await, (3, Some(boot(3)), vec![]));
    let view = fixture.view().await;
    assert!(ShardId::all().all(|shard| view.may_start(shard, boot(3))));
}

#[tokio::test]
async fn a_boot_that_left_is_not_sealed_again() {
    let fixture = Fixture::new(0);
    let first = fixture.enter(1).await.unwrap();
    fixture.leave(&first).await;
    assert!(!first.lanes.confirm().await.unwrap());
    assert_eq!(fixture.stands().await, (2, None, vec![]));
    assert_eq!(fixture.enter(2).await.unwrap().generation, Generation(3));
}

#[tokio::test]
async fn one_that_is_out_of_the_view_already_leaves_it_as_it_is() {
    let fixture = Fixture::new(0);
    let first = fixture.enter(1).await.unwrap();
    let second = fixture.enter(2).await.unwrap();
    fixture.leave(&first).await;
    assert_eq!(fixture.stands().await.1, Some(boot(2)));
    assert!(second.lanes.confirm().await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_boot_that_was_overtaken_before_it_was_open_does_not_start() {
    let fixture = Fixture::new(0);
    fixture.enter(1).await.unwrap();
    let view = change(&*fixture.records, NOW, |view| view.enter_alone(member(boot(2)))).await.unwrap();
    fixture.enter(3).await.unwrap();
    let late = take_over(&fixture.store, boot(2), &view, NOW).await;
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
        assert_eq!(second.generation, Generation(2), "{script:?}");
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
    assert_eq!(fixture.enter(5).await.unwrap().generation, Generation(8));
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
        entered.sort_by_key(|authority| authority.generation);
        assert!(entered.is_sorted_by(|one, other| one.generation < other.generation), "seed {seed}");
        let mut open = Vec::new();
        for authority in &entered {
            if authority.lanes.confirm().await.unwrap() {
                open.push(authority.generation);
            }
        }
        assert!(open.len() <= 1, "seed {seed}: {open:?}");
        let last = fixture.enter(9).await.unwrap();
        for authority in &entered {
            assert!(!authority.lanes.confirm().await.unwrap(), "seed {seed}");
        }
        assert!(entered.iter().all(|before| before.generation < last.generation), "seed {seed}");
    }
}
