//! What is true in a schedule, and what went wrong in it.

use std::collections::{BTreeMap, BTreeSet};

use domain::Seq;

use crate::{ConversationKey, StoreError};

use super::super::segments::{SegmentId, StoredEvent, StoredGroup, StoredHead};

/// The logs as they were written, acknowledged and erased.
#[derive(Default)]
pub(super) struct Truth {
    /// Each event, and the lane that it went through.
    pub(super) written: BTreeMap<(ConversationKey, Seq), (Vec<u8>, SegmentId)>,
    last: BTreeMap<ConversationKey, Seq>,
    acknowledged: BTreeMap<ConversationKey, Seq>,
    /// Events that were said not to be written.
    refused: BTreeSet<Vec<u8>>,
    pub(super) erasing: BTreeSet<ConversationKey>,
    pub(super) erased: BTreeSet<ConversationKey>,
    pub(super) faults: Vec<String>,
    /// What never came to its end, in calm weather.
    pub(super) stuck: Vec<String>,
}

/// What a reader knows before it reads.
#[derive(Clone, Copy, Debug)]
pub(super) struct Before {
    pub(super) acknowledged: Seq,
    is_erased: bool,
}

impl Truth {
    pub(super) fn fault(&mut self, what: String) {
        self.faults.push(what);
    }

    /// A batch was done.
    pub(super) fn written(&mut self, segment: SegmentId, groups: &[StoredGroup]) {
        for group in groups {
            for event in &group.events {
                let place = (group.key, event.seq);
                if self.refused.contains(&event.body) {
                    self.fault(format!(
                        "{place:?} was said not to be written, and is written in {segment:?}"
                    ));
                }
                let last = self.last.get(&group.key).copied().unwrap_or(Seq::ZERO);
                if let Some((body, other)) = self.written.get(&place) {
                    let what = if *body == event.body { "twice" } else { "as two events" };
                    let fault = format!("{place:?} is written {what}, in {other:?} and {segment:?}");
                    self.fault(fault);
                } else if event.seq != last.next() {
                    self.fault(format!("{place:?} is written behind {last:?}"));
                }
                self.written.insert(place, (event.body.clone(), segment));
                self.last.insert(group.key, event.seq);
            }
        }
    }

    /// The writer heard that its group is durable.
    pub(super) fn acknowledged(&mut self, key: ConversationKey, events: &[StoredEvent]) {
        for event in events {
            let place = (key, event.seq);
            if self.written.get(&place).is_none_or(|(body, _)| *body != event.body) {
                self.fault(format!("{place:?} was acknowledged and is not written"));
            }
            let last = self.acknowledged.entry(key).or_insert(Seq::ZERO);
            *last = event.seq.max(*last);
        }
    }

    /// The writer heard that nothing of its group is written.
    pub(super) fn refused(&mut self, key: ConversationKey, events: &[StoredEvent]) {
        for event in events {
            let place = (key, event.seq);
            if self.written.get(&place).is_some_and(|(body, _)| *body == event.body) {
                self.fault(format!("{place:?} was said not to be written, and is written"));
            }
            self.refused.insert(event.body.clone());
        }
    }

    pub(super) fn before(&self, key: ConversationKey) -> Before {
        Before {
            acknowledged: self.acknowledged.get(&key).copied().unwrap_or(Seq::ZERO),
            is_erased: self.erased.contains(&key),
        }
    }

    /// Holds a page of a log, which must reach from `first` to `last` at least, against what was known before it was read.
    pub(super) fn check_page(
        &mut self,
        key: ConversationKey,
        what: &str,
        before: Before,
        (first, last): (Option<Seq>, Seq),
        page: &Result<Vec<StoredEvent>, StoreError>,
    ) {
        let events = match page {
            Ok(events) => events,
            Err(StoreError::Unavailable(_) | StoreError::StorageFull) => return,
            // While it is erased it has holes.
            Err(StoreError::Corrupt(_)) if self.erasing.contains(&key) => return,
            Err(error @ StoreError::Corrupt(_)) => return self.fault(format!("{what} of {key:?}: {error}")),
        };
        if self.erasing.contains(&key) {
            if before.is_erased && !events.is_empty() {
                self.fault(format!("{what} of {key:?} finds what is erased: {events:?}"));
            }
            return;
        }
        for event in events {
            if self.written.get(&(key, event.seq)).is_none_or(|(body, _)| *body != event.body) {
                self.fault(format!("{what} of {key:?} finds {event:?}, which is not written"));
            }
        }
        let is_dense = events.windows(2).all(|pair| pair[1].seq == pair[0].seq.next());
        let begins = first.is_none_or(|first| events.first().is_none_or(|event| event.seq == first));
        let reaches = last == Seq::ZERO || events.last().is_some_and(|event| event.seq >= last);
        if !is_dense || !begins || !reaches {
            let seqs: Vec<u64> = events.iter().map(|event| event.seq.0).collect();
            self.fault(format!("{what} of {key:?} with {before:?}, from {first:?} to {last:?}: {seqs:?}"));
        }
    }

    /// Holds a head against what was known before it was read.
    pub(super) fn check_head(
        &mut self,
        key: ConversationKey,
        before: Before,
        head: &Result<Option<StoredHead>, StoreError>,
    ) {
        let Ok(head) = head else { return };
        if self.erasing.contains(&key) {
            if before.is_erased && head.is_some() {
                self.fault(format!("the head of {key:?}, which is erased: {head:?}"));
            }
            return;
        }
        let is_true = match head {
            None => before.acknowledged == Seq::ZERO,
            Some(StoredHead { last, head }) => {
                *last >= before.acknowledged
                    && self.written.get(&(key, *last)).is_some_and(|(body, _)| body == head)
            }
        };
        if !is_true {
            self.fault(format!("the head of {key:?} with {before:?}: {head:?}"));
        }
    }

    pub(super) fn last(&self, key: ConversationKey) -> Seq {
        self.last.get(&key).copied().unwrap_or(Seq::ZERO)
    }
}
