//! A store that forgets: logs, heads, records and series in memory, for tests of the layers above.
//!
//! It keeps the contracts to the letter (the conformance suite runs on it) and nothing else: no bound, no durability.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard};

use async_trait::async_trait;
use domain::{Event, Head, Marks, Seq, State, Unread, WorkspaceId};
use uuid::Uuid;

use crate::heads::Reading;
use crate::log::check_group;
use crate::{
    Append, Claim, ClaimError, ClaimToken, ConversationKey, Created, EntryPosition, Epoch, EventLog,
    FeedEntry, HeadFilter, HeadPosition, HeadView, Heads, ListedHead, LiveRow, Owner, PAGE_MAX, Peek,
    SeriesKey, StoreError,
};

mod records;
mod series;

pub use records::MemoryRecords;

/// Logs, heads and series in memory.
#[derive(Debug, Default)]
pub struct MemoryStore {
    logs: Mutex<BTreeMap<ConversationKey, Log>>,
    /// What was appended, in that order. Locked while the logs are.
    grown: Mutex<Vec<(WorkspaceId, FeedEntry)>>,
    entries: Mutex<BTreeMap<(SeriesKey, EntryPosition), Vec<u8>>>,
}

#[derive(Debug)]
struct Log {
    epoch: Epoch,
    token: ClaimToken,
    owner: Owner,
    events: Vec<Event>,
    head: Head,
}

impl Log {
    fn last_seq(&self) -> Seq {
        Seq(self.events.len() as u64)
    }

    fn claim(&self, key: ConversationKey) -> Claim {
        Claim { key, token: self.token, epoch: self.epoch, last_seq: self.last_seq() }
    }
}

impl MemoryStore {
    fn logs(&self) -> MutexGuard<'_, BTreeMap<ConversationKey, Log>> {
        self.logs.lock().expect("nobody panics while holding it")
    }

    fn tell(&self, key: ConversationKey, first: Seq, last: Seq) {
        let entry = FeedEntry { conversation: key.conversation, first, last };
        self.grown.lock().expect("nobody panics while holding it").push((key.workspace, entry));
    }
}

#[async_trait]
impl EventLog for MemoryStore {
    async fn create(
        &self,
        key: ConversationKey,
        owner: &Owner,
        events: &[Event],
        head: &Head,
    ) -> Result<Created, StoreError> {
        check_group(Seq::ZERO, events, head);
        let mut logs = self.logs();
        if logs.contains_key(&key) {
            return Ok(Created::Exists);
        }
        let log = Log {
            epoch: Epoch(1),
            token: ClaimToken(Uuid::new_v4()),
            owner: owner.clone(),
            events: events.to_vec(),
            head: head.clone(),
        };
        let claim = log.claim(key);
        self.tell(key, Seq(1), log.last_seq());
        logs.insert(key, log);
        Ok(Created::New(claim))
    }

    async fn peek(&self, key: ConversationKey) -> Result<Option<Peek>, StoreError> {
        let peek = |log: &Log| Peek { epoch: log.epoch, owner: log.owner.clone(), last_seq: log.last_seq() };
        Ok(self.logs().get(&key).map(peek))
    }

    async fn claim(
        &self,
        key: ConversationKey,
        owner: &Owner,
        expected: Option<ClaimToken>,
    ) -> Result<Claim, ClaimError> {
        let mut logs = self.logs();
        let log = logs.get_mut(&key).ok_or(ClaimError::Missing)?;
        if expected.is_some_and(|expected| expected != log.token) {
            return Err(ClaimError::Lost);
        }
        log.epoch = Epoch(log.epoch.0 + 1);
        log.token = ClaimToken(Uuid::new_v4());
        log.owner = owner.clone();
        Ok(log.claim(key))
    }

    async fn append(
        &self,
        claim: &Claim,
        tail: Seq,
        events: &[Event],
        head: &Head,
    ) -> Result<Append, StoreError> {
        check_group(tail, events, head);
        let mut logs = self.logs();
        let Some(log) = logs.get_mut(&claim.key) else {
            return Err(StoreError::Corrupt("a claimed log is not there".into()));
        };
        if log.token != claim.token || log.last_seq() != tail {
            return Ok(Append::Fenced { epoch: log.epoch, owner: log.owner.clone() });
        }
        log.events.extend_from_slice(events);
        self.tell(claim.key, tail.next(), log.last_seq());
        let Reading { read, unread } = Reading::of(&log.head).appended(Reading::of(head));
        log.head = Head { read, unread, ..head.clone() };
        Ok(Append::Applied)
    }

    async fn read(&self, key: ConversationKey, after: Seq, limit: usize) -> Result<Vec<Event>, StoreError> {
        let logs = self.logs();
        let events = logs.get(&key).map_or(&[][..], |log| &log.events);
        Ok(events.iter().filter(|event| event.seq > after).take(limit.min(PAGE_MAX)).cloned().collect())
    }

    async fn read_before(
        &self,
        key: ConversationKey,
        before: Seq,
        limit: usize,
    ) -> Result<Vec<Event>, StoreError> {
        let logs = self.logs();
        let events = logs.get(&key).map_or(&[][..], |log| &log.events);
        let end = events.partition_point(|event| event.seq < before);
        let start = end.saturating_sub(limit.min(PAGE_MAX));
        Ok(events[start..end].to_vec())
    }

    async fn passivate(&self, claim: Claim) -> Result<(), StoreError> {
        if let Some(log) = self.logs().get_mut(&claim.key)
            && log.token == claim.token
        {
            log.owner = Owner(String::new());
        }
        Ok(())
    }
}

#[async_trait]
impl Heads for MemoryStore {
    async fn get(&self, key: ConversationKey) -> Result<Option<Head>, StoreError> {
        Ok(self.logs().get(&key).map(|log| log.head.clone()))
    }

    async fn mark(
        &self,
        key: ConversationKey,
        marks: Marks,
        unread: Unread,
        _as_of: Seq,
    ) -> Result<(), StoreError> {
        if let Some(log) = self.logs().get_mut(&key) {
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
        let logs = self.logs();
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
        let logs = self.logs();
        let behind = after.map_or(Bound::Unbounded, Bound::Excluded);
        let open = logs.range((behind, Bound::Unbounded)).map(row).filter(|row| row.state != State::Ended);
        Ok(open.take(limit).collect())
    }
}
