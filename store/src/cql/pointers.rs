//! Pointers to conversations: written by plain statements with time stamps of ours ([`super::derived`]), read in pages.
//! A pointer is not believed: a reader that follows one asks the head.

use domain::{AgentId, ConversationId, TeamId, Timestamp, VisitorId, WorkspaceId};
use futures_util::future::try_join_all;
use uuid::Uuid;

use crate::{ConversationKey, HeadPosition, LiveRow, StoreError};

use super::derived::{Gone, LivePointer, Pointer, Stamp, week};
use super::live::Live;
use super::session::{Statement, unreadable};
use super::shared::Shared;
use super::value::{bigint, id, number, rows, state, tinyint};

/// Into how many partitions the live index is cut.
pub(super) const SHARDS: u8 = 64;

/// A pointer of a list that is in the order of a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pointed {
    pub(super) at: Timestamp,
    pub(super) conversation: ConversationId,
}

impl Pointed {
    /// Before all others.
    pub(super) const NEWEST: Self = Self {
        at: Timestamp::from_ms(i64::MAX as u64),
        conversation: ConversationId::from_uuid(Uuid::max()),
    };
}

impl From<HeadPosition> for Pointed {
    fn from(position: HeadPosition) -> Self {
        Self { at: position.at, conversation: position.conversation }
    }
}

type LiveColumns<'a> = (&'a [u8], Uuid, i8, Option<Uuid>, i64, i64, i64);

fn live(columns: LiveColumns<'_>) -> Result<Live, StoreError> {
    let (conversation, team, stored, assignee, queued_at, last_event_at, stamp) = columns;
    let pointer = LivePointer {
        team: TeamId::from_uuid(team),
        state: state(stored)?,
        assignee: assignee.map(AgentId::from_uuid),
        queued_at: Timestamp::from_ms(number(queued_at)?),
        last_event_at: Timestamp::from_ms(number(last_event_at)?),
    };
    let conversation = ConversationId::from_uuid(id(conversation)?);
    Ok(Live { conversation, pointer, stamp: Stamp::from_number(stamp) })
}

/// The partition of the live index that a conversation is in.
pub(super) fn shard(conversation: ConversationId) -> u8 {
    // The last byte of an id is random or hashed in all versions that we make.
    conversation.uuid().as_bytes()[15] % SHARDS
}

impl Shared {
    /// Makes a pointer stand. Durable when it is answered.
    pub(super) async fn put(
        &self,
        key: ConversationKey,
        pointer: &Pointer,
        stamp: Stamp,
    ) -> Result<(), StoreError> {
        let (workspace, given, stamp) = (key.workspace.uuid(), stamp, stamp.number());
        let conversation = key.conversation.uuid();
        let conversation = &conversation.as_bytes()[..];
        let statements = &self.pointers;
        match *pointer {
            Pointer::Live(live) => {
                let values = (
                    i32::from(shard(key.conversation)),
                    workspace,
                    conversation,
                    live.team.uuid(),
                    tinyint(live.state),
                    live.assignee.map(AgentId::uuid),
                    bigint(live.queued_at.as_ms()),
                    bigint(live.last_event_at.as_ms()),
                    stamp,
                    stamp,
                );
                self.cql.write(&statements.live_put, values).await?;
                self.live.wrote(key.workspace, key.conversation, Some(live), given);
                Ok(())
            }
            Pointer::Held(agent) => {
                let values = (workspace, agent.uuid(), conversation, stamp, stamp);
                self.cql.write(&statements.held_put, values).await
            }
            Pointer::OfVisitor(visitor, at) => {
                let values = (workspace, visitor.uuid(), bigint(at.as_ms()), conversation, stamp);
                self.cql.write(&statements.of_visitor_put, values).await
            }
            Pointer::EndedInTeam(team, at) => {
                self.put_ended(workspace, (true, team.uuid()), at, conversation, stamp).await
            }
            Pointer::EndedWith(agent, at) => {
                self.put_ended(workspace, (false, agent.uuid()), at, conversation, stamp).await
            }
        }
    }

    async fn put_ended(
        &self,
        workspace: Uuid,
        (is_team, of): (bool, Uuid),
        at: Timestamp,
        conversation: &[u8],
        stamp: i64,
    ) -> Result<(), StoreError> {
        // The week first: without it the pointer would not be found.
        let in_week = (workspace, is_team, of, week(at), stamp);
        self.cql.write(&self.pointers.ended_week_put, in_week).await?;
        let values = (workspace, of, week(at), bigint(at.as_ms()), conversation, stamp);
        self.cql.write(&self.pointers.ended_put, values).await
    }

    /// Removes a pointer that stands with this time stamp or an older one.
    pub(super) async fn remove(
        &self,
        key: ConversationKey,
        gone: &Gone,
        stamp: Stamp,
    ) -> Result<(), StoreError> {
        match *gone {
            Gone::Live => {
                let (workspace, conversation) = (key.workspace.uuid(), key.conversation.uuid());
                let shard = i32::from(shard(key.conversation));
                let values = (stamp.number(), shard, workspace, &conversation.as_bytes()[..]);
                self.cql.write(&self.pointers.live_remove, values).await?;
                self.live.wrote(key.workspace, key.conversation, None, stamp);
                Ok(())
            }
            Gone::Held(agent) => {
                let conversation = key.conversation.uuid();
                let values =
                    (stamp.number(), key.workspace.uuid(), agent.uuid(), &conversation.as_bytes()[..]);
                self.cql.write(&self.pointers.held_remove, values).await
            }
        }
    }

    /// All that is live in a workspace, in no order, as this node knows it.
    pub(super) async fn live_of(&self, workspace: WorkspaceId) -> Result<Vec<Live>, StoreError> {
        self.live.current(workspace, self.read_live(workspace)).await
    }

    /// All that is live in a workspace, from all shards.
    async fn read_live(&self, workspace: WorkspaceId) -> Result<Vec<Live>, StoreError> {
        let shards = (0..SHARDS).map(async |shard| {
            let values = (i32::from(shard), workspace.uuid());
            let found = self.cql.read(&self.pointers.live_of_workspace, values).await?;
            let mut entries = Vec::with_capacity(found.rows_num());
            for row in found.rows::<LiveColumns<'_>>().map_err(unreadable)? {
                entries.push(live(row.map_err(unreadable)?)?);
            }
            Ok::<_, StoreError>(entries)
        });
        Ok(try_join_all(shards).await?.concat())
    }

    /// A page of one shard, by workspace and conversation.
    pub(super) async fn live_page(
        &self,
        shard: u8,
        after: Option<ConversationKey>,
        limit: usize,
    ) -> Result<Vec<LiveRow>, StoreError> {
        let nil = (Uuid::nil(), Vec::new());
        let (workspace, conversation) = after
            .map_or(nil, |after| (after.workspace.uuid(), after.conversation.uuid().as_bytes().to_vec()));
        let values = (i32::from(shard), workspace, conversation, rows(limit));
        let found = self.cql.read(&self.pointers.live_page, values).await?;
        let mut page = Vec::with_capacity(found.rows_num());
        type Columns<'a> = (Uuid, &'a [u8], Uuid, i8, Option<Uuid>, i64, i64, i64);
        for row in found.rows::<Columns<'_>>().map_err(unreadable)? {
            let (workspace, conversation, team, stored, assignee, queued_at, last_event_at, stamp) =
                row.map_err(unreadable)?;
            let columns = (conversation, team, stored, assignee, queued_at, last_event_at, stamp);
            let Live { conversation, pointer, .. } = live(columns)?;
            page.push(LiveRow {
                key: ConversationKey { workspace: WorkspaceId::from_uuid(workspace), conversation },
                state: pointer.state,
                team: pointer.team,
                assignee: pointer.assignee,
                last_event_at: pointer.last_event_at,
            });
        }
        Ok(page)
    }

    /// What an agent seems to hold, with the rows' time stamps.
    pub(super) async fn held_of(
        &self,
        workspace: WorkspaceId,
        agent: AgentId,
    ) -> Result<Vec<(ConversationId, Stamp)>, StoreError> {
        let found = self.cql.read(&self.pointers.held_read, (workspace.uuid(), agent.uuid())).await?;
        let mut held = Vec::with_capacity(found.rows_num());
        for row in found.rows::<(&[u8], i64)>().map_err(unreadable)? {
            let (conversation, stamp) = row.map_err(unreadable)?;
            held.push((ConversationId::from_uuid(id(conversation)?), Stamp::from_number(stamp)));
        }
        Ok(held)
    }

    /// A visitor's, newest first.
    pub(super) async fn of_visitor(
        &self,
        workspace: WorkspaceId,
        visitor: VisitorId,
        after: Pointed,
        limit: usize,
    ) -> Result<Vec<Pointed>, StoreError> {
        let last = after.conversation.uuid();
        let place = (bigint(after.at.as_ms()), &last.as_bytes()[..]);
        let values = (workspace.uuid(), visitor.uuid(), place.0, place.1, rows(limit));
        self.pointed(&self.pointers.of_visitor_read, values).await
    }

    /// What ended under a team or an agent, newest first.
    pub(super) async fn ended_of(
        &self,
        workspace: WorkspaceId,
        (is_team, of): (bool, Uuid),
        after: Pointed,
        limit: usize,
    ) -> Result<Vec<Pointed>, StoreError> {
        let values = (workspace.uuid(), is_team, of, week(after.at));
        let weeks = self.cql.read(&self.pointers.ended_weeks, values).await?;
        let mut found = Vec::new();
        for row in weeks.rows::<(i32,)>().map_err(unreadable)? {
            let (week,) = row.map_err(unreadable)?;
            let last = after.conversation.uuid();
            let place = (bigint(after.at.as_ms()), &last.as_bytes()[..]);
            let values = (workspace.uuid(), of, week, place.0, place.1, rows(limit - found.len()));
            found.extend(self.pointed(&self.pointers.ended_read, values).await?);
            if found.len() >= limit {
                break;
            }
        }
        Ok(found)
    }

    /// The teams in which something ended.
    pub(super) async fn teams_with_ended(&self, workspace: WorkspaceId) -> Result<Vec<TeamId>, StoreError> {
        let found = self.cql.read(&self.pointers.ended_teams, (workspace.uuid(),)).await?;
        let mut teams = Vec::new();
        for row in found.rows::<(Uuid,)>().map_err(unreadable)? {
            teams.push(TeamId::from_uuid(row.map_err(unreadable)?.0));
        }
        teams.dedup();
        Ok(teams)
    }

    async fn pointed(
        &self,
        statement: &Statement,
        values: impl scylla::serialize::row::SerializeRow,
    ) -> Result<Vec<Pointed>, StoreError> {
        let found = self.cql.read(statement, values).await?;
        let mut pointed = Vec::with_capacity(found.rows_num());
        for row in found.rows::<(i64, &[u8])>().map_err(unreadable)? {
            let (at, conversation) = row.map_err(unreadable)?;
            let conversation = ConversationId::from_uuid(id(conversation)?);
            pointed.push(Pointed { at: Timestamp::from_ms(number(at)?), conversation });
        }
        Ok(pointed)
    }
}
