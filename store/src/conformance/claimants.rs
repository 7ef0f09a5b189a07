//! Writers that want the same few unique keys, by seed, while some of them stop in the middle of a call: in every schedule a
//! key has one document, each document is found by its keys, and every write that was acknowledged is there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::{Timestamp, WorkspaceId};
use uuid::Uuid;

use crate::faulty::Dice;
use crate::{Record, RecordError, RecordKind, Records, Unique};

const KIND: RecordKind = RecordKind::Canned;
const WRITERS: u64 = 5;
const CALLS_EACH: u64 = 12;
const KEYS: u64 = 3;
/// More documents than these there are none.
const ALL: usize = 100;
/// How long what a stopped call left on its way may take.
const SETTLED: Duration = Duration::from_secs(30);

/// What a document that only one writes may be: its version and body; none: not there.
type State = Option<(u64, Vec<u8>)>;
/// What each of them may be, as far as its writer was told.
type Ledger = BTreeMap<String, BTreeSet<State>>;

/// Lets them write once; `seed` is what a failure must be repeated with.
pub async fn check(records: Arc<dyn Records>, seed: u64) {
    let workspace = WorkspaceId::from_uuid(Uuid::new_v4());
    let writers: Vec<_> = (0..WRITERS)
        .map(|name| {
            let dice = Dice::new(seed.wrapping_mul(WRITERS).wrapping_add(name));
            let writer =
                Writer { records: records.clone(), workspace, dice, name, ledger: Ledger::default() };
            tokio::spawn(writer.write())
        })
        .collect();
    let mut ledger = Ledger::default();
    for writer in writers {
        ledger.extend(writer.await.unwrap_or_else(|error| panic!("seed {seed}: {error}")));
    }
    // What is wrong stays wrong; what is on its way comes.
    let deadline = Instant::now() + SETTLED;
    while let Err(wrong) = look(&*records, workspace, &ledger).await {
        assert!(Instant::now() < deadline, "seed {seed}: {wrong}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// What is wrong with what is there.
async fn look(records: &dyn Records, workspace: WorkspaceId, ledger: &Ledger) -> Result<(), String> {
    let there = |error| format!("{error}");
    let listed = records.list(workspace, KIND, None, ALL).await.map_err(there)?;
    let mut holders: BTreeMap<Unique, &Record> = BTreeMap::new();
    for record in &listed {
        for key in keys_of(record) {
            if let Some(other) = holders.insert(key.clone(), record) {
                return Err(format!("{} and {} both have {}", other.id, record.id, key.key));
            }
        }
    }
    for n in 0..KEYS {
        let found = records.find(workspace, KIND, &key(n)).await.map_err(there)?;
        if found.as_ref() != holders.get(&key(n)).copied() {
            return Err(format!("{} leads to {found:?} of {holders:?}", key(n).key));
        }
    }
    for (id, may_be) in ledger {
        let is = listed.iter().find(|record| record.id == *id);
        let is: State = is.map(|record| (record.version, record.body.clone()));
        if !may_be.contains(&is) {
            return Err(format!("{id} is {is:?}, and may be {may_be:?}"));
        }
    }
    Ok(())
}

fn key(n: u64) -> Unique {
    Unique::in_workspace(format!("key {n}"))
}

/// A body says who wrote it, when, and which keys it has.
fn keys_of(record: &Record) -> impl Iterator<Item = Unique> {
    record.body.iter().skip(2).map(|&n| key(u64::from(n)))
}

struct Writer {
    records: Arc<dyn Records>,
    workspace: WorkspaceId,
    dice: Dice,
    name: u64,
    ledger: Ledger,
}

impl Writer {
    async fn write(mut self) -> Ledger {
        for turn in 0..CALLS_EACH {
            let stopped_after_ms = if self.dice.chance(0.3) { self.dice.up_to(25) } else { 60_000 };
            self.call(turn, Duration::from_millis(stopped_after_ms)).await;
        }
        self.ledger
    }

    async fn call(&mut self, turn: u64, stopped_after: Duration) {
        let shared = self.dice.chance(0.4);
        let id = if shared { "shared".to_owned() } else { format!("{} {}", self.name, self.dice.up_to(1)) };
        let Ok(stored) = self.records.get(self.workspace, KIND, &id).await else { return };
        let named: Vec<u64> = (0..KEYS).filter(|_| self.dice.chance(0.4)).collect();
        let unique: Vec<Unique> = named.iter().copied().map(key).collect();
        let body = [self.name, turn].into_iter().chain(named).map(|n| n as u8).collect();
        let at = Timestamp::from_ms(1000 + turn);
        let new = Record {
            workspace: self.workspace,
            id: id.clone(),
            version: stored.as_ref().map_or(1, |stored| stored.version + 1),
            created_at: at,
            updated_at: at,
            expires_at: None,
            body,
        };
        let removes = stored.is_some() && self.dice.chance(0.25);
        let after = (!removes).then(|| (new.version, new.body.clone()));
        let told = tokio::time::timeout(stopped_after, async {
            match stored {
                Some(stored) if removes => {
                    self.records.delete(self.workspace, KIND, &id, Some(stored.version)).await
                }
                Some(_) => self.records.update(KIND, new, &unique).await,
                None => self.records.insert(KIND, new, &unique).await,
            }
        })
        .await;
        if shared {
            return;
        }
        let may_be = self.ledger.entry(id).or_insert_with(|| BTreeSet::from([None]));
        match told {
            Ok(Ok(())) => *may_be = BTreeSet::from([after]),
            Ok(Err(RecordError::Unknown)) | Err(_) => drop(may_be.insert(after)),
            Ok(Err(RecordError::Taken(_) | RecordError::Changed | RecordError::Store(_))) => {}
        }
    }
}
