//! The protocol on tables in memory that answer late, twice or not at all, by seed. After each statement that is done,
//! what must always hold is looked at.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use domain::{Timestamp, WorkspaceId};
use uuid::Uuid;

use crate::faulty::Dice;
use crate::{Record, RecordError, RecordKind, StoreError, Unique};

use super::super::outcome::{Failure, Settled};
use super::protocol;
use super::tables::{Key, Life, Line, Place, Pointer, Seen, Tables};

const KIND: RecordKind = RecordKind::Agent;
const WORKSPACE: WorkspaceId = WorkspaceId::from_uuid(Uuid::from_u128(7));
const KEYS: u64 = 3;

/// How probable it is that a statement fails, from 0.0 to 1.0.
#[derive(Clone, Copy, Default)]
struct Faults {
    /// It never left.
    not_sent: f64,
    /// No attempt was answered, and none arrived.
    lost: f64,
    /// No attempt was answered, and one is done later.
    late: f64,
    /// The first attempt was done and not answered; the second was answered.
    answer_lost: f64,
    /// The first attempt is done after the second, which was answered.
    twice: f64,
}

/// A document's row.
#[derive(Clone, Debug, Default)]
struct Row {
    seen: Seen,
    body: Vec<u8>,
}

/// A statement that changes a row, when it is still as it was seen.
#[derive(Clone)]
enum Write {
    Document { place: Place, over: Option<Uuid>, row: Row },
    Fence { place: Place, over: Uuid, fence: Uuid },
    Point { key: Key, over: Option<Uuid>, to: Pointer },
    Unpoint { key: Key, over: Uuid },
}

struct World {
    seed: u64,
    dice: Dice,
    faults: Faults,
    documents: BTreeMap<Place, Row>,
    pointers: BTreeMap<Key, Pointer>,
    /// How many statements were done.
    moment: u64,
    /// Which document had a key from which moment on.
    had: BTreeMap<Key, Vec<(u64, Option<Place>)>>,
}

/// The tables. A clone is the same ones.
#[derive(Clone)]
struct Model(Arc<Mutex<World>>);

impl World {
    fn write(&mut self, write: &Write) -> bool {
        let done = match write {
            Write::Document { place, over, row } => {
                let holds = self.fence_of(place) == *over;
                if holds {
                    self.documents.insert(place.clone(), row.clone());
                }
                holds
            }
            Write::Fence { place, over, fence } => {
                let holds = self.fence_of(place) == Some(*over);
                if holds {
                    self.documents.entry(place.clone()).or_default().seen.fence = Some(*fence);
                }
                holds
            }
            Write::Point { key, over, to } => {
                let holds = self.claim_of(key) == *over;
                if holds {
                    self.pointers.insert(key.clone(), to.clone());
                }
                holds
            }
            Write::Unpoint { key, over } => {
                let holds = self.claim_of(key) == Some(*over);
                if holds {
                    self.pointers.remove(key);
                }
                holds
            }
        };
        if done {
            self.moment += 1;
            self.check();
        }
        done
    }

    fn fence_of(&self, place: &Place) -> Option<Uuid> {
        self.documents.get(place).and_then(|row| row.seen.fence)
    }

    fn claim_of(&self, key: &Key) -> Option<Uuid> {
        self.pointers.get(key).map(|pointer| pointer.claim)
    }

    /// A document that names a key is the one to which the key's row leads.
    fn check(&mut self) {
        let mut holders: BTreeMap<Key, Option<Place>> =
            self.had.keys().map(|key| (key.clone(), None)).collect();
        for (place, row) in self.documents.iter().filter(|(_, row)| row.seen.lives()) {
            for key in row.seen.keys.keys() {
                let leads = self.pointers.get(key).map(|pointer| pointer.place(KIND));
                let seed = self.seed;
                assert_eq!(leads.as_ref(), Some(place), "seed {seed}: a document's {key:?} leads elsewhere");
                holders.insert(key.clone(), Some(place.clone()));
            }
        }
        for (key, holder) in holders {
            let had = self.had.entry(key).or_insert_with(|| vec![(0, None)]);
            if had.last().is_some_and(|(_, last)| *last != holder) {
                had.push((self.moment, holder));
            }
        }
    }

    /// Whether another document had the key at any moment from `since` on.
    fn had_by_another(&self, key: &Key, place: &Place, since: u64) -> bool {
        let Some(had) = self.had.get(key) else { return false };
        let ends = had.iter().skip(1).map(|(from, _)| *from).chain([u64::MAX]);
        let mut spans = had.iter().zip(ends);
        spans.any(|((_, holder), end)| end > since && holder.as_ref().is_some_and(|holder| holder != place))
    }

    fn dice_ms(&mut self, max: u64) -> Duration {
        Duration::from_millis(self.dice.up_to(max))
    }
}

impl Model {
    fn new(seed: u64, faults: Faults) -> Self {
        Self(Arc::new(Mutex::new(World {
            seed,
            dice: Dice::new(seed),
            faults,
            documents: BTreeMap::new(),
            pointers: BTreeMap::new(),
            moment: 0,
            had: BTreeMap::new(),
        })))
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.0.lock().expect("the seed's run ends with the first panic")
    }

    /// The way to the server, or back. Sometimes others do much in the meantime.
    async fn travel(&self) {
        let way = {
            let mut world = self.world();
            let longest = if world.dice.chance(0.1) { 150 } else { 12 };
            world.dice_ms(longest)
        };
        tokio::time::sleep(way).await;
    }

    /// Has a statement be done some time after this.
    fn later(&self, write: Write) {
        let (model, wait) = (self.clone(), self.world().dice_ms(4_000));
        tokio::spawn(async move {
            tokio::time::sleep(wait).await;
            model.world().write(&write);
        });
    }

    async fn settle(&self, write: Write) -> Result<Settled, Failure> {
        let faults = self.world().faults;
        let chance = |probability| self.world().dice.chance(probability);
        if chance(faults.not_sent) {
            return Err(Failure::NotSent("by the dice".into()));
        }
        self.travel().await;
        let unknown = || Failure::Unknown("by the dice".into());
        if chance(faults.lost) {
            self.travel().await;
            return Err(unknown());
        }
        if chance(faults.late) {
            self.later(write);
            self.travel().await;
            return Err(unknown());
        }
        let mut unanswered = false;
        if chance(faults.answer_lost) {
            self.world().write(&write);
            unanswered = true;
        } else if chance(faults.twice) {
            self.later(write.clone());
            unanswered = true;
        }
        if unanswered {
            self.travel().await;
        }
        let done = self.world().write(&write);
        self.travel().await;
        Ok(match (done, unanswered) {
            (true, _) => Settled::Applied,
            (false, false) => Settled::Refused,
            (false, true) => Settled::Perhaps,
        })
    }

    async fn read<T>(&self, look: impl FnOnce(&World) -> T) -> Result<T, StoreError> {
        self.travel().await;
        let lost = self.world().faults.lost;
        if self.world().dice.chance(lost) {
            return Err(StoreError::Unavailable("by the dice".into()));
        }
        let seen = look(&self.world());
        self.travel().await;
        Ok(seen)
    }
}

impl Tables for Model {
    fn fresh(&self) -> Uuid {
        let mut world = self.world();
        let (high, low) = (world.dice.up_to(u64::MAX), world.dice.up_to(u64::MAX));
        Uuid::from_u64_pair(high, low)
    }

    async fn document(&self, place: &Place) -> Result<Seen, StoreError> {
        self.read(|world| world.documents.get(place).cloned().unwrap_or_default().seen).await
    }

    async fn write(&self, place: &Place, over: Option<Uuid>, line: &Line<'_>) -> Result<Settled, Failure> {
        let mut row = Row::default();
        row.seen.fence = Some(line.fence);
        if let Some(content) = &line.content {
            row.seen.version = content.record.version;
            row.seen.created_at = content.created_at;
            row.seen.keys = content.keys.clone();
            row.body = content.record.body.clone();
        }
        self.settle(Write::Document { place: place.clone(), over, row }).await
    }

    async fn fence(&self, place: &Place, over: Uuid, fence: Uuid, _: Life) -> Result<Settled, Failure> {
        self.settle(Write::Fence { place: place.clone(), over, fence }).await
    }

    async fn pointer(&self, _: RecordKind, key: &Key) -> Result<Option<Pointer>, StoreError> {
        self.read(|world| world.pointers.get(key).cloned()).await
    }

    async fn point(
        &self,
        _: RecordKind,
        key: &Key,
        over: Option<Uuid>,
        to: &Pointer,
    ) -> Result<Settled, Failure> {
        self.settle(Write::Point { key: key.clone(), over, to: to.clone() }).await
    }

    async fn unpoint(&self, _: RecordKind, key: &Key, over: Uuid) -> Result<Settled, Failure> {
        self.settle(Write::Unpoint { key: key.clone(), over }).await
    }
}

fn place(id: &str) -> Place {
    Place { workspace: WORKSPACE.uuid(), kind: KIND, id: id.to_owned() }
}

fn record(id: &str, version: u64, body: Vec<u8>) -> Record {
    let at = Timestamp::from_ms(version);
    Record {
        workspace: WORKSPACE,
        id: id.to_owned(),
        version,
        created_at: at,
        updated_at: at,
        expires_at: None,
        body,
    }
}

fn key(name: &str) -> Unique {
    Unique::everywhere(name.into())
}

/// What a document that only one rival writes may be: its version and body; none: not there.
type State = Option<(u64, Vec<u8>)>;

/// Makes documents of its own, and writes some that all rivals write, with the few keys that there are.
struct Rival {
    model: Model,
    dice: Dice,
    name: u64,
    /// The states that each of its own documents may be in, by the answers that it got.
    own: BTreeMap<String, BTreeSet<State>>,
    /// How many calls came to what.
    told: BTreeMap<&'static str, u32>,
}

impl Rival {
    async fn fight(mut self) -> Self {
        for turn in 0..12 {
            let wait = self.dice.up_to(60);
            tokio::time::sleep(Duration::from_millis(wait)).await;
            // Some stop in the middle.
            let patience = if self.dice.chance(0.2) { self.dice.up_to(120) } else { 60_000 };
            let shared = self.dice.chance(0.5);
            let id = if shared {
                format!("shared {}", self.dice.up_to(1))
            } else {
                format!("own {} {}", self.name, self.dice.up_to(1))
            };
            self.act(&id, shared, turn, Duration::from_millis(patience)).await;
        }
        self
    }

    fn some_keys(&mut self) -> Vec<Unique> {
        (0..KEYS).filter(|_| self.dice.chance(0.5)).map(|n| key(&format!("key {n}"))).collect()
    }

    async fn act(&mut self, id: &str, shared: bool, turn: u64, patience: Duration) {
        let place = place(id);
        let since = self.model.world().moment;
        let version = match self.model.document(&place).await {
            Ok(seen) => seen.version,
            Err(_) => return,
        };
        let keys = self.some_keys();
        let body = vec![self.name as u8, turn as u8];
        let new = record(id, version + 1, body.clone());
        let removes = version > 0 && self.dice.chance(0.3);
        let model = self.model.clone();
        let call = async {
            match version {
                0 => protocol::insert(&model, KIND, &new, &keys).await,
                _ if removes => protocol::delete(&model, &place, Some(version)).await,
                _ => protocol::update(&model, KIND, &new, &keys).await,
            }
        };
        let told = tokio::time::timeout(patience, call).await;
        let after = (!removes).then_some((version + 1, body));
        let may_be = self.own.entry(id.to_owned()).or_insert_with(|| BTreeSet::from([None]));
        let counted = match told {
            Ok(Ok(())) => {
                *may_be = BTreeSet::from([after]);
                "done"
            }
            Ok(Err(RecordError::Taken(name))) => {
                let own = Key::of(WORKSPACE.uuid(), &key(&name));
                let had = name == id || self.model.world().had_by_another(&own, &place, since);
                let seed = self.model.world().seed;
                assert!(had, "seed {seed}: {name} was said to be taken and nobody had it");
                "taken"
            }
            Ok(Err(RecordError::Changed)) => "changed",
            Ok(Err(RecordError::Store(_))) => "unavailable",
            Ok(Err(RecordError::Unknown)) => {
                may_be.insert(after);
                "unknown"
            }
            Err(_) => {
                may_be.insert(after);
                "stopped"
            }
        };
        if shared {
            self.own.remove(id);
        }
        *self.told.entry(counted).or_default() += 1;
    }
}

/// What became of all calls.
async fn fight(seed: u64, faults: Faults) -> BTreeMap<&'static str, u32> {
    let model = Model::new(seed, faults);
    let rivals: Vec<_> = (0..5)
        .map(|name| {
            let dice = Dice::new(seed.wrapping_mul(31).wrapping_add(name));
            let rival =
                Rival { model: model.clone(), dice, name, own: BTreeMap::new(), told: BTreeMap::new() };
            tokio::spawn(rival.fight())
        })
        .collect();
    let mut told: BTreeMap<&'static str, u32> = BTreeMap::new();
    for rival in rivals {
        let rival = rival.await.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        // What comes late has come.
        tokio::time::sleep(Duration::from_secs(5)).await;
        let world = model.world();
        for (id, may_be) in &rival.own {
            let row = world.documents.get(&place(id)).filter(|row| row.seen.lives());
            let is: State = row.map(|row| (row.seen.version, row.body.clone()));
            assert!(may_be.contains(&is), "seed {seed}: {id} is {is:?}, and may be {may_be:?}");
        }
        for (what, times) in rival.told {
            *told.entry(what).or_default() += times;
        }
    }
    told
}

#[tokio::test(start_paused = true)]
async fn rivals_who_stop_half_way_leave_each_key_to_one() {
    let faults = Faults { not_sent: 0.03, lost: 0.03, late: 0.06, answer_lost: 0.1, twice: 0.1 };
    let mut told: BTreeMap<&'static str, u32> = BTreeMap::new();
    // In the last, a writer reads its own claim after the document was written over: none of the first 400 does.
    for seed in (0..400).chain([2710]) {
        for (what, times) in fight(seed, faults).await {
            *told.entry(what).or_default() += times;
        }
    }
    for what in ["done", "taken", "changed", "unavailable", "unknown", "stopped"] {
        assert!(told.get(what).is_some_and(|times| *times > 100), "too seldom to tell: {told:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn without_faults_nobody_is_told_to_come_back() {
    for seed in 0..100 {
        let told = fight(seed, Faults::default()).await;
        assert!(!told.contains_key("unknown"), "seed {seed}: {told:?}");
        assert!(!told.contains_key("unavailable"), "seed {seed}: {told:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn of_many_who_want_one_key_at_once_one_gets_it() {
    for seed in 0..200 {
        let model = Model::new(seed, Faults::default());
        let ids = ["a", "b", "c", "d"];
        let inserts = ids.map(|id| {
            let model = model.clone();
            async move { protocol::insert(&model, KIND, &record(id, 1, vec![]), &[key("one")]).await }
        });
        let told = futures_util::future::join_all(inserts).await;
        let won = told.iter().filter(|told| told.is_ok()).count();
        let lost = told.iter().filter(|told| matches!(told, Err(RecordError::Taken(_)))).count();
        assert_eq!((won, lost), (1, ids.len() - 1), "seed {seed}: {told:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_stopped_half_way_is_in_nobody_s_way() {
    // Claims the key and never writes its document, until it wakes up.
    let model = Model::new(1, Faults::default());
    let (slow, one) = (record("slow", 1, vec![]), [key("one")]);
    let at = Key::of(WORKSPACE.uuid(), &one[0]);
    let claim = model.fresh();
    let to = Pointer { workspace: WORKSPACE.uuid(), id: "slow".into(), claim };
    assert_eq!(model.point(KIND, &at, None, &to).await, Ok(Settled::Applied));

    protocol::insert(&model, KIND, &record("quick", 1, vec![]), &one).await.expect("the key is nobody's");
    let content = super::tables::Content {
        record: &slow,
        created_at: slow.created_at,
        keys: BTreeMap::from([(at.clone(), claim)]),
    };
    let woken = Line { fence: model.fresh(), content: Some(content) };
    assert_eq!(model.write(&place("slow"), None, &woken).await, Ok(Settled::Refused), "it comes too late");

    // A writer that begins anew learns that the key is taken, and gets it when it is free.
    let told = protocol::insert(&model, KIND, &slow, &one).await;
    assert!(matches!(&told, Err(RecordError::Taken(name)) if name == "one"), "{told:?}");
    protocol::delete(&model, &place("quick"), None).await.expect("it is there");
    assert_eq!(model.world().pointers.get(&at), None, "a removed document leaves no pointer");
    protocol::insert(&model, KIND, &slow, &one).await.expect("the key is free, and a void is no document");
}
