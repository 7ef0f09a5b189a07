//! The live index: what is not ended, by shard. A row stands from before the append that starts or reopens a conversation
//! until after the one that ends it, and has a hint of where the conversation stands, which is sure or not
//! ([`super::derived::Change`]). Where it is not, the head is asked.

use domain::{AgentId, ConversationId, Head, Seq, TeamId, Timestamp, WorkspaceId};
use futures_util::stream::{StreamExt, TryStreamExt, iter};
use scylla::serialize::row::SerializeRow;
use uuid::Uuid;

use crate::{ConversationKey, Generation, LiveRow, StoreError};

use super::derived::{Hint, Row, SHARDS, Stamp, moment};
use super::known_heads::AT_ONCE;
use super::session::{Statement, unreadable};
use super::shared::Shared;
use super::value::{bigint, id, number, rows, state, tinyint};

/// Shards that are read at once, at most, when each has few rows.
const SHARDS_AT_ONCE: usize = 16;

/// A row that was read.
struct Entry {
    key: ConversationKey,
    is_sure: bool,
    hint: Hint,
    stamp: Stamp,
}

type HintColumns = (bool, i8, Uuid, Option<Uuid>, i64);

/// The partition of a conversation.
fn shard(conversation: ConversationId) -> u16 {
    (crc32fast::hash(conversation.uuid().as_bytes()) % u32::from(SHARDS)) as u16
}

fn live_row(key: ConversationKey, hint: Hint) -> LiveRow {
    let Hint { state, team, assignee, last_event_at } = hint;
    LiveRow { key, state, team, assignee, last_event_at }
}

impl Shared {
    /// Makes a row stand. Durable when it is answered.
    pub(super) async fn put_live(
        &self,
        key: ConversationKey,
        is_sure: bool,
        hint: Hint,
        stamp: Stamp,
    ) -> Result<(), StoreError> {
        let Hint { state, team, assignee, last_event_at } = hint;
        let columns: HintColumns = (
            is_sure,
            tinyint(state),
            team.uuid(),
            assignee.map(AgentId::uuid),
            bigint(last_event_at.as_ms()),
        );
        let (of, stamp) = (key.conversation.uuid(), stamp.number());
        let shard = shard(key.conversation) as i16;
        let values = (shard, key.workspace.uuid(), of.as_bytes().as_slice(), columns, stamp, stamp);
        Ok(self.cql.write(&self.rows.live_put, values).await?)
    }

    /// Removes a row that stands with this stamp or an older one.
    pub(super) async fn remove_live(&self, key: ConversationKey, stamp: Stamp) -> Result<(), StoreError> {
        let of = key.conversation.uuid();
        let shard = shard(key.conversation) as i16;
        let values = (stamp.number(), shard, key.workspace.uuid(), of.as_bytes().as_slice());
        Ok(self.cql.write(&self.rows.live_remove, values).await?)
    }

    /// A page of the index, by shard, workspace and conversation.
    pub(super) async fn live_page(
        &self,
        after: Option<ConversationKey>,
        limit: usize,
    ) -> Result<Vec<LiveRow>, StoreError> {
        let mut listed = Vec::new();
        let (mut next, mut after) = (after.map_or(0, |after| shard(after.conversation)), after);
        // Rows of one shard, as many as any has had so far: the more, the fewer shards fill the page.
        let mut densest = limit / SHARDS_AT_ONCE;
        while listed.len() < limit && next < SHARDS {
            let wanted = limit - listed.len();
            let at_once = (wanted / densest.max(1)).clamp(1, SHARDS_AT_ONCE);
            let shards: Vec<u16> = (next..SHARDS).take(at_once).collect();
            let pages: Vec<Vec<Entry>> = iter(shards)
                .map(|shard| self.live_entries(shard, after.filter(|_| shard == next), wanted))
                .buffered(at_once)
                .try_collect()
                .await?;
            for page in pages {
                let wanted_now = limit - listed.len();
                densest = densest.max(page.len());
                let is_last = page.len() < wanted && page.len() <= wanted_now;
                let taken: Vec<Entry> = page.into_iter().take(wanted_now).collect();
                after = taken.last().map(|entry| entry.key).or(after);
                listed.extend(self.resolved(taken).await?);
                if !is_last {
                    break;
                }
                (next, after) = (next + 1, None);
            }
        }
        Ok(listed)
    }

    async fn live_entries(
        &self,
        shard: u16,
        after: Option<ConversationKey>,
        limit: usize,
    ) -> Result<Vec<Entry>, StoreError> {
        let (workspace, conversation) = match after {
            Some(after) => (after.workspace.uuid(), after.conversation.uuid().as_bytes().to_vec()),
            None => (Uuid::nil(), Vec::new()),
        };
        let values = (shard as i16, workspace, conversation, rows(limit));
        self.read_live_entries(&self.rows.live_page, values).await
    }

    async fn read_live_entries(
        &self,
        statement: &Statement,
        values: impl SerializeRow,
    ) -> Result<Vec<Entry>, StoreError> {
        let found = self.cql.read(statement, values).await?;
        let mut entries = Vec::with_capacity(found.rows_num());
        for row in found.rows::<(Uuid, &[u8], HintColumns, i64)>().map_err(unreadable)? {
            let (workspace, conversation, hint, stamp) = row.map_err(unreadable)?;
            let (is_sure, stored, team, assignee, last_event_at) = hint;
            let conversation = ConversationId::from_uuid(id(conversation)?);
            let hint = Hint {
                state: state(stored)?,
                team: TeamId::from_uuid(team),
                assignee: assignee.map(AgentId::from_uuid),
                last_event_at: Timestamp::from_ms(number(last_event_at)?),
            };
            let key = ConversationKey { workspace: WorkspaceId::from_uuid(workspace), conversation };
            entries.push(Entry { key, is_sure, hint, stamp: Stamp::from_number(stamp) });
        }
        Ok(entries)
    }

    /// The rows as the contract has them: heads are asked where hints are not sure, and what has ended is left out.
    async fn resolved(&self, entries: Vec<Entry>) -> Result<Vec<LiveRow>, StoreError> {
        let rows = iter(entries).map(|entry| self.resolve(entry)).buffered(AT_ONCE);
        rows.try_filter_map(|row| std::future::ready(Ok(row))).try_collect().await
    }

    async fn resolve(&self, entry: Entry) -> Result<Option<LiveRow>, StoreError> {
        let Entry { key, is_sure, hint, stamp } = entry;
        if is_sure {
            return Ok(Some(live_row(key, hint)));
        }
        // Without a log there is only what was meant to be: the caller looks for the log, and removes the row.
        let Some(head) = self.stored_head(key).await? else { return Ok(Some(live_row(key, hint))) };
        let row = Hint::of(&head).map(|hint| live_row(key, hint));
        if row.is_none() && stamp.is_over(&head) {
            self.remove_live(key, stamp).await?;
        }
        Ok(row)
    }

    /// Removes the rows that a create of an earlier writer left, where there is no log.
    pub(super) async fn remove_ghost_of(
        &self,
        key: ConversationKey,
        generation: Generation,
    ) -> Result<(), StoreError> {
        let head: Option<Head> = self.stored_head(key).await?;
        if head.is_some() {
            return Ok(());
        }
        let of = key.conversation.uuid();
        let values = (shard(key.conversation) as i16, key.workspace.uuid(), of.as_bytes().as_slice());
        let Some(entry) = self.read_live_entries(&self.rows.live_get, values).await?.into_iter().next()
        else {
            return Ok(());
        };
        // Above all stamps of earlier writers, and below all of this one's.
        let stamp = Stamp::removal(generation, Seq::ZERO);
        let Hint { team, last_event_at, .. } = entry.hint;
        // A conversation joins its queue when it starts.
        for row in [Row::Open(team, moment(last_event_at)), Row::Waiting(team, last_event_at)] {
            self.remove(key, row, stamp).await?;
        }
        // Last: by it the others are found.
        self.remove_live(key, stamp).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_are_spread() {
        let mut counts = [0_u32; SHARDS as usize];
        for n in 0..256_000_u128 {
            counts[usize::from(shard(ConversationId::from_uuid(Uuid::from_u128(n << 7))))] += 1;
        }
        assert!(counts.iter().all(|count| (700..1_400).contains(count)), "{counts:?}");
    }
}
