//! What is asked of the tables of rows that lead lists to conversations.

use super::super::OpenError;
use super::super::session::{Cql, Statement, Way};

pub(in super::super) struct RowStatements {
    pub(in super::super) live_put: Statement,
    pub(in super::super) live_remove: Statement,
    pub(in super::super) live_get: Statement,
    pub(in super::super) live_page: Statement,
    pub(in super::super) team_seen_put: Statement,
    pub(in super::super) teams_seen: Statement,
    pub(in super::super) open: Table,
    pub(in super::super) waiting: Table,
    pub(in super::super) of_visitor: Table,
    pub(in super::super) ended: Table,
    pub(in super::super) held: Table,
    pub(in super::super) ended_week_put: Statement,
    pub(in super::super) ended_weeks: Statement,
}

/// What is asked of one table.
pub(in super::super) struct Table {
    pub(in super::super) put: Statement,
    pub(in super::super) remove: Statement,
    pub(in super::super) read: Statement,
}

/// What a table's statements are called, its name, and its columns before `conversation`: those of a partition, and that
/// of the order, if it has one.
struct Shape {
    put: &'static str,
    remove: &'static str,
    read: &'static str,
    table: &'static str,
    partition: &'static [&'static str],
    /// And whether the greatest comes first.
    order: Option<(&'static str, bool)>,
}

impl Table {
    async fn prepare(cql: &Cql, shape: Shape) -> Result<Self, OpenError> {
        let Shape { put, remove, read, table, partition, order } = shape;
        let at = order.map(|(column, _)| column);
        let columns: Vec<&str> = partition.iter().copied().chain(at).chain(["conversation"]).collect();
        let marks = vec!["?"; columns.len()].join(", ");
        let equal = |columns: &[&str]| {
            columns.iter().map(|column| format!("{column} = ?")).collect::<Vec<_>>().join(" AND ")
        };
        let names = columns.join(", ");
        let put_text = format!("INSERT INTO {table} ({names}, stamp) VALUES ({marks}, ?) USING TIMESTAMP ?");
        let remove_text = format!("DELETE FROM {table} USING TIMESTAMP ? WHERE {}", equal(&columns));
        let partition = equal(partition);
        let read_text = match order {
            None => format!("SELECT conversation, stamp FROM {table} WHERE {partition}"),
            Some((at, newest_first)) => {
                let behind = if newest_first { '<' } else { '>' };
                format!(
                    "SELECT {at}, conversation, stamp FROM {table}
                     WHERE {partition} AND ({at}, conversation) {behind} (?, ?) LIMIT ?"
                )
            }
        };
        Ok(Self {
            put: cql.prepare(put, Way::Write, &put_text).await?,
            remove: cql.prepare(remove, Way::Write, &remove_text).await?,
            read: cql.prepare(read, Way::Read, &read_text).await?,
        })
    }
}

impl RowStatements {
    pub(in super::super) async fn prepare(cql: &Cql) -> Result<Self, OpenError> {
        let write = async |name, text: &str| cql.prepare(name, Way::Write, text).await;
        let read = async |name, text: &str| cql.prepare(name, Way::Read, text).await;
        let table = async |shape| Table::prepare(cql, shape).await;
        Ok(Self {
            live_put: write(
                "live_put",
                "INSERT INTO live (shard, workspace, conversation, hint, stamp) VALUES (?, ?, ?, ?, ?)
                 USING TIMESTAMP ?",
            )
            .await?,
            live_remove: write(
                "live_remove",
                "DELETE FROM live USING TIMESTAMP ? WHERE shard = ? AND workspace = ? AND conversation = ?",
            )
            .await?,
            live_get: read(
                "live_get",
                "SELECT workspace, conversation, hint, stamp FROM live
                 WHERE shard = ? AND workspace = ? AND conversation = ?",
            )
            .await?,
            live_page: read(
                "live_page",
                "SELECT workspace, conversation, hint, stamp FROM live
                 WHERE shard = ? AND (workspace, conversation) > (?, ?) LIMIT ?",
            )
            .await?,
            team_seen_put: write(
                "team_seen_put",
                "INSERT INTO team_seen (workspace, team) VALUES (?, ?) USING TIMESTAMP 1",
            )
            .await?,
            teams_seen: read("teams_seen", "SELECT team FROM team_seen WHERE workspace = ?").await?,
            open: table(Shape {
                put: "open_put",
                remove: "open_remove",
                read: "open_read",
                table: "open",
                partition: &["workspace", "team"],
                order: Some(("moment", true)),
            })
            .await?,
            waiting: table(Shape {
                put: "waiting_put",
                remove: "waiting_remove",
                read: "waiting_read",
                table: "waiting",
                partition: &["workspace", "team"],
                order: Some(("queued_at", false)),
            })
            .await?,
            of_visitor: table(Shape {
                put: "of_visitor_put",
                remove: "of_visitor_remove",
                read: "of_visitor_read",
                table: "of_visitor",
                partition: &["workspace", "visitor"],
                order: Some(("created_at", true)),
            })
            .await?,
            ended: table(Shape {
                put: "ended_put",
                remove: "ended_remove",
                read: "ended_read",
                table: "ended",
                partition: &["workspace", "under", "week"],
                order: Some(("ended_at", true)),
            })
            .await?,
            held: table(Shape {
                put: "held_put",
                remove: "held_remove",
                read: "held_read",
                table: "held",
                partition: &["workspace", "agent"],
                order: None,
            })
            .await?,
            ended_week_put: write(
                "ended_week_put",
                "INSERT INTO ended_week (workspace, under, week) VALUES (?, ?, ?) USING TIMESTAMP 1",
            )
            .await?,
            ended_weeks: read(
                "ended_weeks",
                "SELECT week FROM ended_week WHERE workspace = ? AND under = ? AND week <= ?",
            )
            .await?,
        })
    }
}
