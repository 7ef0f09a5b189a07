//! Heads: one row a conversation, derived from its log, for lists and for reading a conversation without its events.

use async_trait::async_trait;
use domain::{AgentId, ConversationId, Head, Line, Marks, TeamId, Timestamp, Unread, VisitorId, WorkspaceId};

use crate::{ConversationKey, StoreError};

/// A list of conversations and its order. Ties are broken by the conversation's id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeadView {
    /// A visitor's own, newest `created_at` first.
    OfVisitor(VisitorId),
    /// Assigned to this agent and not ended, newest `last_event_at` first.
    HeldBy(AgentId),
    /// Not ended, newest `last_event_at` first; of these teams, or of all.
    Open(Option<Vec<TeamId>>),
    /// Queued, oldest `queued_at` first; of these teams, or of all.
    Queue(Option<Vec<TeamId>>),
    /// Ended, newest `ended_at` first; of these teams or last held by this agent, or all.
    Ended(Option<(Vec<TeamId>, AgentId)>),
}

/// What a list leaves out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeadFilter {
    /// Only this team's.
    pub team: Option<TeamId>,
    /// Only those this agent has, or had last.
    pub assignee: Option<AgentId>,
    /// Only those with this tag.
    pub tag: Option<Line<40>>,
}

/// Where a page ends and the next begins: the ordering time of a row, and its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadPosition {
    /// The time that the view orders by.
    pub at: Timestamp,
    /// Breaks ties.
    pub conversation: ConversationId,
}

/// A row of a list.
#[derive(Clone, Debug, PartialEq)]
pub struct ListedHead {
    /// Names the conversation.
    pub conversation: ConversationId,
    /// As of its last event and marks.
    pub head: Head,
    /// To go on after it.
    pub position: HeadPosition,
}

/// Rows derived from logs. [`crate::EventLog::create`] and [`crate::EventLog::append`] write them; only read marks are
/// written here.
#[async_trait]
pub trait Heads: Send + Sync + 'static {
    /// The row; none when there is no such conversation. Never behind what was acknowledged before the call.
    async fn get(&self, key: ConversationKey) -> Result<Option<Head>, StoreError>;

    /// Raises the read marks; a mark never falls, whatever is given. `unread` counts by these marks.
    async fn mark(&self, key: ConversationKey, marks: Marks, unread: Unread) -> Result<(), StoreError>;

    /// A page of a list, after `after`, at most `limit` rows. At most one second behind.
    async fn list(
        &self,
        workspace: WorkspaceId,
        view: &HeadView,
        filter: &HeadFilter,
        after: Option<HeadPosition>,
        limit: usize,
    ) -> Result<Vec<ListedHead>, StoreError>;
}
