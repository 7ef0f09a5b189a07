//! How documents with unique keys are written by statements of one row each, while others write and may stop half way. Each
//! document with its `fence`, and each unique key with its `claim`, is a row that only moves from a value that its writer
//! has seen.
//!
//! A unique key's row is a pointer. It is believed only when the document it names is there and names the key; so the
//! one write of the document's row is the moment at which everything comes true or ends. What holds, always: **a document
//! that names a key is the one to which the key's row leads.** A key's row leads to one document, so only one document has
//! the key.
//!
//! - The writer of a document sees its fence first (or takes it that there is none), then claims the keys that are new to
//!   the document, and then writes the document over the fence that it saw. Keys that the document had already stay
//!   untouched.
//! - A writer that finds a key's row leading to a document that does not name the key may take the key over. Before that it
//!   gives that document another fence (where there is no document, a void with a fence), so that no writer that had
//!   claimed the key for that document before can write it any more. It takes the key only over the claim that it saw
//!   before that, so that a later claim of the key for that document is not overrun. A live writer is given a little time.
//! - So a writer that finds a key's row leading to its own document, which does not name the key, claims the key anew: a
//!   rival may be about to take the key over the claim that is there.
//! - A key's row is removed only over the claim by which it was got, when nothing can come of that claim any more: by the
//!   writer that replaced the document by one without the key, or by the writer that claimed a key which did not lead to
//!   its document, and knows that it did not write the document.
//! - A document that is removed leaves a void: else the first write of it, when it arrives late a second time, would make
//!   the document again, with keys that others may have by then. A document that expires leaves none: no statement is on
//!   its way for as long as such a document lives.
//!
//! A writer that stops in between leaves a pointer too many. It costs the next writer that wants the key some statements.

use std::collections::BTreeSet;

use uuid::Uuid;

use crate::{Record, RecordError, RecordKind, StoreError, Unique};

use super::super::outcome::{Failure, Settled};
use super::super::session::Tries;
use super::tables::{Claims, Content, Key, Line, Place, Pointer, Seen, Tables};

/// How often a key's row is looked at, with pauses, while its holder may be about to write its document.
const LOOKS: u32 = 4;
/// How many rivals one claim of a key waits out.
const CLAIMS_MAX: u32 = 12;
/// How often a write is begun anew since others were quicker at the same document.
const ROUNDS: u32 = 7;

/// What writing a document's row came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Written,
    /// Somebody else wrote it since it was seen. Nothing of this is written or will be.
    Refused,
    Unknown,
}

/// A key that was claimed.
#[derive(Clone, Copy)]
struct Claimed {
    claim: Uuid,
    /// Whether its row led to the document before: another writer that claimed it for the document may rely on that.
    led_here: bool,
}

/// Keys that were claimed for a document.
#[derive(Default)]
struct Got {
    claims: Claims,
    /// Those of them that may be given back.
    ours: Claims,
}

pub(super) async fn insert<T: Tables>(
    tables: &T,
    kind: RecordKind,
    record: &Record,
    unique: &[Unique],
) -> Result<(), RecordError> {
    let place = Place { workspace: record.workspace.uuid(), kind, id: record.id.clone() };
    let keys = keys(&place, unique);
    // Mostly there was never such a document, so it is not looked for.
    let mut over = None;
    let mut rounds = Tries::up_to(ROUNDS);
    loop {
        let version = Content { record, created_at: record.created_at, keys: Claims::new() };
        if write_with(tables, &place, over, version, keys.iter()).await? {
            return Ok(());
        }
        let seen = tables.document(&place).await?;
        if seen.lives() {
            return Err(RecordError::Taken(place.id));
        }
        over = seen.fence;
        go_on(tables, &mut rounds).await?;
    }
}

pub(super) async fn update<T: Tables>(
    tables: &T,
    kind: RecordKind,
    record: &Record,
    unique: &[Unique],
) -> Result<(), RecordError> {
    let place = Place { workspace: record.workspace.uuid(), kind, id: record.id.clone() };
    let keys = keys(&place, unique);
    let mut rounds = Tries::up_to(ROUNDS);
    loop {
        let seen = tables.document(&place).await?;
        if !seen.lives() || seen.version + 1 != record.version {
            return Err(RecordError::Changed);
        }
        let (kept, gone): (Claims, Claims) = seen.keys.into_iter().partition(|(key, _)| keys.contains(key));
        let new: Vec<&Key> = keys.iter().filter(|key| !kept.contains_key(key)).collect();
        let version = Content { record, created_at: seen.created_at, keys: kept };
        if write_with(tables, &place, seen.fence, version, new.into_iter()).await? {
            release(tables, kind, &gone).await;
            return Ok(());
        }
        go_on(tables, &mut rounds).await?;
    }
}

pub(super) async fn delete<T: Tables>(
    tables: &T,
    place: &Place,
    version: Option<u64>,
) -> Result<(), RecordError> {
    let mut rounds = Tries::up_to(ROUNDS);
    loop {
        let seen = tables.document(place).await?;
        if !seen.lives() || version.is_some_and(|version| version != seen.version) {
            return Err(RecordError::Changed);
        }
        match write(tables, place, seen.fence, None).await? {
            Outcome::Written => {
                release(tables, place.kind, &seen.keys).await;
                return Ok(());
            }
            Outcome::Refused => go_on(tables, &mut rounds).await?,
            Outcome::Unknown => return Err(RecordError::Unknown),
        }
    }
}

fn keys(place: &Place, unique: &[Unique]) -> BTreeSet<Key> {
    unique.iter().map(|unique| Key::of(place.workspace, unique)).collect()
}

async fn go_on<T: Tables>(tables: &T, rounds: &mut Tries) -> Result<(), StoreError> {
    if rounds.pause(tables.fresh()).await { Ok(()) } else { Err(contended()) }
}

fn contended() -> StoreError {
    StoreError::Unavailable("too many write the same document or key at once".into())
}

/// Claims keys that are new to a document, and writes it with them over the fence that was seen. False: it is not as it
/// was seen any more, and nothing is written.
async fn write_with<T: Tables>(
    tables: &T,
    place: &Place,
    over: Option<Uuid>,
    mut version: Content<'_>,
    new: impl Iterator<Item = &Key>,
) -> Result<bool, RecordError> {
    let Some(got) = claim_all(tables, place, over, new).await? else { return Ok(false) };
    version.keys.extend(got.claims);
    let written = match write(tables, place, over, Some(version)).await {
        Ok(Outcome::Written) => return Ok(true),
        // The document may be written: it may need any key that was claimed.
        Ok(Outcome::Unknown) => return Err(RecordError::Unknown),
        Ok(Outcome::Refused) => Ok(false),
        Err(error) => Err(error.into()),
    };
    release(tables, place.kind, &got.ours).await;
    written
}

/// Writes a document's row, or makes it a void, over what was seen.
async fn write<T: Tables>(
    tables: &T,
    place: &Place,
    over: Option<Uuid>,
    content: Option<Content<'_>>,
) -> Result<Outcome, StoreError> {
    let fence = tables.fresh();
    match tables.write(place, over, &Line { fence, content }).await {
        Ok(Settled::Applied) => Ok(Outcome::Written),
        Ok(Settled::Refused) => Ok(Outcome::Refused),
        Ok(Settled::Perhaps) => match tables.document(place).await {
            Ok(seen) if seen.fence == Some(fence) => Ok(Outcome::Written),
            // Somebody may have written since.
            Ok(_) | Err(_) => Ok(Outcome::Unknown),
        },
        Err(Failure::NotSent(cause)) => Err(StoreError::Unavailable(cause)),
        Err(Failure::Unknown(_)) => Ok(Outcome::Unknown),
    }
}

/// Claims keys for a document that was seen with the fence `over`, all or none. None: it has another one now.
async fn claim_all<T: Tables>(
    tables: &T,
    place: &Place,
    over: Option<Uuid>,
    keys: impl Iterator<Item = &Key>,
) -> Result<Option<Got>, RecordError> {
    let mut got = Got::default();
    for key in keys {
        let claimed = claim(tables, place, over, key).await;
        let Ok(Some(Claimed { claim, led_here })) = claimed else {
            release(tables, place.kind, &got.ours).await;
            return claimed.map(|_| None);
        };
        got.claims.insert(key.clone(), claim);
        if !led_here {
            got.ours.insert(key.clone(), claim);
        }
    }
    Ok(Some(got))
}

/// Claims one key. [`RecordError::Taken`]: another document has it.
async fn claim<T: Tables>(
    tables: &T,
    place: &Place,
    over: Option<Uuid>,
    key: &Key,
) -> Result<Option<Claimed>, RecordError> {
    let mut patience = Tries::up_to(LOOKS);
    // Mostly no document has the key, so it is not looked for.
    let mut found: Option<Pointer> = None;
    for _ in 0..CLAIMS_MAX {
        let mut led_here = false;
        if let Some(pointer) = &found {
            let holder = pointer.place(place.kind);
            let seen = tables.document(&holder).await?;
            led_here = holder == *place;
            if led_here && seen.fence != over {
                return Ok(None);
            }
            if !led_here && seen.has(key) {
                return Err(RecordError::Taken(key.name.clone()));
            }
            if !led_here && (patience.pause(tables.fresh()).await || !disarm(tables, &holder, &seen).await?) {
                found = tables.pointer(place.kind, key).await?;
                continue;
            }
        }
        let claim = tables.fresh();
        let to = Pointer { workspace: place.workspace, id: place.id.clone(), claim };
        match tables.point(place.kind, key, found.map(|found| found.claim), &to).await {
            Ok(Settled::Applied) => return Ok(Some(Claimed { claim, led_here })),
            // If it is mine after all, it is claimed once more.
            Ok(Settled::Refused | Settled::Perhaps) => {}
            // The document is not written, so nothing is.
            Err(failure) => return Err(StoreError::from(failure).into()),
        }
        found = tables.pointer(place.kind, key).await?;
    }
    Err(contended().into())
}

/// Makes sure that no writer that has seen the document as it is can write it. False: it is not like that any more.
async fn disarm<T: Tables>(tables: &T, place: &Place, seen: &Seen) -> Result<bool, StoreError> {
    let fence = tables.fresh();
    let fenced = match seen.fence {
        Some(over) => tables.fence(place, over, fence, seen.life).await,
        None => tables.write(place, None, &Line { fence, content: None }).await,
    };
    match fenced {
        Ok(Settled::Applied) => Ok(true),
        Ok(Settled::Refused) => Ok(false),
        Ok(Settled::Perhaps) => Ok(tables.document(place).await?.fence == Some(fence)),
        Err(failure) => Err(failure.into()),
    }
}

/// Removes keys' rows as they were claimed. What stays is a pointer too many, and nobody waits for it.
async fn release<T: Tables>(tables: &T, kind: RecordKind, claims: &Claims) {
    for (key, &claim) in claims {
        let _ = tables.unpoint(kind, key, claim).await;
    }
}
