//! The log of events: the one truth of a conversation. A node appends through its lanes, which nobody else can append to,
//! and which end for good when they are sealed.
//!
//! Who may append to which conversation is agreed beforehand by those who call: a conversation has one writer at a time, and
//! a new one begins only when the lanes of the one before are sealed, or it has let go. The store fences whole nodes, never a
//! conversation.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use async_trait::async_trait;
use domain::{ConversationId, Event, Head, Seq, WorkspaceId};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::StoreError;

mod in_flight;

pub(crate) use in_flight::{InFlight, OnItsWay};

/// A conversation, with the workspace without which it is not found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConversationKey {
    /// Whose it is.
    pub workspace: WorkspaceId,
    /// Names it there.
    pub conversation: ConversationId,
}

/// One boot of a node: the one writer of its lanes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Incarnation(pub Uuid);

impl Incarnation {
    /// No boot: names the one lane of a store that keeps one journal for all boots. That lane never ends.
    pub const NONE: Self = Self(Uuid::nil());
}

/// Orders the writers of a conversation: each one's is higher than that of the writer before. At most 2^38.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Generation(pub u64);

/// What is appended to one log at once.
#[derive(Clone, Copy, Debug)]
pub struct Group<'a> {
    /// Whose log.
    pub key: ConversationKey,
    /// The caller's.
    pub generation: Generation,
    /// The head as of the event before the first of `events`; none: these begin the log, from `seq` 1.
    pub before: Option<&'a Head>,
    /// 1 to [`GROUP_MAX`], together at most [`GROUP_BYTES_MAX`], numbered from the event before on.
    pub events: &'a [Event],
    /// The head as of the last of them.
    pub head: &'a Head,
}

/// What [`Lanes::append`] came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Append {
    /// The events are durable, and every node reads them.
    Applied,
    /// The lanes are sealed, and nothing of the group was written nor will be.
    Fenced,
    /// The lanes ended, and the events may have been written: who reads after they were sealed, or after the next start, sees.
    Unknown,
}

/// Why lanes ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LanesEnd {
    /// Somebody sealed them: another node writes now.
    Sealed,
    /// A write failed in a way that leaves the stored bytes in doubt.
    Failed,
}

/// Why lanes were not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenLanesError {
    /// They were sealed before, and stay so.
    #[error("somebody sealed the lanes before they were open")]
    Sealed,
    /// The store did not answer. The caller may open them again.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// One lane of one boot; its groups have an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LaneId {
    /// Whose lane; [`Incarnation::NONE`]: that of all boots.
    pub incarnation: Incarnation,
    /// Counted from 0.
    pub lane: u8,
}

/// Where a reader of a journal stands in a segment. As a text it is `segment-position`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JournalPosition {
    /// Counted from 0; the store chooses where one ends.
    pub segment: u64,
    /// How far the segment was read, as the store counts; 0 in segment 0 is the beginning of what is kept.
    pub position: u64,
}

impl fmt::Display for JournalPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.segment, self.position)
    }
}

/// The text is no position in a journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is no position in a journal")]
pub struct NoJournalPosition;

impl FromStr for JournalPosition {
    type Err = NoJournalPosition;

    fn from_str(text: &str) -> Result<Self, NoJournalPosition> {
        let (segment, position) = text.split_once('-').ok_or(NoJournalPosition)?;
        let number = |text: &str| text.parse::<u64>().map_err(|_| NoJournalPosition);
        let position = Self { segment: number(segment)?, position: number(position)? };
        // One position has one text: no sign, no zeros before it.
        if position.to_string() == text { Ok(position) } else { Err(NoJournalPosition) }
    }
}

/// A log has these events, `first` to `last`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JournalEntry {
    /// Whose log.
    pub key: ConversationKey,
    /// The first of them.
    pub first: Seq,
    /// The last of them.
    pub last: Seq,
}

/// A piece of a journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalPage {
    /// What was appended, in the lane's order.
    pub entries: Vec<JournalEntry>,
    /// Where the next page begins.
    pub next: JournalPosition,
    /// What to expect there.
    pub rest: JournalRest,
}

/// What follows a page of a journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JournalRest {
    /// There was more when the page was read: ask again at once.
    More,
    /// Nothing yet: ask again after a while.
    Later,
    /// Nothing, ever: the lane is sealed and read to its end.
    Ended,
}

/// Why a journal was not read.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// What follows the position is kept no longer, or was of a lane that is gone: the reader reads the logs themselves, then
    /// the journal from its beginning.
    #[error("the journal reaches back less far")]
    Trimmed,
    /// The store did not answer. The caller may ask again.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The most events that one append takes.
pub const GROUP_MAX: usize = 64;
/// The most bytes that one append takes, by [`Event::weight`]; one event alone always passes.
pub const GROUP_BYTES_MAX: u64 = 256 * 1024;
/// The most events, or entries of a journal, that one read returns.
pub const PAGE_MAX: usize = 512;
/// How long a journal reaches back at least, in hours, unless the store's options say otherwise.
pub const JOURNAL_KEEP_HOURS: u32 = 72;

/// Conversations' logs. Events of one log have `seq` 1, 2, 3 ... without holes.
#[async_trait]
pub trait EventLog: Send + Sync + 'static {
    /// Opens the lanes of a boot, through which its node appends. Each boot has an incarnation of its own.
    ///
    /// # Errors
    ///
    /// [`OpenLanesError::Sealed`]: this incarnation is over. [`OpenLanesError::Store`]: the caller opens them again.
    async fn open(&self, incarnation: Incarnation) -> Result<Arc<dyn Lanes>, OpenLanesError>;

    /// Ends the lanes of a boot, open or never opened: once this is answered no append through them passes, not even one that
    /// is still on its way, and what passed before is read by everyone. Sealing twice is harmless.
    ///
    /// # Errors
    ///
    /// [`StoreError`]: some of them may be sealed. The caller seals again before it relies on it.
    async fn seal(&self, incarnation: Incarnation) -> Result<(), StoreError>;

    /// The events after `after`, oldest first, at most `limit` and [`PAGE_MAX`]. Empty beyond the last, and for a log
    /// that does not exist. Everything that was acknowledged before the call is read.
    ///
    /// # Errors
    ///
    /// [`StoreError`]: [`StoreError::Corrupt`] when the log has a hole; else the caller may read again later.
    async fn read(&self, key: ConversationKey, after: Seq, limit: usize) -> Result<Vec<Event>, StoreError>;

    /// The last events before `before`, oldest first, at most `limit` and [`PAGE_MAX`].
    ///
    /// # Errors
    ///
    /// As of [`EventLog::read`].
    async fn read_before(
        &self,
        key: ConversationKey,
        before: Seq,
        limit: usize,
    ) -> Result<Vec<Event>, StoreError>;

    /// The lanes whose journals are kept, of all boots, in an order that stays the same. Together their journals have every
    /// event that was acknowledged within [`JOURNAL_KEEP_HOURS`].
    ///
    /// # Errors
    ///
    /// [`StoreError`]: nothing is known; the caller asks again later.
    async fn lanes(&self) -> Result<Vec<LaneId>, StoreError>;

    /// What was appended through a lane behind `after`, in its order, at most `limit` and [`PAGE_MAX`] entries. An entry is
    /// there as soon as its events are acknowledged, and comes once. The entries of one conversation are in its order within
    /// a lane; where it changed its writer, the older writer's lane was ended first.
    ///
    /// # Errors
    ///
    /// [`JournalError`].
    async fn journal(
        &self,
        lane: LaneId,
        after: JournalPosition,
        limit: usize,
    ) -> Result<JournalPage, JournalError>;
}

/// The lanes of this boot of this node, through which it appends.
///
/// # Panics
///
/// `append` panics, before anything is written, when the group breaks its rules: a fault of the caller.
#[async_trait]
pub trait Lanes: Send + Sync + 'static {
    /// Whose they are.
    fn incarnation(&self) -> Incarnation;

    /// Appends the group, all or none. The caller is the one writer of this conversation and appends one group at a time; it
    /// has read the log after [`Lanes::settled`], or knows it. What is not known is settled before this answers, however long
    /// that takes; a call that is dropped meanwhile may be carried out all the same. It is on its way, and `settled` waits for
    /// it, from the first time on that its future is polled.
    ///
    /// # Errors
    ///
    /// [`StoreError`]: nothing was written. The caller may append the same again, or something else.
    async fn append(&self, group: Group<'_>) -> Result<Append, StoreError>;

    /// Waits until no append to this conversation is on its way, those that were dropped included. A new writer in this
    /// process calls it before it reads.
    async fn settled(&self, key: ConversationKey);

    /// Whether the lanes were still open at a moment after the call: then no other node had begun to write by then. Asked
    /// before an answer that rests on no append. One look serves all who ask meanwhile.
    ///
    /// # Errors
    ///
    /// [`StoreError`]: nothing is known.
    async fn confirm(&self) -> Result<bool, StoreError>;

    /// Answers when the lanes have ended without having been closed.
    async fn ended(&self) -> LanesEnd;

    /// Takes no more groups, finishes those that it has, and seals the lanes.
    ///
    /// # Errors
    ///
    /// [`StoreError`]: they may not be sealed; the next boot seals them.
    async fn close(&self) -> Result<(), StoreError>;
}

/// Holds a caller of `append` to the contract: a wrong group must never be stored.
pub(crate) fn check_group(group: &Group<'_>) {
    let Group { before, events, head, .. } = *group;
    let tail = before.map_or(Seq::ZERO, |before| before.last_seq);
    assert!((1..=GROUP_MAX).contains(&events.len()), "a group has 1 to {GROUP_MAX} events");
    for (place, event) in (tail.0 + 1..).zip(events) {
        assert_eq!(event.seq, Seq(place), "a group is numbered from its tail on");
    }
    assert_eq!(head.last_seq, Seq(tail.0 + events.len() as u64), "the head is the one after the group");
    let weight: u64 = events.iter().map(Event::weight).sum();
    assert!(events.len() == 1 || weight <= GROUP_BYTES_MAX, "a group has at most {GROUP_BYTES_MAX} bytes");
}

/// The events that were read, if they have no holes and begin where they must (`first`; none: anywhere).
pub(crate) fn dense(events: Vec<Event>, first: Option<Seq>) -> Result<Vec<Event>, StoreError> {
    let Some(start) = events.first().map(|event| event.seq) else { return Ok(events) };
    let begins = first.is_none_or(|first| first == start);
    let holes = events.windows(2).any(|pair| pair[1].seq != pair[0].seq.next());
    if begins && !holes { Ok(events) } else { Err(StoreError::Corrupt("a log has a hole".into())) }
}
