//! Rows that lead lists to conversations: written by plain statements with time stamps of ours ([`super::derived`]), read in
//! pages. A row is not believed: a reader that follows one asks the head.

use domain::{AgentId, ConversationId, TeamId, Timestamp, VisitorId, WorkspaceId};
use futures_util::future::{join_all, try_join_all};
use scylla::serialize::row::SerializeRow;
use uuid::Uuid;

use crate::{ConversationKey, StoreError};

use super::derived::{Change, Row, Stamp, week};
use super::session::unreadable;
use super::shared::Shared;
use super::statements::Table;
use super::value::{bigint, id, number, rows};

/// Rows of one partition in the order of a time, or of several that lie behind each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stream {
    /// Newest first.
    Open(TeamId),
    /// Oldest first.
    Waiting(TeamId),
    /// Newest first.
    OfVisitor(VisitorId),
    /// Newest first.
    EndedInTeam(TeamId),
    /// Newest first.
    EndedWith(AgentId),
}

impl Stream {
    fn row(self, at: Timestamp) -> Row {
        match self {
            Stream::Open(team) => Row::Open(team, at),
            Stream::Waiting(team) => Row::Waiting(team, at),
            Stream::OfVisitor(visitor) => Row::OfVisitor(visitor, at),
            Stream::EndedInTeam(team) => Row::EndedInTeam(team, at),
            Stream::EndedWith(agent) => Row::EndedWith(agent, at),
        }
    }
}

/// A row that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) conversation: ConversationId,
    pub(super) row: Row,
    /// By which the row is ordered.
    pub(super) at: Timestamp,
    pub(super) stamp: Stamp,
}

/// A place among rows: a time, and a conversation of that time.
pub(super) type Place = (Timestamp, Uuid);

impl Candidate {
    pub(super) fn place(&self) -> Place {
        (self.at, self.conversation.uuid())
    }
}

impl Shared {
    /// Puts what an append needs, all at once. Durable when it is answered.
    pub(super) async fn before_append(
        &self,
        key: ConversationKey,
        change: &Change,
    ) -> Result<(), StoreError> {
        let unsure = async {
            match change.unsure {
                Some(hint) => self.put_live(key, false, hint, change.removal).await,
                None => Ok(()),
            }
        };
        let puts = try_join_all(change.puts.iter().map(|row| self.put(key, *row, change.put)));
        tokio::try_join!(unsure, puts).map(drop)
    }

    /// Removes what an append has made wrong, and gives the live index its hint. Whatever of this is not done costs a
    /// reader a look at the head.
    pub(super) async fn after_append(&self, key: ConversationKey, change: &Change) {
        let live = async {
            match change.sure {
                Some(hint) => self.put_live(key, true, hint, change.put).await,
                None if change.ends => self.remove_live(key, change.removal).await,
                None => Ok(()),
            }
        };
        let removals = join_all(change.removals.iter().map(|row| self.remove(key, *row, change.removal)));
        let (live, removed) = tokio::join!(live, removals);
        for error in removed.into_iter().chain([live]).filter_map(Result::err) {
            tracing::debug!(conversation = %key.conversation, %error, "a list's row was not brought up to date");
        }
    }

    /// Makes a row stand. Durable when it is answered.
    pub(super) async fn put(&self, key: ConversationKey, row: Row, stamp: Stamp) -> Result<(), StoreError> {
        let (workspace, of, stamp) = (key.workspace.uuid(), key.conversation.uuid(), stamp.number());
        let conversation = of.as_bytes().as_slice();
        let statements = &self.rows;
        let at_time = async |table: &Table, under: Uuid, at: Timestamp| {
            let values = (workspace, under, bigint(at.as_ms()), conversation, stamp, stamp);
            Ok(self.cql.write(&table.put, values).await?)
        };
        let ended = async |under: Uuid, at: Timestamp| {
            // The week first: without it the row would not be found.
            self.see_week(workspace, under, week(at)).await?;
            let values = (workspace, under, week(at), bigint(at.as_ms()), conversation, stamp, stamp);
            Ok(self.cql.write(&statements.ended.put, values).await?)
        };
        match row {
            Row::Open(team, at) => {
                // The team first: without it a list of all teams would miss the row.
                self.see_team(key.workspace, team).await?;
                at_time(&statements.open, team.uuid(), at).await
            }
            Row::Waiting(team, at) => at_time(&statements.waiting, team.uuid(), at).await,
            Row::OfVisitor(visitor, at) => at_time(&statements.of_visitor, visitor.uuid(), at).await,
            Row::Held(agent) => {
                let values = (workspace, agent.uuid(), conversation, stamp, stamp);
                Ok(self.cql.write(&statements.held.put, values).await?)
            }
            Row::EndedInTeam(team, at) => ended(team.uuid(), at).await,
            Row::EndedWith(agent, at) => ended(agent.uuid(), at).await,
        }
    }

    async fn see_team(&self, workspace: WorkspaceId, team: TeamId) -> Result<(), StoreError> {
        let seen = (workspace.uuid(), team.uuid());
        if !self.teams_seen.contains(&seen) {
            self.cql.write(&self.rows.team_seen_put, seen).await?;
            self.teams_seen.insert(seen);
        }
        Ok(())
    }

    async fn see_week(&self, workspace: Uuid, under: Uuid, week: i32) -> Result<(), StoreError> {
        let seen = (workspace, under, week);
        if !self.weeks_seen.contains(&seen) {
            self.cql.write(&self.rows.ended_week_put, seen).await?;
            self.weeks_seen.insert(seen);
        }
        Ok(())
    }

    /// Removes a row that stands with this stamp or an older one.
    pub(super) async fn remove(
        &self,
        key: ConversationKey,
        row: Row,
        stamp: Stamp,
    ) -> Result<(), StoreError> {
        let (stamp, workspace, of) = (stamp.number(), key.workspace.uuid(), key.conversation.uuid());
        let conversation = of.as_bytes().as_slice();
        let statements = &self.rows;
        let at_time = async |table: &Table, under: Uuid, at: Timestamp| {
            let values = (stamp, workspace, under, bigint(at.as_ms()), conversation);
            self.cql.write(&table.remove, values).await
        };
        let ended = async |under: Uuid, at: Timestamp| {
            let values = (stamp, workspace, under, week(at), bigint(at.as_ms()), conversation);
            self.cql.write(&statements.ended.remove, values).await
        };
        let removed = match row {
            Row::Open(team, at) => at_time(&statements.open, team.uuid(), at).await,
            Row::Waiting(team, at) => at_time(&statements.waiting, team.uuid(), at).await,
            Row::OfVisitor(visitor, at) => at_time(&statements.of_visitor, visitor.uuid(), at).await,
            Row::Held(agent) => {
                let values = (stamp, workspace, agent.uuid(), conversation);
                self.cql.write(&statements.held.remove, values).await
            }
            Row::EndedInTeam(team, at) => ended(team.uuid(), at).await,
            Row::EndedWith(agent, at) => ended(agent.uuid(), at).await,
        };
        Ok(removed?)
    }

    /// What an agent seems to hold, in no order.
    pub(super) async fn held_of(
        &self,
        workspace: WorkspaceId,
        agent: AgentId,
    ) -> Result<Vec<Candidate>, StoreError> {
        let found = self.cql.read(&self.rows.held.read, (workspace.uuid(), agent.uuid())).await?;
        let mut held = Vec::with_capacity(found.rows_num());
        for row in found.rows::<(&[u8], i64)>().map_err(unreadable)? {
            let (conversation, stamp) = row.map_err(unreadable)?;
            held.push(Candidate {
                conversation: ConversationId::from_uuid(id(conversation)?),
                row: Row::Held(agent),
                at: Timestamp::from_ms(0),
                stamp: Stamp::from_number(stamp),
            });
        }
        Ok(held)
    }

    /// The next rows of a stream behind a place.
    pub(super) async fn candidates(
        &self,
        workspace: WorkspaceId,
        stream: Stream,
        (after, last): Place,
        limit: usize,
    ) -> Result<Vec<Candidate>, StoreError> {
        let statements = &self.rows;
        let (table, under) = match stream {
            Stream::Open(team) => (&statements.open, team.uuid()),
            Stream::Waiting(team) => (&statements.waiting, team.uuid()),
            Stream::OfVisitor(visitor) => (&statements.of_visitor, visitor.uuid()),
            Stream::EndedInTeam(team) => {
                return self.ended(workspace, stream, team.uuid(), (after, last), limit).await;
            }
            Stream::EndedWith(agent) => {
                return self.ended(workspace, stream, agent.uuid(), (after, last), limit).await;
            }
        };
        let place = (bigint(after.as_ms()), last.as_bytes().as_slice());
        let values = (workspace.uuid(), under, place.0, place.1, rows(limit));
        self.read_candidates(table, stream, values).await
    }

    /// What ended under a team or an agent, week by week.
    async fn ended(
        &self,
        workspace: WorkspaceId,
        stream: Stream,
        under: Uuid,
        (after, last): Place,
        limit: usize,
    ) -> Result<Vec<Candidate>, StoreError> {
        let weeks = self.cql.read(&self.rows.ended_weeks, (workspace.uuid(), under, week(after))).await?;
        let place = (bigint(after.as_ms()), last.as_bytes().as_slice());
        let mut found = Vec::new();
        for row in weeks.rows::<(i32,)>().map_err(unreadable)? {
            let (week,) = row.map_err(unreadable)?;
            let values = (workspace.uuid(), under, week, place.0, place.1, rows(limit - found.len()));
            found.extend(self.read_candidates(&self.rows.ended, stream, values).await?);
            if found.len() >= limit {
                break;
            }
        }
        Ok(found)
    }

    async fn read_candidates(
        &self,
        table: &Table,
        stream: Stream,
        values: impl SerializeRow,
    ) -> Result<Vec<Candidate>, StoreError> {
        let found = self.cql.read(&table.read, values).await?;
        let mut candidates = Vec::with_capacity(found.rows_num());
        for row in found.rows::<(i64, &[u8], i64)>().map_err(unreadable)? {
            let (at, conversation, stamp) = row.map_err(unreadable)?;
            let at = Timestamp::from_ms(number(at)?);
            candidates.push(Candidate {
                conversation: ConversationId::from_uuid(id(conversation)?),
                row: stream.row(at),
                at,
                stamp: Stamp::from_number(stamp),
            });
        }
        Ok(candidates)
    }

    /// The teams that ever had a conversation.
    pub(super) async fn teams(&self, workspace: WorkspaceId) -> Result<Vec<TeamId>, StoreError> {
        let found = self.cql.read(&self.rows.teams_seen, (workspace.uuid(),)).await?;
        let teams = found.rows::<(Uuid,)>().map_err(unreadable)?;
        teams.map(|row| Ok(TeamId::from_uuid(row.map_err(unreadable)?.0))).collect()
    }
}
