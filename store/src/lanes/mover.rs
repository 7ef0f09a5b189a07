//! Moves sealed segments home: a lane's log is short-lived, and a conversation's events end up in one place of their own.
//!
//! A copy is acknowledged by a quorum, and then compared with the segment: what a read alone finds may stand on one replica, and
//! what was acknowledged may still be too little. What is proven to be at home leaves the segment, and then its pointer
//! goes; the segment keeps its journal alone, until it is dropped. Everything here may be done again, by anybody, from any
//! point on.

use std::collections::{BTreeMap, BTreeSet};

use domain::Seq;
use futures_util::{StreamExt, TryStreamExt, stream};

use crate::{ConversationKey, GROUP_BYTES_MAX, GROUP_MAX, Incarnation, LaneId, PAGE_MAX, StoreError};

use super::rules::Rules;
use super::segments::{Registered, SegmentId, SegmentState, Segments, StoredEvent, StoredGroup};

/// Conversations that are moved at a time: what people do goes first.
const MOVING_MAX: usize = 4;
/// Rows of a journal that are read at a time.
const JOURNAL_ROWS: usize = 32;

/// What a round of the mover did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Swept {
    /// Segments that were moved home.
    pub(crate) moved: usize,
    /// Segments that were dropped.
    pub(crate) dropped: usize,
    /// Segments of these boots that are still known, open ones too.
    pub(crate) left: usize,
}

impl<S: Segments> Rules<S> {
    /// As [`super::LaneLog::sweep`].
    pub(super) async fn sweep(
        &self,
        whose: &(impl Fn(Incarnation) -> bool + Send + Sync),
    ) -> Result<Swept, StoreError> {
        let mut lanes: BTreeMap<LaneId, Vec<Registered>> = BTreeMap::new();
        for registered in self.registered(None).await? {
            lanes.entry(registered.segment.lane).or_default().push(registered);
        }
        let all: BTreeSet<LaneId> = lanes.keys().copied().collect();
        let (mut swept, mut failed) = (Swept::default(), None);
        for (_, known) in lanes.into_iter().filter(|(lane, _)| whose(lane.incarnation)) {
            // A lane that cannot be moved holds up no other.
            if let Err(error) = self.sweep_lane(known, &all, &mut swept).await {
                failed = failed.or(Some(error));
            }
        }
        failed.map_or(Ok(swept), Err)
    }

    /// Moves and drops what can be of one lane, whose segments are `known`, oldest first.
    async fn sweep_lane(
        &self,
        mut known: Vec<Registered>,
        all: &BTreeSet<LaneId>,
        swept: &mut Swept,
    ) -> Result<(), StoreError> {
        let lowest = known.first().map_or(0, |registered| registered.segment.segment);
        for registered in &mut known {
            if registered.sealed_at_ms.is_none()
                && self.write(|| self.segments.state(registered.segment)).await?.sealed
            {
                // Who sealed it had no time to say so.
                registered.sealed_at_ms = Some(self.now_ms());
                self.write(|| self.segments.register(*registered)).await?;
            }
            if registered.sealed_at_ms.is_some() && !registered.is_home {
                self.move_home(registered.segment, lowest, all).await?;
                registered.is_home = true;
                self.write(|| self.segments.register(*registered)).await?;
                swept.moved += 1;
            }
        }
        let dropped = self.drop_old(&known).await?;
        swept.dropped += dropped;
        swept.left += known.len() - dropped;
        Ok(())
    }

    /// Drops what is at home and was kept for long enough, oldest first. The last segment that is at home stays while the
    /// next one is not: its journal names those whose pointers to the next one may stand there without need.
    async fn drop_old(&self, known: &[Registered]) -> Result<usize, StoreError> {
        let keep_ms = self.options.segment_keep.as_millis() as u64;
        let is_over = |registered: &Registered| {
            registered.is_home
                && registered.sealed_at_ms.is_some_and(|sealed_ms| sealed_ms + keep_ms <= self.now_ms())
        };
        let mut dropped = 0;
        for (place, registered) in known.iter().enumerate() {
            let next_is_home = known.get(place + 1).is_none_or(|next| next.is_home);
            if !is_over(registered) || !next_is_home {
                break;
            }
            if known.get(place + 1).is_none() && !self.is_end(registered.segment).await? {
                break;
            }
            self.write(|| self.segments.drop_segment(registered.segment)).await?;
            dropped += 1;
        }
        Ok(dropped)
    }

    /// Whether no segment follows, ever: the next one is sealed and was never opened, or this one was never opened.
    async fn is_end(&self, segment: SegmentId) -> Result<bool, StoreError> {
        let end = SegmentState { position: None, sealed: true };
        let next = self.write(|| self.segments.state(following(segment))).await?;
        Ok(next == end || self.write(|| self.segments.state(segment)).await? == end)
    }

    /// Copies all that a sealed segment holds, compares, and takes the rows and the pointers to them away.
    async fn move_home(
        &self,
        segment: SegmentId,
        lowest: u64,
        lanes: &BTreeSet<LaneId>,
    ) -> Result<(), StoreError> {
        let state = self.write(|| self.segments.state(segment)).await?;
        if !state.sealed {
            return Err(StoreError::Corrupt(format!("{segment:?} is known as sealed and is open")));
        }
        let held = self.counts(segment, state.position.unwrap_or(0)).await?;
        // Pointers into a segment are also written beside the batches before it, and some of them were never needed.
        let mut pointing: BTreeSet<ConversationKey> = held.keys().copied().collect();
        if segment.segment > lowest {
            let before = SegmentId { segment: segment.segment - 1, ..segment };
            let state = self.write(|| self.segments.state(before)).await?;
            pointing.extend(self.counts(before, state.position.unwrap_or(0)).await?.into_keys());
        }
        let moved = &Moved { segment, lowest, is_end: self.is_end(segment).await?, lanes };
        stream::iter(pointing)
            .map(|key| {
                let count = held.get(&key).copied();
                async move {
                    if let Some(count) = count {
                        self.move_one(segment, key, count).await?;
                        // The journal stays. The rows go before the pointer, by which an erasure finds them.
                        self.write(|| self.segments.erase(segment, key)).await?;
                    }
                    self.unpoint(moved, key).await
                }
            })
            .buffer_unordered(MOVING_MAX)
            .try_collect::<()>()
            .await
    }

    /// How many events of each conversation the segment had, by its journal.
    async fn counts(
        &self,
        segment: SegmentId,
        batches: u64,
    ) -> Result<BTreeMap<ConversationKey, u64>, StoreError> {
        let (mut counts, mut next) = (BTreeMap::new(), 0);
        while next < batches {
            let rows = self.ask(|| self.segments.journal(segment, next, JOURNAL_ROWS)).await?;
            let is_whole = rows.iter().zip(next..).all(|((position, _), expected)| *position == expected);
            if rows.is_empty() || !is_whole {
                if self.write(|| self.segments.state(segment)).await?.position.is_none() {
                    // Dropped meanwhile, by another mover that had proven everything.
                    return Ok(BTreeMap::new());
                }
                return Err(StoreError::Corrupt(format!("the journal of {segment:?} has no row {next}")));
            }
            next += rows.len() as u64;
            for entry in rows.into_iter().flat_map(|(_, entries)| entries) {
                *counts.entry(entry.key).or_insert(0) += entry.last.0 + 1 - entry.first.0;
            }
        }
        Ok(counts)
    }

    /// Copies a conversation's events and head, and holds what is then at home against them.
    async fn move_one(&self, segment: SegmentId, key: ConversationKey, count: u64) -> Result<(), StoreError> {
        let mut after = Seq::ZERO;
        loop {
            let events = self.ask(|| self.segments.slice(segment, key, after, GROUP_MAX)).await?;
            let Some(last) = events.last().map(|event| event.seq) else { break };
            after = last;
            // The head of the whole segment stands with each piece: until the pointer goes, the segment's own is read.
            let Some(head) = self.ask(|| self.segments.head(segment, key)).await? else { break };
            for events in pieces(events) {
                let group = StoredGroup { key, events, head: head.head.clone() };
                #[cfg(test)]
                if super::mutant::is(super::mutant::Mutant::CopyNotAcknowledged) {
                    let _ = self.writing().attempt(self.segments.put_home(&group)).await;
                    continue;
                }
                self.write(|| self.segments.put_home(&group)).await?;
            }
        }
        #[cfg(test)]
        if super::mutant::is(super::mutant::Mutant::DroppedBeforeCompared) {
            return Ok(());
        }
        self.compare(segment, key, count).await
    }

    /// Proves that what the segment holds of a conversation is at home. What was erased meanwhile, or moved, it does not hold.
    async fn compare(&self, segment: SegmentId, key: ConversationKey, count: u64) -> Result<(), StoreError> {
        let (mut after, mut found) = (Seq::ZERO, 0);
        loop {
            let events = self.ask(|| self.segments.slice(segment, key, after, PAGE_MAX)).await?;
            let Some(last) = events.last().map(|event| event.seq) else { break };
            (after, found) = (last, found + events.len() as u64);
            self.compare_page(key, &events).await?;
        }
        if found == count || found == 0 {
            return Ok(());
        }
        // Some of it: an erasure is on its way, or events are lost.
        Err(StoreError::Unavailable(format!("{segment:?} has {found} of {count} events of {key:?}")))
    }

    async fn compare_page(&self, key: ConversationKey, events: &[StoredEvent]) -> Result<(), StoreError> {
        let mut left = events;
        while let [first, ..] = left {
            let before = Seq(first.seq.0 - 1);
            let home = self.ask(|| self.segments.home(key, before, PAGE_MAX)).await?;
            let reach = home.last().map_or(first.seq, |last| last.seq);
            let home: BTreeMap<Seq, Vec<u8>> =
                home.into_iter().map(|event| (event.seq, event.body)).collect();
            let end = left.partition_point(|event| event.seq <= reach);
            for event in &left[..end] {
                match home.get(&event.seq) {
                    Some(body) if *body == event.body => {}
                    Some(_) => {
                        return Err(StoreError::Corrupt(format!(
                            "{key:?} has another event {:?} at home",
                            event.seq
                        )));
                    }
                    None => return Err(StoreError::Unavailable(format!("{key:?} is not all at home yet"))),
                }
            }
            left = &left[end..];
        }
        Ok(())
    }

    /// Removes a conversation's pointers to the segment, and those that nobody needs any more: to what is dropped, and to
    /// what was never opened and never will be.
    async fn unpoint(&self, moved: &Moved<'_>, key: ConversationKey) -> Result<(), StoreError> {
        for pointer in self.ask(|| self.segments.pointers(key)).await? {
            let is_over = if pointer.lane == moved.segment.lane {
                pointer == moved.segment
                    || pointer.segment < moved.lowest
                    || (moved.is_end && pointer == following(moved.segment))
            } else {
                // A lane is known before any pointer leads to it.
                !moved.lanes.contains(&pointer.lane)
                    && self
                        .registered(Some(pointer.lane.incarnation))
                        .await?
                        .iter()
                        .all(|registered| registered.segment.lane != pointer.lane)
            };
            if is_over {
                self.write(|| self.segments.unpoint(key, pointer)).await?;
            }
        }
        Ok(())
    }
}

/// What the mover knows of the lanes beside the segment that it moves.
struct Moved<'a> {
    segment: SegmentId,
    /// The first segment of the lane that is known.
    lowest: u64,
    /// No segment follows, ever.
    is_end: bool,
    /// All that were known when the round began.
    lanes: &'a BTreeSet<LaneId>,
}

fn following(segment: SegmentId) -> SegmentId {
    SegmentId { segment: segment.segment + 1, ..segment }
}

/// Cuts events so that each write has at most [`GROUP_BYTES_MAX`] bytes, or one event.
fn pieces(events: Vec<StoredEvent>) -> Vec<Vec<StoredEvent>> {
    let (mut pieces, mut bytes) = (Vec::<Vec<StoredEvent>>::new(), 0);
    for event in events {
        bytes += event.body.len() as u64;
        match pieces.last_mut() {
            Some(piece) if bytes <= GROUP_BYTES_MAX => piece.push(event),
            Some(_) | None => {
                bytes = event.body.len() as u64;
                pieces.push(vec![event]);
            }
        }
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_written_in_pieces_of_bounded_size() {
        let event = |seq: u64, kib: usize| StoredEvent { seq: Seq(seq), body: vec![0; kib * 1024] };
        let events = vec![event(1, 100), event(2, 156), event(3, 1), event(4, 300), event(5, 256)];
        let seqs: Vec<Vec<u64>> =
            pieces(events).iter().map(|piece| piece.iter().map(|event| event.seq.0).collect()).collect();
        assert_eq!(seqs, [vec![1, 2], vec![3], vec![4], vec![5]]);
        assert_eq!(pieces(Vec::new()), Vec::<Vec<StoredEvent>>::new());
    }
}
