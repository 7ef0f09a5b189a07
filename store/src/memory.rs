//! A store that forgets: logs, heads, records and series in memory, for tests of the layers above.
//!
//! It keeps the contracts to the letter (the conformance suite runs on it) and nothing else: no bound, no durability.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::ops::Bound;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use domain::{Event, Head, Marks, Seq, State as Standing, Unread, WorkspaceId};
use tokio::sync::Notify;

use crate::heads::Reading;
use crate::log::{InFlight, check_group};
use crate::{
    Append, ConversationKey, EntryPosition, EventLog, Group, HeadFilter, HeadPosition, HeadView, Heads,
    Incarnation, JournalEntry, JournalError, JournalPage, JournalPosition, JournalRest, LaneId, Lanes,
    LanesEnd, ListedHead, LiveRow, OpenLanesError, PAGE_MAX, SeriesKey, StoreError,
};

mod records;
mod series;

pub use records::MemoryRecords;

/// Logs, heads and series in memory.
#[derive(Debug, Default)]
pub struct MemoryStore {
    shared: Arc<Shared>,
    entries: Mutex<BTreeMap<(SeriesKey, EntryPosition), Vec<u8>>>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    in_flight: InFlight,
    /// Somebody sealed lanes.
    sealing: Notify,
}

#[derive(Debug, Default)]
struct State {
    logs: BTreeMap<ConversationKey, Log>,
    lanes: BTreeMap<Incarnation, Lane>,
}

#[derive(Debug)]
struct Log {
    events: Vec<Event>,
    head: Head,
}

/// What was appended through a boot's one lane, in that order, and whether it is over.
#[derive(Debug, Default)]
struct Lane {
    journal: Vec<JournalEntry>,
    sealed: bool,
}

impl MemoryStore {
    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state()
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody panics while holding it")
    }

    fn seal(&self, incarnation: Incarnation) {
        self.state().lanes.entry(incarnation).or_default().sealed = true;
        self.sealing.notify_waiters();
    }
}

struct MemoryLanes {
    incarnation: Incarnation,
    shared: Arc<Shared>,
    closed: AtomicBool,
}

impl MemoryLanes {
    fn is_sealed(&self) -> bool {
        self.shared.state().lanes.get(&self.incarnation).is_none_or(|lane| lane.sealed)
    }
}

#[async_trait]
impl Lanes for MemoryLanes {
    fn incarnation(&self) -> Incarnation {
        self.incarnation
    }

    async fn append(&self, group: Group<'_>) -> Result<Append, StoreError> {
        check_group(&group);
        let Group { key, before, events, head, .. } = group;
        let _on_its_way = self.shared.in_flight.begin(key).await;
        let mut guard = self.shared.state();
        let state = &mut *guard;
        let lane = state.lanes.entry(self.incarnation).or_default();
        if lane.sealed {
            return Ok(Append::Fenced);
        }
        let tail = before.map_or(Seq::ZERO, |before| before.last_seq);
        let stored = state.logs.get_mut(&key);
        let stored_tail = stored.as_ref().map_or(Seq::ZERO, |log| log.head.last_seq);
        if stored_tail != tail {
            // Nobody else is to find the lock poisoned.
            drop(guard);
            panic!("the one writer of {key:?} appends after {tail:?}, and its log has {stored_tail:?}");
        }
        match stored {
            None => drop(state.logs.insert(key, Log { events: events.to_vec(), head: head.clone() })),
            Some(log) => {
                log.events.extend_from_slice(events);
                let Reading { read, unread } = Reading::of(&log.head).appended(Reading::of(head));
                log.head = Head { read, unread, ..head.clone() };
            }
        }
        lane.journal.push(JournalEntry { key, first: tail.next(), last: head.last_seq });
        Ok(Append::Applied)
    }

    async fn settled(&self, key: ConversationKey) {
        self.shared.in_flight.settled(key).await;
    }

    async fn confirm(&self) -> Result<bool, StoreError> {
        Ok(!self.is_sealed())
    }

    async fn ended(&self) -> LanesEnd {
        loop {
            let mut sealing = pin!(self.shared.sealing.notified());
            sealing.as_mut().enable();
            if self.is_sealed() && !self.closed.load(Ordering::Relaxed) {
                return LanesEnd::Sealed;
            }
            sealing.await;
        }
    }

    async fn close(&self) -> Result<(), StoreError> {
        self.closed.store(true, Ordering::Relaxed);
        self.shared.seal(self.incarnation);
        Ok(())
    }
}

#[async_trait]
impl EventLog for MemoryStore {
    async fn open(&self, incarnation: Incarnation) -> Result<Arc<dyn Lanes>, OpenLanesError> {
        if self.state().lanes.entry(incarnation).or_default().sealed {
            return Err(OpenLanesError::Sealed);
        }
        let shared = Arc::clone(&self.shared);
        Ok(Arc::new(MemoryLanes { incarnation, shared, closed: AtomicBool::new(false) }))
    }

    async fn seal(&self, incarnation: Incarnation) -> Result<(), StoreError> {
        self.shared.seal(incarnation);
        Ok(())
    }

    async fn read(&self, key: ConversationKey, after: Seq, limit: usize) -> Result<Vec<Event>, StoreError> {
        let logs = &self.state().logs;
        let events = logs.get(&key).map_or(&[][..], |log| &log.events);
        Ok(events.iter().filter(|event| event.seq > after).take(limit.min(PAGE_MAX)).cloned().collect())
    }

    async fn read_before(
        &self,
        key: ConversationKey,
        before: Seq,
        limit: usize,
    ) -> Result<Vec<Event>, StoreError> {
        let logs = &self.state().logs;
        let events = logs.get(&key).map_or(&[][..], |log| &log.events);
        let end = events.partition_point(|event| event.seq < before);
        let start = end.saturating_sub(limit.min(PAGE_MAX));
        Ok(events[start..end].to_vec())
    }

    async fn lanes(&self) -> Result<Vec<LaneId>, StoreError> {
        let lane = |&incarnation: &Incarnation| LaneId { incarnation, lane: 0 };
        Ok(self.state().lanes.keys().map(lane).collect())
    }

    async fn journal(
        &self,
        lane: LaneId,
        after: JournalPosition,
        limit: usize,
    ) -> Result<JournalPage, JournalError> {
        let state = self.state();
        let lane =
            state.lanes.get(&lane.incarnation).filter(|_| lane.lane == 0).ok_or(JournalError::Trimmed)?;
        let read = usize::try_from(after.position).unwrap_or(usize::MAX);
        let behind = lane.journal.get(read..).filter(|_| after.segment == 0).ok_or(JournalError::Trimmed)?;
        let entries = behind[..behind.len().min(limit.min(PAGE_MAX))].to_vec();
        let rest = match (entries.len() < behind.len(), lane.sealed) {
            (true, _) => JournalRest::More,
            (false, true) => JournalRest::Ended,
            (false, false) => JournalRest::Later,
        };
        let position = after.position + entries.len() as u64;
        Ok(JournalPage { entries, next: JournalPosition { segment: 0, position }, rest })
    }
}

#[async_trait]
impl Heads for MemoryStore {
    async fn get(&self, key: ConversationKey) -> Result<Option<Head>, StoreError> {
        Ok(self.state().logs.get(&key).map(|log| log.head.clone()))
    }

    async fn mark(
        &self,
        key: ConversationKey,
        marks: Marks,
        unread: Unread,
        _as_of: Seq,
    ) -> Result<(), StoreError> {
        if let Some(log) = self.state().logs.get_mut(&key) {
            let Reading { read, unread } = Reading::of(&log.head).marked(Reading { read: marks, unread });
            log.head.read = read;
            log.head.unread = unread;
        }
        Ok(())
    }

    async fn list(
        &self,
        workspace: WorkspaceId,
        view: &HeadView,
        filter: &HeadFilter,
        after: Option<HeadPosition>,
        limit: usize,
    ) -> Result<Vec<ListedHead>, StoreError> {
        let logs = &self.state().logs;
        let mut rows: Vec<ListedHead> = logs
            .iter()
            .filter(|(key, log)| key.workspace == workspace && filter.passes(&log.head))
            .filter_map(|(key, log)| {
                let (at, conversation) = (view.time_of(&log.head)?, key.conversation);
                let position = HeadPosition { at, conversation };
                Some(ListedHead { conversation, head: log.head.clone(), position })
            })
            .collect();
        let order = |position: HeadPosition| (position.at, position.conversation);
        let oldest_first = matches!(view, HeadView::Queue(_));
        if oldest_first {
            rows.sort_by_key(|row| order(row.position));
        } else {
            rows.sort_by_key(|row| Reverse(order(row.position)));
        }
        let behind = |position: HeadPosition| match after {
            None => true,
            Some(after) if oldest_first => order(position) > order(after),
            Some(after) => order(position) < order(after),
        };
        rows.retain(|row| behind(row.position));
        rows.truncate(limit);
        Ok(rows)
    }

    async fn live(&self, after: Option<ConversationKey>, limit: usize) -> Result<Vec<LiveRow>, StoreError> {
        let row = |(key, log): (&ConversationKey, &Log)| LiveRow {
            key: *key,
            state: log.head.state,
            team: log.head.team,
            assignee: log.head.assignee.as_ref().map(|agent| agent.id),
            last_event_at: log.head.last_event_at,
        };
        let logs = &self.state().logs;
        let behind = after.map_or(Bound::Unbounded, Bound::Excluded);
        let open = logs.range((behind, Bound::Unbounded)).map(row).filter(|row| row.state != Standing::Ended);
        Ok(open.take(limit).collect())
    }
}
