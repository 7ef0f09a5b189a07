//! Heads: one row a conversation, derived from its log, for lists and for reading a conversation without its events.

use async_trait::async_trait;
use domain::{
    AgentId, ConversationId, Head, Marks, Seq, State, Tag, TeamId, Timestamp, Unread, VisitorId, WorkspaceId,
};

use crate::{ConversationKey, Generation, StoreError};

/// A list of conversations and its order. Ties are broken by the conversation's id, in the same direction: where the
/// newest time comes first, so does the greatest id.
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

impl HeadView {
    /// The time by which the view orders a conversation; none when the view does not show it.
    pub fn time_of(&self, head: &Head) -> Option<Timestamp> {
        let assignee = head.assignee.as_ref().map(|agent| agent.id);
        let of = |teams: &Option<Vec<TeamId>>| teams.as_ref().is_none_or(|teams| teams.contains(&head.team));
        match self {
            HeadView::OfVisitor(visitor) => (head.visitor.id == *visitor).then_some(head.created_at),
            HeadView::HeldBy(agent) => {
                (head.state == State::Assigned && assignee == Some(*agent)).then_some(head.last_event_at)
            }
            HeadView::Open(teams) => (head.state != State::Ended && of(teams)).then_some(head.last_event_at),
            HeadView::Queue(teams) => (head.state == State::Queued && of(teams)).then_some(head.queued_at),
            HeadView::Ended(whose) => {
                let seen = whose
                    .as_ref()
                    .is_none_or(|(teams, agent)| teams.contains(&head.team) || assignee == Some(*agent));
                head.ended_at.filter(|_| head.state == State::Ended && seen)
            }
        }
    }
}

/// What a list leaves out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeadFilter {
    /// Only this team's.
    pub team: Option<TeamId>,
    /// Only those this agent has, or had last.
    pub assignee: Option<AgentId>,
    /// Only those with this tag.
    pub tag: Option<Tag>,
}

impl HeadFilter {
    /// Whether the list shows it.
    pub fn passes(&self, head: &Head) -> bool {
        let assignee = head.assignee.as_ref().map(|agent| agent.id);
        self.team.is_none_or(|team| team == head.team)
            && self.assignee.is_none_or(|agent| Some(agent) == assignee)
            && self.tag.as_ref().is_none_or(|tag| head.tags.contains(tag))
    }
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

/// A conversation that is not ended, as the live index has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LiveRow {
    /// Names it.
    pub key: ConversationKey,
    /// Where it stands; never [`State::Ended`].
    pub state: State,
    /// Whose queue it is in, or came from.
    pub team: TeamId,
    /// Who has it.
    pub assignee: Option<AgentId>,
    /// When something last happened in it.
    pub last_event_at: Timestamp,
}

/// Rows derived from logs. [`crate::Lanes::append`] writes them; only read marks are written here.
#[async_trait]
pub trait Heads: Send + Sync + 'static {
    /// The row; none when there is no such conversation. It is never behind what was acknowledged before the call.
    ///
    /// # Errors
    ///
    /// [`StoreError`]: nothing is known; the caller tries again later, unless the store is [`StoreError::Corrupt`].
    async fn get(&self, key: ConversationKey) -> Result<Option<Head>, StoreError>;

    /// Raises the read marks; a mark never falls, whatever is given. `unread` counts by these marks, up to the event
    /// `as_of`.
    ///
    /// # Errors
    ///
    /// [`StoreError`]: the marks may have been written or not, and the caller may write them again.
    async fn mark(
        &self,
        key: ConversationKey,
        marks: Marks,
        unread: Unread,
        as_of: Seq,
    ) -> Result<(), StoreError>;

    /// A page of a list, after `after`, at most `limit` rows. It is at most one second behind.
    ///
    /// # Errors
    ///
    /// [`StoreError`]: nothing is known; the caller tries again later, unless the store is [`StoreError::Corrupt`].
    async fn list(
        &self,
        workspace: WorkspaceId,
        view: &HeadView,
        filter: &HeadFilter,
        after: Option<HeadPosition>,
        limit: usize,
    ) -> Result<Vec<ListedHead>, StoreError>;

    /// Whether at least `count` conversations wait for the team. As current as [`Heads::list`], and cheaper where fewer wait.
    ///
    /// # Errors
    ///
    /// As of [`Heads::list`].
    async fn queue_reaches(
        &self,
        workspace: WorkspaceId,
        team: TeamId,
        count: usize,
    ) -> Result<bool, StoreError> {
        let (view, filter) = (HeadView::Queue(Some(vec![team])), HeadFilter::default());
        Ok(self.list(workspace, &view, &filter, None, count).await?.len() >= count)
    }

    /// The live index: what is not ended, in all workspaces, after `after`, at most `limit` rows, in an order of the
    /// store's own that stays the same. After a crash this index is how conversations are found that no request wakes. Each
    /// page is of its own moment, and may have a row too many: a conversation that has just ended, or was never made (see
    /// [`Heads::remove_ghost`]).
    ///
    /// # Errors
    ///
    /// [`StoreError`]: nothing is known; the caller tries again later, unless the store is [`StoreError::Corrupt`].
    async fn live(&self, after: Option<ConversationKey>, limit: usize) -> Result<Vec<LiveRow>, StoreError>;

    /// Removes a row of the live index for which there is no log, as the one writer of the conversation: a create of an
    /// earlier writer can come no more, and one of `generation` makes the row anew. Where there is a log, it does nothing.
    ///
    /// # Errors
    ///
    /// [`StoreError`]: the row may be gone or not, and the caller may call again.
    async fn remove_ghost(&self, _key: ConversationKey, _generation: Generation) -> Result<(), StoreError> {
        Ok(())
    }
}

/// How far both sides have read, and what they have not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reading {
    pub(crate) read: Marks,
    pub(crate) unread: Unread,
}

impl Reading {
    pub(crate) fn of(head: &Head) -> Self {
        Self { read: head.read, unread: head.unread }
    }

    /// The reading after [`Heads::mark`] with `given`. Of two counts by the same mark the higher one saw more of the log.
    pub(crate) fn marked(self, given: Self) -> Self {
        let side = |stored: (Seq, u32), given: (Seq, u32)| stored.max(given);
        self.by_side(given, side)
    }

    /// The reading after an append whose head has `given`. The head saw all of the log, but maybe not the newest mark: then
    /// its count may be too high until the next mark, which is better than a message that nobody notices.
    pub(crate) fn appended(self, given: Self) -> Self {
        let side = |stored: (Seq, u32), given: (Seq, u32)| (stored.0.max(given.0), given.1);
        self.by_side(given, side)
    }

    fn by_side(self, given: Self, side: impl Fn((Seq, u32), (Seq, u32)) -> (Seq, u32)) -> Self {
        let (visitor, visitor_unread) =
            side((self.read.visitor, self.unread.visitor), (given.read.visitor, given.unread.visitor));
        let (agent, agent_unread) =
            side((self.read.agent, self.unread.agent), (given.read.agent, given.unread.agent));
        Self {
            read: Marks { visitor, agent },
            unread: Unread { visitor: visitor_unread, agent: agent_unread },
        }
    }
}
