//! What lanes ask of a database: the few statements of which everything else is made. The rules ([`super`]) run on any of
//! these: on CQL, and in tests on a model that answers late, twice, or not at all.

use async_trait::async_trait;
use domain::Seq;

use crate::{ConversationKey, Incarnation, JournalEntry, LaneId};

/// A part of a lane, written by nobody but the lane's node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct SegmentId {
    pub(crate) lane: LaneId,
    /// Counted from 0.
    pub(crate) segment: u64,
}

/// What a conditional statement did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Its conditions held, and it is done.
    Applied,
    /// They did not hold, and nothing was done; the segment is so.
    Refused(SegmentState),
}

/// How a segment stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SegmentState {
    /// Batches that it has; none: it was never opened.
    pub(crate) position: Option<u64>,
    /// Nothing can be appended to it, ever.
    pub(crate) sealed: bool,
}

/// Why a statement has no answer that says what it did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The statement never left this process: nothing was done.
    NotSent(String),
    /// The statement may have been done, or may yet be.
    Unknown(String),
}

/// When a segment is sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SealIf {
    /// By its writer, which rolls: it has so many batches and is open.
    AtPosition(u64),
    /// By anybody: it was opened and is not sealed, or was never opened. Afterwards it is sealed in any case.
    NotSealed,
    /// By anybody: it was never opened. Refused and not sealed: its writer was there before.
    NeverOpened,
}

/// An event as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoredEvent {
    pub(crate) seq: Seq,
    /// An envelope.
    pub(crate) body: Vec<u8>,
}

/// What is appended to one conversation, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoredGroup {
    pub(crate) key: ConversationKey,
    /// In order, at least one.
    pub(crate) events: Vec<StoredEvent>,
    /// An envelope: the head as of the last of them.
    pub(crate) head: Vec<u8>,
}

/// The head of a conversation, as one of the places of its events has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoredHead {
    /// The last event of the conversation in that place.
    pub(crate) last: Seq,
    /// An envelope: the head as of that event.
    pub(crate) head: Vec<u8>,
}

/// What is known of a segment without asking it; a hint, never a proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Registered {
    pub(crate) segment: SegmentId,
    /// Milliseconds since 1970 when it was seen to be sealed; none: not yet.
    pub(crate) sealed_at_ms: Option<u64>,
    /// All its events are at home, compared, and the pointers to it are gone.
    pub(crate) is_home: bool,
}

/// The statements. "Quorum": what one quorum acknowledged every later quorum read finds. Conditional statements are
/// linearizable for one segment, and one that was not answered may be done at any later time. So may every write.
///
/// The rules bound how long they wait for each call, and drop it when that time is over ([`super::options::LaneOptions`]): an
/// implementation needs no bound of its own, and a call that is dropped counts as [`Failure::Unknown`].
#[async_trait]
pub(crate) trait Segments: Send + Sync + 'static {
    /// Conditional: if it was never opened and is not sealed, opens it at position 0.
    async fn open(&self, segment: SegmentId) -> Result<Answer, Failure>;

    /// Conditional: if it is open and has exactly `position` batches, adds one: all events, the heads (over those of
    /// earlier batches) and one row of the journal, all or none. `attempt` counts from 0 how often this very batch was
    /// sent before; a repeat goes to another server than the attempt before it.
    async fn append(
        &self,
        segment: SegmentId,
        position: u64,
        groups: &[StoredGroup],
        attempt: u32,
    ) -> Result<Answer, Failure>;

    /// Conditional: seals it.
    async fn seal(&self, segment: SegmentId, when: SealIf) -> Result<Answer, Failure>;

    /// A linearizable read that also finishes what is half done.
    async fn state(&self, segment: SegmentId) -> Result<SegmentState, Failure>;

    /// A quorum read: at most `limit` rows of the journal, each with its position (the first batch's is 0), those from
    /// `from` on, in order.
    async fn journal(
        &self,
        segment: SegmentId,
        from: u64,
        limit: usize,
    ) -> Result<Vec<(u64, Vec<JournalEntry>)>, Failure>;

    /// A quorum read: the events of a conversation in a segment after `after`, oldest first.
    async fn slice(
        &self,
        segment: SegmentId,
        key: ConversationKey,
        after: Seq,
        limit: usize,
    ) -> Result<Vec<StoredEvent>, Failure>;

    /// The same before `before`, newest first.
    async fn slice_before(
        &self,
        segment: SegmentId,
        key: ConversationKey,
        before: Seq,
        limit: usize,
    ) -> Result<Vec<StoredEvent>, Failure>;

    /// A quorum read: the head of a conversation as of its last event in a segment.
    async fn head(&self, segment: SegmentId, key: ConversationKey) -> Result<Option<StoredHead>, Failure>;

    /// A quorum write: removes the events and the head of a conversation from a segment, for good: what comes there later is
    /// not read.
    async fn erase(&self, segment: SegmentId, key: ConversationKey) -> Result<(), Failure>;

    /// A quorum write: adds a pointer, which says that the conversation may have events in the segment.
    async fn point(&self, key: ConversationKey, segment: SegmentId) -> Result<(), Failure>;

    /// A quorum write: removes a pointer.
    async fn unpoint(&self, key: ConversationKey, segment: SegmentId) -> Result<(), Failure>;

    /// A quorum read: all pointers of a conversation.
    async fn pointers(&self, key: ConversationKey) -> Result<Vec<SegmentId>, Failure>;

    /// A quorum write: events at home, and the head over one of a lower `seq`. An event is the same wherever it was read, so
    /// these writes need no order and may come again; each row's stamp is its `seq` alone.
    async fn put_home(&self, group: &StoredGroup) -> Result<(), Failure>;

    /// A quorum read.
    async fn home_head(&self, key: ConversationKey) -> Result<Option<StoredHead>, Failure>;

    /// A quorum read, as [`Segments::slice`].
    async fn home(&self, key: ConversationKey, after: Seq, limit: usize)
    -> Result<Vec<StoredEvent>, Failure>;

    /// A quorum read, as [`Segments::slice_before`].
    async fn home_before(
        &self,
        key: ConversationKey,
        before: Seq,
        limit: usize,
    ) -> Result<Vec<StoredEvent>, Failure>;

    /// A quorum write: removes a conversation from its home, for good: what [`Segments::put_home`] puts there later is not
    /// read.
    async fn erase_home(&self, key: ConversationKey) -> Result<(), Failure>;

    /// A quorum write: the segment is known from now on, and so much of it. Nothing that is known is taken back: no time of the
    /// seal, and "not home", leave what is stored as it is, also where this write is done late.
    async fn register(&self, registered: Registered) -> Result<(), Failure>;

    /// A quorum read: all segments that are known, of one boot or of all, in order.
    async fn registered(&self, of: Option<Incarnation>) -> Result<Vec<Registered>, Failure>;

    /// Quorum writes: the sealed segment's rows go but for its seal (its state is then sealed, without a position), then it
    /// is known no longer.
    async fn drop_segment(&self, segment: SegmentId) -> Result<(), Failure>;
}
