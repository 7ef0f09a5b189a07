//! The log of events: the one truth of a conversation, and the fence between two nodes that both believe they own it.

use async_trait::async_trait;
use domain::{ConversationId, Event, Head, Seq, WorkspaceId};
use uuid::Uuid;

use crate::StoreError;

/// A conversation, with the workspace without which it is not found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConversationKey {
    /// Whose it is.
    pub workspace: WorkspaceId,
    /// Names it there.
    pub conversation: ConversationId,
}

/// Counts the owners that a log has had. It only rises.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(pub u64);

/// A fresh random value for each claim. The owner of a log is the node that knows the stored one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClaimToken(pub Uuid);

/// A node and its boot, `name#incarnation`; empty after a passivation.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Owner(pub String);

/// The right to append to a log, until the next claim of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The conversation whose log it is.
    pub key: ConversationKey,
    /// The token that appends must show. It is never used again once the log was passivated.
    pub token: ClaimToken,
    /// One more than the epoch of the claim before.
    pub epoch: Epoch,
    /// The last event when the claim was made.
    pub last_seq: Seq,
}

/// What [`EventLog::create`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Created {
    /// The log is new, durable, and the caller's.
    New(Claim),
    /// There is a log already, and nothing was written.
    Exists,
    /// The log may have been written, or may yet be: the caller creates it again, and that answer decides.
    Unknown,
}

/// What [`EventLog::append`] came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Append {
    /// The events are durable, and every node reads them.
    Applied,
    /// A newer owner exists, or the stored tail is another. Nothing was written: the caller is no owner, and stops.
    Fenced {
        /// The newer owner's.
        epoch: Epoch,
        /// The newer owner.
        owner: Owner,
    },
    /// The events may have been written, or may yet be: claim again and read before anything else.
    Unknown,
}

/// The owner of a log now; looking at it changes nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peek {
    /// The owner's.
    pub epoch: Epoch,
    /// Empty when no node owns the log.
    pub owner: Owner,
    /// The last event.
    pub last_seq: Seq,
}

/// Why a claim was not made.
#[derive(Debug, thiserror::Error)]
pub enum ClaimError {
    /// There is no such log.
    #[error("there is no such log")]
    Missing,
    /// Another node claimed the log meanwhile, or the expected token is not the stored one.
    #[error("somebody else claimed the log")]
    Lost,
    /// The store did not answer. The token that was tried is never used.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The most events that one append takes.
pub const GROUP_MAX: usize = 64;
/// The most bytes that one append takes, by [`Event::weight`]; one event alone always passes.
pub const GROUP_BYTES_MAX: u64 = 256 * 1024;
/// The most events that one read returns.
pub const PAGE_MAX: usize = 512;

/// Conversations' logs. Events of one log have `seq` 1, 2, 3 ... without holes; the caller numbers them, and an
/// append that does not continue the stored tail is refused.
///
/// # Panics
///
/// `create` and `append` panic, before anything is written, when the group breaks their rules: a fault of the caller.
#[async_trait]
pub trait EventLog: Send + Sync + 'static {
    /// Makes the log with its first `events` (1 to [`GROUP_MAX`], from `seq` 1), all or none, with the derived `head`.
    /// Of two callers that create the same log one gets [`Created::New`].
    ///
    /// # Errors
    ///
    /// [`StoreError`]: nothing was written. The caller may create it again later.
    async fn create(
        &self,
        key: ConversationKey,
        owner: &Owner,
        events: &[Event],
        head: &Head,
    ) -> Result<Created, StoreError>;

    /// The log's owner; none when there is no such log.
    ///
    /// # Errors
    ///
    /// [`StoreError`]: nothing is known.
    async fn peek(&self, key: ConversationKey) -> Result<Option<Peek>, StoreError>;

    /// Takes the log over with a fresh token and the next epoch: from then on no append with an older token passes, not
    /// even one that is still on its way. With `expected`, only if that is the stored token.
    ///
    /// # Errors
    ///
    /// [`ClaimError::Missing`]: there is no such log. [`ClaimError::Lost`]: another node was quicker; the caller looks for the
    /// owner again. [`ClaimError::Store`]: the claim may have been made, and the caller may claim again.
    async fn claim(
        &self,
        key: ConversationKey,
        owner: &Owner,
        expected: Option<ClaimToken>,
    ) -> Result<Claim, ClaimError>;

    /// Appends `events` (1 to [`GROUP_MAX`], at most [`GROUP_BYTES_MAX`]) right after `tail`, all or none, as the
    /// holder of `claim`. `head` is the row derived from the log up to the last of them; it is written with them, or right
    /// after.
    ///
    /// # Errors
    ///
    /// [`StoreError`]: nothing was written. The caller may append the same again. (What is not known to be unwritten is
    /// [`Append::Unknown`], no error.)
    async fn append(
        &self,
        claim: &Claim,
        tail: Seq,
        events: &[Event],
        head: &Head,
    ) -> Result<Append, StoreError>;

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

    /// Records that no node owns the log any more. The token is never used again, whatever the answer.
    ///
    /// # Errors
    ///
    /// [`StoreError`]: the record may have been made or not. The caller need not repeat it: the next claim does not depend
    /// on it.
    async fn passivate(&self, claim: Claim) -> Result<(), StoreError>;
}

/// Holds a caller of `create` and `append` to the contract: a wrong group must never be stored.
pub(crate) fn check_group(tail: Seq, events: &[Event], head: &Head) {
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
