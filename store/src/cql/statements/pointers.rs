//! What is asked of the tables of pointers: the live index, what agents hold, what visitors have, what ended.

use super::super::OpenError;
use super::super::session::{Cql, Statement, Way};

pub(in super::super) struct PointerStatements {
    pub(in super::super) live_put: Statement,
    pub(in super::super) live_remove: Statement,
    pub(in super::super) live_of_workspace: Statement,
    pub(in super::super) live_page: Statement,
    pub(in super::super) held_put: Statement,
    pub(in super::super) held_remove: Statement,
    pub(in super::super) held_read: Statement,
    pub(in super::super) of_visitor_put: Statement,
    pub(in super::super) of_visitor_read: Statement,
    pub(in super::super) ended_put: Statement,
    pub(in super::super) ended_read: Statement,
    pub(in super::super) ended_week_put: Statement,
    pub(in super::super) ended_weeks: Statement,
    pub(in super::super) ended_teams: Statement,
}

impl PointerStatements {
    pub(in super::super) async fn prepare(cql: &Cql) -> Result<Self, OpenError> {
        let live = "conversation, team, state, assignee, queued_at, last_event_at, stamp";
        let write = async |name, text: &str| cql.prepare(name, Way::Write, text).await;
        let read = async |name, text: &str| cql.prepare(name, Way::Read, text).await;
        Ok(Self {
            live_put: write(
                "live_put",
                &format!(
                    "INSERT INTO live (shard, workspace, {live}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) USING TIMESTAMP ?"
                ),
            )
            .await?,
            live_remove: write(
                "live_remove",
                "DELETE FROM live USING TIMESTAMP ? WHERE shard = ? AND workspace = ? AND conversation = ?",
            )
            .await?,
            live_of_workspace: read(
                "live_of_workspace",
                &format!("SELECT {live} FROM live WHERE shard = ? AND workspace = ?"),
            )
            .await?,
            live_page: read(
                "live_page",
                &format!(
                    "SELECT workspace, {live} FROM live
                     WHERE shard = ? AND (workspace, conversation) > (?, ?) LIMIT ?"
                ),
            )
            .await?,
            held_put: write(
                "held_put",
                "INSERT INTO held (workspace, agent, conversation, stamp) VALUES (?, ?, ?, ?) USING TIMESTAMP ?",
            )
            .await?,
            held_remove: write(
                "held_remove",
                "DELETE FROM held USING TIMESTAMP ? WHERE workspace = ? AND agent = ? AND conversation = ?",
            )
            .await?,
            held_read: read(
                "held_read",
                "SELECT conversation, stamp FROM held WHERE workspace = ? AND agent = ?",
            )
            .await?,
            of_visitor_put: write(
                "of_visitor_put",
                "INSERT INTO of_visitor (workspace, visitor, created_at, conversation) VALUES (?, ?, ?, ?)
                 USING TIMESTAMP ?",
            )
            .await?,
            of_visitor_read: read(
                "of_visitor_read",
                "SELECT created_at, conversation FROM of_visitor
                 WHERE workspace = ? AND visitor = ? AND (created_at, conversation) < (?, ?) LIMIT ?",
            )
            .await?,
            ended_put: write(
                "ended_put",
                "INSERT INTO ended (workspace, under, week, ended_at, conversation) VALUES (?, ?, ?, ?, ?)
                 USING TIMESTAMP ?",
            )
            .await?,
            ended_read: read(
                "ended_read",
                "SELECT ended_at, conversation FROM ended
                 WHERE workspace = ? AND under = ? AND week = ? AND (ended_at, conversation) < (?, ?) LIMIT ?",
            )
            .await?,
            ended_week_put: write(
                "ended_week_put",
                "INSERT INTO ended_week (workspace, is_team, under, week) VALUES (?, ?, ?, ?) USING TIMESTAMP ?",
            )
            .await?,
            ended_weeks: read(
                "ended_weeks",
                "SELECT week FROM ended_week WHERE workspace = ? AND is_team = ? AND under = ? AND week <= ?",
            )
            .await?,
            ended_teams: read(
                "ended_teams",
                "SELECT under FROM ended_week WHERE workspace = ? AND is_team = true",
            )
            .await?,
        })
    }
}
