//! After a restore of the servers: their tables may be of different moments, so what leads to a conversation may be older than
//! the conversation. Makes all of that anew from what the segments and the homes hold.

use std::collections::BTreeSet;

use domain::{ConversationId, Head, Seq, WorkspaceId};
use futures_util::stream::{StreamExt, TryStreamExt, iter};
use uuid::Uuid;

use crate::lanes::segments::{Registered, SegmentId, Segments, StoredGroup};
use crate::{ConversationKey, GROUP_MAX, Generation, Incarnation, LaneId, PAGE_MAX, StoreError};

use super::OpenError;
use super::derived::{Hint, Stamp, rows};
use super::session::{Statement, Way, unreadable};
use super::shared::{CqlStore, Shared};
use super::value::number;

/// Segments and conversations of one page.
const PAGE: usize = 200;
/// Conversations that are put right at once.
const AT_ONCE: usize = 8;
/// Rows of a journal that are read at a time.
const JOURNAL_ROWS: usize = 64;
/// Logs with a hole that are named.
const HOLES_MAX: usize = 20;

/// What [`CqlStore::repair`] did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Repaired {
    /// Segments whose events were brought to their conversations.
    pub segments: u64,
    /// Conversations that lists lead to again.
    pub conversations: u64,
    /// Logs that lack events in their middle, in words: the backup does not have them. At most 20.
    pub holes: Vec<String>,
}

/// What it asks beyond what the store asks anyway.
struct Questions {
    segments: Statement,
    /// All conversations, once everything is at home.
    homes: Statement,
}

impl CqlStore {
    /// Brings the events of all segments home, and puts the rows by which lists find conversations. The caller is the newest
    /// boot, and the one that writes: `mine`, of this `generation`; all others are sealed. It may be called again.
    ///
    /// # Errors
    ///
    /// [`StoreError`]: some of it is not done, and the caller repairs again.
    pub async fn repair(&self, mine: Incarnation, generation: Generation) -> Result<Repaired, StoreError> {
        let shared = &*self.shared;
        let questions =
            Questions::prepare(shared).await.map_err(|error| StoreError::Unavailable(error.to_string()))?;
        let mut repaired = Repaired::default();
        let mut found = Vec::new();
        let mut after = None;
        loop {
            let (rows, next) = shared.cql.page(&questions.segments, after, PAGE).await?;
            for row in rows.rows::<(Uuid, i8, i64)>().map_err(unreadable)? {
                let (incarnation, lane, segment) = row.map_err(unreadable)?;
                let lane = LaneId { incarnation: Incarnation(incarnation), lane: lane as u8 };
                found.push(SegmentId { lane, segment: number(segment)? });
            }
            after = next;
            if after.is_none() {
                break;
            }
        }
        found.retain(|segment| segment.lane.incarnation != mine);
        found.sort();
        shared.seal_all(&found).await?;
        for segment in found {
            repaired.segments += u64::from(shared.bring_home(segment).await?);
        }
        shared.lead_to(&questions.homes, generation, &mut repaired).await?;
        repaired.holes.truncate(HOLES_MAX);
        Ok(repaired)
    }
}

impl Questions {
    async fn prepare(shared: &Shared) -> Result<Self, OpenError> {
        let prepare = async |name, text: &str| shared.cql.prepare(name, Way::Read, text).await;
        Ok(Self {
            segments: prepare("repair_segments", "SELECT DISTINCT incarnation, lane, segment FROM log")
                .await?,
            homes: prepare("repair_homes", "SELECT DISTINCT workspace, conversation FROM home").await?,
        })
    }
}

impl Shared {
    /// Makes all these segments known, and seals their lanes.
    async fn seal_all(&self, found: &[SegmentId]) -> Result<(), StoreError> {
        let mut boots = BTreeSet::new();
        for &segment in found {
            if self.segments.state(segment).await?.position.is_some() {
                self.segments.register(Registered { segment, sealed_at_ms: None, is_home: false }).await?;
                boots.insert(segment.lane.incarnation);
            }
        }
        for boot in boots {
            self.lanes.seal(boot).await?;
        }
        Ok(())
    }

    /// Copies what a segment holds into the conversations' homes; whether it holds anything. What was there already stays as
    /// it is: an event is the same wherever it is read.
    async fn bring_home(&self, segment: SegmentId) -> Result<bool, StoreError> {
        let (mut keys, mut next) = (BTreeSet::new(), 0);
        loop {
            let journal = self.segments.journal(segment, next, JOURNAL_ROWS).await?;
            let Some((last, _)) = journal.last() else { break };
            next = last + 1;
            keys.extend(journal.into_iter().flat_map(|(_, entries)| entries).map(|entry| entry.key));
        }
        let held = !keys.is_empty();
        let brought = iter(keys).map(|key| self.bring_one_home(segment, key)).buffer_unordered(AT_ONCE);
        brought.try_collect::<()>().await?;
        Ok(held)
    }

    async fn bring_one_home(&self, segment: SegmentId, key: ConversationKey) -> Result<(), StoreError> {
        let Some(head) = self.segments.head(segment, key).await? else { return Ok(()) };
        let mut after = Seq::ZERO;
        loop {
            let events = self.segments.slice(segment, key, after, GROUP_MAX).await?;
            let Some(last) = events.last() else { return Ok(()) };
            after = last.seq;
            self.segments.put_home(&StoredGroup { key, events, head: head.head.clone() }).await?;
        }
    }

    /// Puts the rows of all conversations that a statement names.
    async fn lead_to(
        &self,
        statement: &Statement,
        generation: Generation,
        repaired: &mut Repaired,
    ) -> Result<(), StoreError> {
        let mut after = None;
        loop {
            let (found, next) = self.cql.page(statement, after, PAGE).await?;
            let mut keys = Vec::with_capacity(found.rows_num());
            for row in found.rows::<(Uuid, Uuid)>().map_err(unreadable)? {
                let (workspace, conversation) = row.map_err(unreadable)?;
                keys.push(ConversationKey {
                    workspace: WorkspaceId::from_uuid(workspace),
                    conversation: ConversationId::from_uuid(conversation),
                });
            }
            let led: Vec<Option<Option<String>>> = iter(keys)
                .map(|key| self.lead_to_one(key, generation))
                .buffered(AT_ONCE)
                .try_collect()
                .await?;
            for hole in led.into_iter().flatten() {
                repaired.conversations += 1;
                repaired.holes.extend(hole);
            }
            after = next;
            if after.is_none() {
                return Ok(());
            }
        }
    }

    /// Puts the rows of a conversation, and says what its log lacks; none: there is no such conversation.
    async fn lead_to_one(
        &self,
        key: ConversationKey,
        generation: Generation,
    ) -> Result<Option<Option<String>>, StoreError> {
        let Some(head) = self.stored_head(key).await? else { return Ok(None) };
        let put = Stamp::put(generation, head.last_seq);
        for row in rows(&head) {
            self.put(key, row, put).await?;
        }
        if let Some(hint) = Hint::of(&head) {
            self.put_live(key, false, hint, Stamp::removal(generation, head.last_seq)).await?;
        }
        Ok(Some(self.hole(key, &head).await?))
    }

    async fn hole(&self, key: ConversationKey, head: &Head) -> Result<Option<String>, StoreError> {
        let mut after = Seq::ZERO;
        while after < head.last_seq {
            match self.lanes.read(key, after, PAGE_MAX).await {
                Ok(events) => match events.last() {
                    Some(last) => after = last.seq,
                    None => break,
                },
                Err(StoreError::Corrupt(_)) => break,
                Err(error) => return Err(error),
            }
        }
        let lacks = after < head.last_seq;
        let (conversation, next, last) = (key.conversation, after.0 + 1, head.last_seq.0);
        Ok(lacks.then(|| format!("{conversation} has events up to {last}, and lacks {next}")))
    }
}
