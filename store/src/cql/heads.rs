//! Heads, which lie beside their logs' events, and read marks beside them.

use async_trait::async_trait;
use domain::{Head, Marks, Seq, TeamId, Unread, WorkspaceId};

use crate::{
    ConversationKey, Generation, HeadFilter, HeadPosition, HeadView, Heads, ListedHead, LiveRow, StoreError,
    envelope,
};

use super::lists::Page;
use super::session::{Statement, unreadable};
use super::shared::Shared;
use super::value::{bigint, ids, number, rows};

/// A side's mark as it is kept beside the log, and the last event that its count knew.
#[derive(Clone, Copy, Debug, Default)]
struct Mark {
    seq: Seq,
    unread: u32,
    of: Seq,
}

impl Mark {
    fn read(seq: Option<i64>, unread: Option<i32>, of: Option<i64>) -> Result<Self, StoreError> {
        Ok(Self {
            seq: Seq(number(seq.unwrap_or(0))?),
            unread: u32::try_from(unread.unwrap_or(0)).unwrap_or(0),
            of: Seq(number(of.unwrap_or(0))?),
        })
    }

    /// The side's mark and count together with those of a head of `last_seq`: the higher mark, and the count that knew more.
    fn over(self, last_seq: Seq, seq: Seq, unread: u32) -> (Seq, u32) {
        let knew_more = self.seq >= seq && self.of >= last_seq;
        (self.seq.max(seq), if knew_more { self.unread } else { unread })
    }
}

impl Shared {
    async fn marks(&self, key: ConversationKey) -> Result<[Mark; 2], StoreError> {
        type Columns = (Option<i64>, Option<i32>, Option<i64>, Option<i64>, Option<i32>, Option<i64>);
        let rows = self.cql.read(&self.marks.read, ids(key)).await?;
        let row = rows.maybe_first_row::<Columns>().map_err(unreadable)?;
        let (visitor, visitor_unread, visitor_of, agent, agent_unread, agent_of) = row.unwrap_or_default();
        Ok([Mark::read(visitor, visitor_unread, visitor_of)?, Mark::read(agent, agent_unread, agent_of)?])
    }

    /// The head as it was written with the last event, without the marks beside it.
    pub(super) async fn stored_head(&self, key: ConversationKey) -> Result<Option<Head>, StoreError> {
        let stored = self.lanes.head(key).await?;
        stored.map(|stored| envelope::open(&stored.head)).transpose()
    }

    pub(super) async fn head(&self, key: ConversationKey) -> Result<Option<Head>, StoreError> {
        let (head, marks) = tokio::try_join!(self.stored_head(key), self.marks(key))?;
        let Some(head) = head else { return Ok(None) };
        let [visitor, agent] = marks;
        let (visitor, visitor_unread) = visitor.over(head.last_seq, head.read.visitor, head.unread.visitor);
        let (agent, agent_unread) = agent.over(head.last_seq, head.read.agent, head.unread.agent);
        let read = Marks { visitor, agent };
        let unread = Unread { visitor: visitor_unread, agent: agent_unread };
        Ok(Some(Head { read, unread, ..head }))
    }
}

#[async_trait]
impl Heads for Shared {
    async fn get(&self, key: ConversationKey) -> Result<Option<Head>, StoreError> {
        self.head(key).await
    }

    async fn mark(
        &self,
        key: ConversationKey,
        marks: Marks,
        unread: Unread,
        as_of: Seq,
    ) -> Result<(), StoreError> {
        let (workspace, conversation) = ids(key);
        let side = async |statement: &Statement, mark: Seq, unread: u32| {
            if mark == Seq::ZERO {
                return Ok(());
            }
            let (mark, unread) = (bigint(mark.0), i32::try_from(unread).unwrap_or(i32::MAX));
            // The mark is its own time stamp: a lower one never wins.
            let values = (mark, mark, unread, bigint(as_of.0), workspace, conversation);
            Ok(self.cql.write(statement, values).await?)
        };
        let marked = tokio::try_join!(
            side(&self.marks.mark_visitor, marks.visitor, unread.visitor),
            side(&self.marks.mark_agent, marks.agent, unread.agent),
        );
        self.known_heads.forget(key);
        marked.map(drop)
    }

    async fn list(
        &self,
        workspace: WorkspaceId,
        view: &HeadView,
        filter: &HeadFilter,
        after: Option<HeadPosition>,
        limit: usize,
    ) -> Result<Vec<ListedHead>, StoreError> {
        self.list_page(&Page { workspace, view, filter, after, limit }).await
    }

    async fn queue_reaches(
        &self,
        workspace: WorkspaceId,
        team: TeamId,
        count: usize,
    ) -> Result<bool, StoreError> {
        let values = (workspace.uuid(), team.uuid(), -1_i64, [0_u8; 0].as_slice(), rows(count));
        let found = self.cql.read(&self.rows.waiting.read, values).await?;
        if found.rows_num() < count {
            return Ok(false);
        }
        // Some of them may be over: the heads decide.
        let (view, filter) = (HeadView::Queue(Some(vec![team])), HeadFilter::default());
        Ok(self.list(workspace, &view, &filter, None, count).await?.len() >= count)
    }

    async fn live(&self, after: Option<ConversationKey>, limit: usize) -> Result<Vec<LiveRow>, StoreError> {
        self.live_page(after, limit).await
    }

    async fn remove_ghost(&self, key: ConversationKey, generation: Generation) -> Result<(), StoreError> {
        self.remove_ghost_of(key, generation).await
    }
}
