//! Reading a conversation: its home, and the segments that its pointers name.
//!
//! A pointer is written before an event comes to a segment, and goes after the segment's events are at home; so a
//! reader of the pointers first, and then of both, finds everything. Segments may be dropped meanwhile: one without events of the
//! conversation is only believed when the home was read after it.

use std::collections::BTreeMap;
use std::future::Future;

use domain::Seq;

use crate::{ConversationKey, PAGE_MAX, StoreError};

use super::rules::Rules;
use super::segments::{SegmentId, Segments, StoredEvent, StoredHead};

/// How often a log with a hole is read again: one that is appended to and rolls meanwhile may seem to have one. Five times were too
/// few in one of 33,000 schedules of the model.
const LOOKS: u32 = 20;

impl<S: Segments> Rules<S> {
    /// As [`super::LaneLog::read`].
    pub(super) async fn read(
        &self,
        key: ConversationKey,
        after: Seq,
        limit: usize,
    ) -> Result<Vec<StoredEvent>, StoreError> {
        let limit = limit.min(PAGE_MAX);
        let look = |place: Option<SegmentId>| async move {
            match place {
                Some(segment) => self.ask(|| self.segments.slice(segment, key, after, limit)).await,
                None => self.ask(|| self.segments.home(key, after, limit)).await,
            }
        };
        let select =
            |all: BTreeMap<Seq, StoredEvent>| -> Vec<StoredEvent> { all.into_values().take(limit).collect() };
        let begins = |first: Seq, _| first == after.next();
        self.without_holes(key, limit, look, select, begins).await
    }

    /// As [`super::LaneLog::read_before`].
    pub(super) async fn read_before(
        &self,
        key: ConversationKey,
        before: Seq,
        limit: usize,
    ) -> Result<Vec<StoredEvent>, StoreError> {
        let limit = limit.min(PAGE_MAX);
        let look = |place: Option<SegmentId>| async move {
            match place {
                Some(segment) => self.ask(|| self.segments.slice_before(segment, key, before, limit)).await,
                None => self.ask(|| self.segments.home_before(key, before, limit)).await,
            }
        };
        let select = |all: BTreeMap<Seq, StoredEvent>| -> Vec<StoredEvent> {
            let surplus = all.len().saturating_sub(limit);
            all.into_values().skip(surplus).collect()
        };
        // A page that is not full reaches back to the first event.
        let begins = |first: Seq, count| count == limit || first == Seq::ZERO.next();
        self.without_holes(key, limit, look, select, begins).await
    }

    /// As [`super::LaneLog::head`].
    pub(super) async fn head(&self, key: ConversationKey) -> Result<Option<StoredHead>, StoreError> {
        let look = |place: Option<SegmentId>| async move {
            match place {
                Some(segment) => self.ask(|| self.segments.head(segment, key)).await,
                None => self.ask(|| self.segments.home_head(key)).await,
            }
        };
        let heads = self.everywhere(key, look, Option::is_none).await?;
        Ok(heads.into_iter().flatten().max_by_key(|head| head.last))
    }

    async fn without_holes<F>(
        &self,
        key: ConversationKey,
        limit: usize,
        look: impl Fn(Option<SegmentId>) -> F,
        select: impl Fn(BTreeMap<Seq, StoredEvent>) -> Vec<StoredEvent>,
        begins: impl Fn(Seq, usize) -> bool,
    ) -> Result<Vec<StoredEvent>, StoreError>
    where
        F: Future<Output = Result<Vec<StoredEvent>, StoreError>>,
    {
        if limit == 0 {
            return Ok(Vec::new());
        }
        let mut looks = 0;
        loop {
            let places = self.everywhere(key, &look, Vec::is_empty).await?;
            let all = places.into_iter().flatten().map(|event| (event.seq, event)).collect();
            let events = select(all);
            let Some(first) = events.first().map(|event| event.seq) else { return Ok(events) };
            let is_dense = events.windows(2).all(|pair| pair[1].seq == pair[0].seq.next());
            if is_dense && begins(first, events.len()) {
                return Ok(events);
            }
            looks += 1;
            if looks == LOOKS {
                return Err(StoreError::Corrupt("a log has a hole".into()));
            }
            self.writing().pause().await;
        }
    }

    /// What `look` finds in each segment that the conversation points to, and at its home (none).
    async fn everywhere<T, F>(
        &self,
        key: ConversationKey,
        look: impl Fn(Option<SegmentId>) -> F,
        is_empty: impl Fn(&T) -> bool,
    ) -> Result<Vec<T>, StoreError>
    where
        F: Future<Output = Result<T, StoreError>>,
    {
        #[cfg(test)]
        if super::mutant::is(super::mutant::Mutant::HomeFirst) {
            let home = look(None).await?;
            let pointers = self.ask(|| self.segments.pointers(key)).await?;
            let mut found =
                futures_util::future::try_join_all(pointers.into_iter().map(|segment| look(Some(segment))))
                    .await?;
            found.push(home);
            return Ok(found);
        }
        let pointers = self.ask(|| self.segments.pointers(key)).await?;
        let slices =
            futures_util::future::try_join_all(pointers.into_iter().map(|segment| look(Some(segment))));
        let (mut found, mut home) = futures_util::future::try_join(slices, look(None)).await?;
        let is_doubted = found.iter().any(is_empty);
        #[cfg(test)]
        let is_doubted = is_doubted && !super::mutant::is(super::mutant::Mutant::EmptyBelieved);
        if is_doubted {
            home = look(None).await?;
        }
        found.push(home);
        Ok(found)
    }
}
