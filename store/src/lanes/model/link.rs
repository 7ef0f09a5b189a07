//! A node's way to the database: what a node sends goes nowhere once it is dead.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use domain::Seq;

use crate::{ConversationKey, Incarnation, JournalEntry};

use super::super::segments::{
    Answer, Failure, Registered, SealIf, SegmentId, SegmentState, Segments, StoredEvent, StoredGroup,
    StoredHead,
};
use super::base::{Base, Change, Plain};

pub(super) struct Link {
    pub(super) base: Arc<Base>,
    pub(super) is_cut: AtomicBool,
}

impl Link {
    pub(super) fn new(base: &Arc<Base>) -> Arc<Self> {
        Arc::new(Self { base: Arc::clone(base), is_cut: AtomicBool::new(false) })
    }

    async fn base(&self) -> &Arc<Base> {
        if self.is_cut.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
        &self.base
    }

    async fn write(&self, plain: Plain) -> Result<(), Failure> {
        self.base().await.change(Change::Plain(plain)).await.map(drop)
    }
}

fn page(
    events: impl Iterator<Item = (Seq, Vec<u8>)>,
    within: impl Fn(Seq) -> bool,
    limit: usize,
) -> Vec<StoredEvent> {
    let events = events.filter(|(seq, _)| within(*seq)).take(limit);
    events.map(|(seq, body)| StoredEvent { seq, body }).collect()
}

#[async_trait]
impl Segments for Link {
    async fn open(&self, segment: SegmentId) -> Result<Answer, Failure> {
        self.base().await.change(Change::Open(segment)).await
    }

    async fn append(
        &self,
        segment: SegmentId,
        position: u64,
        groups: &[StoredGroup],
        _attempt: u32,
    ) -> Result<Answer, Failure> {
        self.base().await.change(Change::Append(segment, position, groups.to_vec())).await
    }

    async fn seal(&self, segment: SegmentId, when: SealIf) -> Result<Answer, Failure> {
        self.base().await.change(Change::Seal(segment, when)).await
    }

    async fn state(&self, segment: SegmentId) -> Result<SegmentState, Failure> {
        self.base().await.read(|state, quorum| state.segment_state(segment, quorum)).await
    }

    async fn journal(
        &self,
        segment: SegmentId,
        from: u64,
        limit: usize,
    ) -> Result<Vec<(u64, Vec<JournalEntry>)>, Failure> {
        self.base().await.read(|state, quorum| state.journal(segment, from, limit, quorum)).await
    }

    async fn slice(
        &self,
        segment: SegmentId,
        key: ConversationKey,
        after: Seq,
        limit: usize,
    ) -> Result<Vec<StoredEvent>, Failure> {
        let look = |state: &super::base::State, quorum| {
            page(state.slice(segment, key, quorum).into_iter(), |seq| seq > after, limit)
        };
        self.base().await.read(look).await
    }

    async fn slice_before(
        &self,
        segment: SegmentId,
        key: ConversationKey,
        before: Seq,
        limit: usize,
    ) -> Result<Vec<StoredEvent>, Failure> {
        let look = |state: &super::base::State, quorum| {
            page(state.slice(segment, key, quorum).into_iter().rev(), |seq| seq < before, limit)
        };
        self.base().await.read(look).await
    }

    async fn head(&self, segment: SegmentId, key: ConversationKey) -> Result<Option<StoredHead>, Failure> {
        self.base().await.read(|state, quorum| state.head(segment, key, quorum)).await
    }

    async fn erase(&self, segment: SegmentId, key: ConversationKey) -> Result<(), Failure> {
        self.write(Plain::Erase(segment, key)).await
    }

    async fn point(&self, key: ConversationKey, segment: SegmentId) -> Result<(), Failure> {
        self.write(Plain::Point(key, segment, true)).await
    }

    async fn unpoint(&self, key: ConversationKey, segment: SegmentId) -> Result<(), Failure> {
        self.write(Plain::Point(key, segment, false)).await
    }

    async fn pointers(&self, key: ConversationKey) -> Result<Vec<SegmentId>, Failure> {
        self.base().await.read(|state, quorum| state.pointers(key, quorum)).await
    }

    async fn put_home(&self, group: &StoredGroup) -> Result<(), Failure> {
        self.write(Plain::PutHome(group.clone())).await
    }

    async fn home_head(&self, key: ConversationKey) -> Result<Option<StoredHead>, Failure> {
        self.base().await.read(|state, quorum| state.home_head(key, quorum)).await
    }

    async fn home(
        &self,
        key: ConversationKey,
        after: Seq,
        limit: usize,
    ) -> Result<Vec<StoredEvent>, Failure> {
        let look = |state: &super::base::State, quorum| {
            page(state.home(key, quorum).into_iter(), |seq| seq > after, limit)
        };
        self.base().await.read(look).await
    }

    async fn home_before(
        &self,
        key: ConversationKey,
        before: Seq,
        limit: usize,
    ) -> Result<Vec<StoredEvent>, Failure> {
        let look = |state: &super::base::State, quorum| {
            page(state.home(key, quorum).into_iter().rev(), |seq| seq < before, limit)
        };
        self.base().await.read(look).await
    }

    async fn erase_home(&self, key: ConversationKey) -> Result<(), Failure> {
        self.write(Plain::EraseHome(key)).await
    }

    async fn register(&self, registered: Registered) -> Result<(), Failure> {
        self.write(Plain::Register(registered.segment, Some(registered))).await
    }

    async fn registered(&self, of: Option<Incarnation>) -> Result<Vec<Registered>, Failure> {
        let look = |state: &super::base::State, quorum| {
            let mut registered = state.registered(quorum);
            registered.retain(|registered| of.is_none_or(|of| of == registered.segment.lane.incarnation));
            registered
        };
        self.base().await.read(look).await
    }

    async fn drop_segment(&self, segment: SegmentId) -> Result<(), Failure> {
        self.write(Plain::Drop(segment)).await?;
        self.write(Plain::Register(segment, None)).await
    }
}
