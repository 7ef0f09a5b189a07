//! Moves a whole installation from one store to another, of whatever backends, and proves that nothing is missing. Nothing
//! may write to either store meanwhile. A part that was moved before is not moved again, so a move that was stopped goes on.

use std::future::Future;
use std::sync::Arc;

use domain::{Conversation, Event, Seq};
use futures_util::stream::{BoxStream, StreamExt, TryStreamExt, iter, try_unfold};
use sha2::{Digest, Sha256};

use crate::{
    Append, ConversationKey, Dump, DumpPage, DumpPosition, DumpedRecord, Entry, GROUP_BYTES_MAX, GROUP_MAX,
    Generation, Group, Lanes, PAGE_MAX, RecordError, RecordKind, SeriesKey, Store, StoreError, envelope,
};

/// Rows of a page.
const PAGE: usize = 200;
/// Conversations, documents and entries that are moved at once.
const AT_ONCE: usize = 16;
/// How often one of them is tried before the move is given up; it can be started again.
const TRIES: usize = 5;

/// A store with all that it holds.
#[derive(Clone)]
pub struct Whole {
    /// Its logs, heads, records and series.
    pub store: Store,
    /// All of it.
    pub dump: Arc<dyn Dump>,
}

/// A boot of the target, which writes there as a node would.
#[derive(Clone)]
pub struct Writer {
    /// Its lanes. The caller closes them afterwards.
    pub lanes: Arc<dyn Lanes>,
    /// Higher than that of every boot of the target before.
    pub generation: Generation,
}

/// How much there is, and what it comes to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Conversations.
    pub conversations: u64,
    /// Events of their logs.
    pub events: u64,
    /// Documents.
    pub records: u64,
    /// Entries of series.
    pub entries: u64,
    /// The sum of the SHA-256 of everything that is counted, as 256-bit numbers: the order does not matter.
    pub sum: [u8; 32],
}

/// Why a move did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// A store could not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The target has something that the source lacks, or has it with other content: the target is another installation's,
    /// or was used since.
    #[error("the target is not a copy of the source: {0}")]
    Foreign(String),
    /// One of them could not be moved, however often it was tried.
    #[error("{what} was not moved: {cause}")]
    Stuck {
        /// Which.
        what: String,
        /// Why, the last time.
        cause: String,
    },
    /// All was moved, and the two are not the same.
    #[error("source and target differ: {} there, {} here", .0.from, .0.to)]
    Differ(Box<Difference>),
}

/// What both ends hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The source.
    pub from: Tally,
    /// The target.
    pub to: Tally,
}

/// Moves everything of `from` to `to`, where `writer` appends, compares them afterwards, and returns what both hold. `progress` is called with what
/// has been gone through so far, from time to time.
///
/// # Errors
///
/// [`CopyError::Foreign`]: the target must be emptied, or another chosen. [`CopyError::Differ`]: a store was written to
/// meanwhile. After [`CopyError::Store`] and [`CopyError::Stuck`] the caller may start the move again, and it goes on.
pub async fn copy(
    from: &Whole,
    to: &Whole,
    writer: &Writer,
    progress: impl Fn(&Tally),
) -> Result<Tally, CopyError> {
    let mut done = Tally::default();
    // The installation's keys first: they say whether the target is this installation's.
    for only_keys in [true, false] {
        let mut records = pages(|after| from.dump.records(after, PAGE));
        while let Some(rows) = records.try_next().await? {
            let rows = rows.into_iter().filter(is_moved);
            let rows = rows.filter(|row| (row.kind == RecordKind::Key) == only_keys);
            done.records += each(rows, |row| move_record(to, row)).await?;
            progress(&done);
        }
    }
    let mut conversations = pages(|after| from.dump.conversations(after, PAGE));
    while let Some(keys) = conversations.try_next().await? {
        done.conversations += each(keys, |key| move_conversation(from, to, writer, key)).await?;
        progress(&done);
    }
    let mut series = pages(|after| from.dump.series(after, PAGE));
    while let Some(rows) = series.try_next().await? {
        done.entries += each(rows, |(key, entry)| move_entry(to, key, entry)).await?;
        progress(&done);
    }
    let (from, to) = (tally(from).await?, tally(to).await?);
    if from == to { Ok(from) } else { Err(CopyError::Differ(Box::new(Difference { from, to }))) }
}

/// A part of a dump, page by page.
fn pages<'a, T, P>(
    page: impl Fn(Option<DumpPosition>) -> P + Send + 'a,
) -> BoxStream<'a, Result<Vec<T>, StoreError>>
where
    T: Send + 'a,
    P: Future<Output = Result<DumpPage<T>, StoreError>> + Send + 'a,
{
    let first = Some(None);
    try_unfold(first, move |place| {
        let page = place.map(&page);
        async move {
            let Some(page) = page else { return Ok(None) };
            let DumpPage { rows, next } = page.await?;
            Ok(Some((rows, next.map(Some))))
        }
    })
    .boxed()
}

/// Does `work` for all rows, some at once, and returns how many there were.
async fn each<T, W: Future<Output = Result<(), CopyError>>>(
    rows: impl IntoIterator<Item = T>,
    work: impl Fn(T) -> W,
) -> Result<u64, CopyError> {
    let works: Vec<W> = rows.into_iter().map(work).collect();
    let count = works.len() as u64;
    iter(works).buffer_unordered(AT_ONCE).try_collect::<Vec<()>>().await?;
    Ok(count)
}

fn is_moved(row: &DumpedRecord) -> bool {
    !matches!(row.kind, RecordKind::View | RecordKind::Heartbeat)
}

async fn move_record(to: &Whole, row: DumpedRecord) -> Result<(), CopyError> {
    let DumpedRecord { kind, record, unique } = row;
    let what = || format!("the document {} of kind {kind:?}", record.id);
    let mut cause = String::new();
    for _ in 0..TRIES {
        if let Some(there) = to.store.records.get(record.workspace, kind, &record.id).await? {
            return if there == record { Ok(()) } else { Err(CopyError::Foreign(what())) };
        }
        match to.store.records.insert(kind, record.clone(), &unique).await {
            Ok(()) => return Ok(()),
            Err(RecordError::Taken(key)) if key != record.id => {
                return Err(CopyError::Foreign(format!("{}: another has {key}", what())));
            }
            Err(error) => cause = error.to_string(),
        }
    }
    Err(CopyError::Stuck { what: what(), cause })
}

async fn move_entry(to: &Whole, key: SeriesKey, entry: Entry) -> Result<(), CopyError> {
    let mut cause = String::new();
    for _ in 0..TRIES {
        match to.store.series.append(&key, entry.clone()).await {
            Ok(()) => return Ok(()),
            Err(error) => cause = error.to_string(),
        }
    }
    Err(CopyError::Stuck { what: format!("the entry {} of a series", entry.id), cause })
}

async fn move_conversation(
    from: &Whole,
    to: &Whole,
    writer: &Writer,
    key: ConversationKey,
) -> Result<(), CopyError> {
    let events = read_all(&from.store, key).await?;
    let mut cause = String::new();
    for _ in 0..TRIES {
        match continue_log(to, writer, key, &events).await {
            Ok(()) => return keep_marks(from, to, key).await,
            Err(Setback::Ours(error)) => return Err(error),
            Err(Setback::Passing(why)) => cause = why,
        }
    }
    Err(CopyError::Stuck { what: format!("the conversation {}", key.conversation), cause })
}

/// Why a log was not moved this time.
enum Setback {
    /// It never will be.
    Ours(CopyError),
    /// An outcome is unknown, or the store was away.
    Passing(String),
}

impl From<StoreError> for Setback {
    fn from(error: StoreError) -> Self {
        Setback::Passing(error.to_string())
    }
}

/// Appends what the target's log lacks of `events`.
async fn continue_log(
    to: &Whole,
    writer: &Writer,
    key: ConversationKey,
    events: &[Event],
) -> Result<(), Setback> {
    writer.lanes.settled(key).await;
    let there = read_all(&to.store, key).await?;
    if there.len() > events.len() || there != events[..there.len()] {
        let what = format!("the conversation {} has other events", key.conversation);
        return Err(Setback::Ours(CopyError::Foreign(what)));
    }
    let nameless =
        || Setback::Ours(StoreError::Corrupt(format!("{} does not begin", key.conversation)).into());
    let mut state = Conversation::replay(&there);
    for group in groups(&events[there.len()..]) {
        let before = state.as_ref().map(|state| state.head().clone());
        match &mut state {
            Some(state) => group.iter().for_each(|event| state.apply(event)),
            None => state = Conversation::replay(group),
        }
        let head = state.as_ref().ok_or_else(nameless)?.head();
        let (generation, before) = (writer.generation, before.as_ref());
        match writer.lanes.append(Group { key, generation, before, events: group, head }).await? {
            Append::Applied => {}
            Append::Fenced => return Err(Setback::Passing("another server opened the target".into())),
            Append::Unknown => return Err(Setback::Passing("the outcome of an append is unknown".into())),
        }
    }
    state.map(drop).ok_or_else(nameless)
}

/// As large as an append takes them.
fn groups(events: &[Event]) -> Vec<&[Event]> {
    let (mut groups, mut begin, mut weight) = (Vec::new(), 0, 0);
    for (place, event) in events.iter().enumerate() {
        let full = place - begin == GROUP_MAX || weight + event.weight() > GROUP_BYTES_MAX;
        if full && place > begin {
            groups.push(&events[begin..place]);
            (begin, weight) = (place, 0);
        }
        weight += event.weight();
    }
    if begin < events.len() {
        groups.push(&events[begin..]);
    }
    groups
}

async fn keep_marks(from: &Whole, to: &Whole, key: ConversationKey) -> Result<(), CopyError> {
    if let Some(head) = from.store.heads.get(key).await? {
        to.store.heads.mark(key, head.read, head.unread, head.last_seq).await?;
    }
    Ok(())
}

async fn read_all(store: &Store, key: ConversationKey) -> Result<Vec<Event>, StoreError> {
    let mut events: Vec<Event> = Vec::new();
    loop {
        let after = events.last().map_or(Seq::ZERO, |event| event.seq);
        let page = store.log.read(key, after, PAGE_MAX).await?;
        let full = page.len() == PAGE_MAX;
        events.extend(page);
        if !full {
            return Ok(events);
        }
    }
}

/// Reads all that a store holds, and counts it.
///
/// # Errors
///
/// [`StoreError`]: a part could not be read. The caller may start again.
pub async fn tally(whole: &Whole) -> Result<Tally, StoreError> {
    let mut tally = Tally::default();
    let mut records = pages(|after| whole.dump.records(after, PAGE));
    while let Some(rows) = records.try_next().await? {
        for row in rows.iter().filter(|row| is_moved(row)) {
            tally.records += 1;
            tally.add(record_hash(row));
        }
    }
    let mut conversations = pages(|after| whole.dump.conversations(after, PAGE));
    while let Some(keys) = conversations.try_next().await? {
        let reads = keys.into_iter().map(|key| conversation_hash(&whole.store, key));
        let read: Vec<(u64, Sha256)> = iter(reads).buffered(AT_ONCE).try_collect().await?;
        for (events, hash) in read {
            tally.conversations += 1;
            tally.events += events;
            tally.add(hash);
        }
    }
    let mut series = pages(|after| whole.dump.series(after, PAGE));
    while let Some(rows) = series.try_next().await? {
        tally.entries += rows.len() as u64;
        rows.iter().for_each(|(key, entry)| tally.add(entry_hash(key, entry)));
    }
    Ok(tally)
}

fn record_hash(row: &DumpedRecord) -> Sha256 {
    let DumpedRecord { kind, record, unique } = row;
    let mut hash = Sha256::new();
    hash.update([*kind as u8]);
    hash.update(record.workspace.uuid().as_bytes());
    for number in [record.version, record.created_at.as_ms(), record.updated_at.as_ms()] {
        hash.update(number.to_be_bytes());
    }
    hash.update(record.expires_at.map_or(0, |at| at.as_ms()).to_be_bytes());
    for text in std::iter::once(&record.id).chain(unique.iter().map(|unique| &unique.key)) {
        hash.update(text.len().to_be_bytes());
        hash.update(text.as_bytes());
    }
    hash.update(&record.body);
    hash
}

/// With how many events it has.
async fn conversation_hash(store: &Store, key: ConversationKey) -> Result<(u64, Sha256), StoreError> {
    let events = read_all(store, key).await?;
    let mut hash = Sha256::new();
    hash.update(key.workspace.uuid().as_bytes());
    hash.update(key.conversation.uuid().as_bytes());
    for event in &events {
        let body = envelope::seal(event);
        hash.update(body.len().to_be_bytes());
        hash.update(body);
    }
    let marks = store.heads.get(key).await?.map(|head| (head.read, head.unread));
    let (read, unread) = marks.unwrap_or_default();
    hash.update(read.visitor.0.to_be_bytes());
    hash.update(read.agent.0.to_be_bytes());
    hash.update(unread.visitor.to_be_bytes());
    hash.update(unread.agent.to_be_bytes());
    Ok((events.len() as u64, hash))
}

fn entry_hash(key: &SeriesKey, entry: &Entry) -> Sha256 {
    let mut hash = Sha256::new();
    hash.update([key.kind as u8]);
    for id in [key.workspace.uuid(), key.subject, entry.id] {
        hash.update(id.as_bytes());
    }
    hash.update(entry.at.as_ms().to_be_bytes());
    hash.update(&entry.body);
    hash
}

impl Tally {
    /// Adds a hash to the sum, as a number, so that the order does not matter and nothing cancels out.
    fn add(&mut self, hash: Sha256) {
        let mut carry = 0;
        for (sum, byte) in self.sum.iter_mut().rev().zip(hash.finalize().iter().rev()) {
            let total = u16::from(*sum) + u16::from(*byte) + carry;
            *sum = total.to_be_bytes()[1];
            carry = total >> 8;
        }
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { conversations, events, records, entries, sum } = self;
        write!(
            f,
            "{conversations} conversations with {events} events, {records} documents, {entries} entries of series ("
        )?;
        sum[..8].iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        write!(f, ")")
    }
}
