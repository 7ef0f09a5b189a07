//! What is asked of segments, of the pointers to them, and of homes.

use super::super::OpenError;
use super::super::session::{Cql, Statement, Way};

pub(in super::super) struct SegmentStatements {
    pub(in super::super) open: Statement,
    pub(in super::super) append: Statement,
    pub(in super::super) row: Statement,
    pub(in super::super) row_head: Statement,
    pub(in super::super) seal_at_position: Statement,
    pub(in super::super) seal: Statement,
    pub(in super::super) seal_never_opened: Statement,
    pub(in super::super) state: Statement,
    pub(in super::super) journal: Statement,
    pub(in super::super) slice: Statement,
    pub(in super::super) slice_before: Statement,
    pub(in super::super) head: Statement,
    pub(in super::super) erase: Statement,
    pub(in super::super) remove_rows: Statement,
    pub(in super::super) remove_position: Statement,
    pub(in super::super) register: Statement,
    pub(in super::super) register_sealed: Statement,
    pub(in super::super) register_home: Statement,
    pub(in super::super) registered: Statement,
    pub(in super::super) registered_of: Statement,
    pub(in super::super) unregister: Statement,
    pub(in super::super) point: Statement,
    pub(in super::super) unpoint: Statement,
    pub(in super::super) pointers: Statement,
    pub(in super::super) home_put: Statement,
    pub(in super::super) home_put_head: Statement,
    pub(in super::super) home_head: Statement,
    pub(in super::super) erase_home: Statement,
    pub(in super::super) home: Statement,
    pub(in super::super) home_before: Statement,
}

/// Every statement ends with these values, or goes on behind them.
const SEGMENT: &str = "incarnation = ? AND lane = ? AND segment = ?";
/// A stamp that no event's `seq` reaches, and no clock is ahead of.
const ERASED: i64 = 1 << 40;
const CONVERSATION: &str = "workspace = ? AND conversation = ?";

impl SegmentStatements {
    pub(in super::super) async fn prepare(cql: &Cql) -> Result<Self, OpenError> {
        let conditional = async |name, change: &str, condition: &str| {
            let text = format!("UPDATE log SET {change} WHERE {SEGMENT} IF {condition}");
            cql.prepare(name, Way::Conditional, &text).await
        };
        let read = async |name, text: String| cql.prepare(name, Way::Read, &text).await;
        let write = async |name, text: String| cql.prepare(name, Way::Write, &text).await;
        let part = async |name, text: &str| cql.prepare(name, Way::Part, text).await;
        let register = |columns: &str, values: &str| {
            format!(
                "INSERT INTO segment (part, incarnation, lane, segment{columns}) VALUES (0, ?, ?, ?{values})
                 USING TIMESTAMP 1"
            )
        };
        let slice = format!("SELECT seq, body FROM log WHERE {SEGMENT} AND {CONVERSATION}");
        let home = format!("SELECT seq, body FROM home WHERE {CONVERSATION}");
        let registered =
            "SELECT incarnation, lane, segment, sealed_at, is_home FROM segment WHERE part = 0".to_owned();
        Ok(Self {
            open: conditional("segment_open", "position = 0", "position = null AND sealed = null").await?,
            append: conditional("segment_append", "position = ?", "position = ? AND sealed = null").await?,
            row: part(
                "segment_row",
                "INSERT INTO log (incarnation, lane, segment, workspace, conversation, seq, body)
                 VALUES (?, ?, ?, ?, ?, ?, ?)",
            )
            .await?,
            row_head: part(
                "segment_row_head",
                "INSERT INTO log (incarnation, lane, segment, workspace, conversation, seq, last_seq, body)
                 VALUES (?, ?, ?, ?, ?, 0, ?, ?)",
            )
            .await?,
            seal_at_position: conditional(
                "segment_seal_at_position",
                "sealed = true",
                "position = ? AND sealed = null",
            )
            .await?,
            seal: conditional("segment_seal", "sealed = true", "sealed = null").await?,
            seal_never_opened: conditional(
                "segment_seal_never_opened",
                "sealed = true",
                "position = null AND sealed = null",
            )
            .await?,
            state: cql
                .prepare(
                    "segment_state",
                    Way::Serial,
                    &format!("SELECT position, sealed FROM log WHERE {SEGMENT} LIMIT 1"),
                )
                .await?,
            journal: read("segment_journal", format!("{slice} AND seq >= ? LIMIT ?")).await?,
            slice: read("segment_slice", format!("{slice} AND seq > ? LIMIT ?")).await?,
            // Behind 0, where the head is.
            slice_before: read(
                "segment_slice_before",
                format!(
                    "{slice} AND seq < ? AND seq > 0 ORDER BY workspace DESC, conversation DESC, seq DESC LIMIT ?"
                ),
            )
            .await?,
            head: read(
                "segment_head",
                format!("SELECT last_seq, body FROM log WHERE {SEGMENT} AND {CONVERSATION} AND seq = 0"),
            )
            .await?,
            erase: write(
                "segment_erase",
                format!("DELETE FROM log USING TIMESTAMP ? WHERE {SEGMENT} AND {CONVERSATION}"),
            )
            .await?,
            // The least UUID: so all rows, but not the static part.
            remove_rows: write(
                "segment_remove_rows",
                format!(
                    "DELETE FROM log USING TIMESTAMP ?
                     WHERE {SEGMENT} AND workspace >= 00000000-0000-0000-0000-000000000000"
                ),
            )
            .await?,
            remove_position: write(
                "segment_remove_position",
                format!("DELETE position FROM log USING TIMESTAMP ? WHERE {SEGMENT}"),
            )
            .await?,
            register: write("segment_register", register("", "")).await?,
            register_sealed: write("segment_register_sealed", register(", sealed_at", ", ?")).await?,
            register_home: write("segment_register_home", register(", is_home", ", true")).await?,
            registered_of: read(
                "segments_registered_of",
                format!("{registered} AND incarnation = ?"),
            )
            .await?,
            registered: read("segments_registered", registered).await?,
            unregister: write(
                "segment_unregister",
                format!("DELETE FROM segment USING TIMESTAMP 2 WHERE part = 0 AND {SEGMENT}"),
            )
            .await?,
            // A pointer is written over only by itself, and what it leads to is at home when it is removed.
            point: write(
                "pointer_put",
                "INSERT INTO conversation_segment (workspace, conversation, incarnation, lane, segment)
                 VALUES (?, ?, ?, ?, ?) USING TIMESTAMP 1"
                    .to_owned(),
            )
            .await?,
            unpoint: write(
                "pointer_remove",
                format!(
                    "DELETE FROM conversation_segment USING TIMESTAMP 2 WHERE {CONVERSATION} AND {SEGMENT}"
                ),
            )
            .await?,
            pointers: read(
                "pointers",
                format!("SELECT incarnation, lane, segment FROM conversation_segment WHERE {CONVERSATION}"),
            )
            .await?,
            home_put: part(
                "home_put",
                "INSERT INTO home (workspace, conversation, seq, body) VALUES (?, ?, ?, ?) USING TIMESTAMP ?",
            )
            .await?,
            home_put_head: write(
                "home_put_head",
                format!("UPDATE home USING TIMESTAMP ? SET last_seq = ?, head = ? WHERE {CONVERSATION}"),
            )
            .await?,
            home_head: read(
                "home_head",
                format!("SELECT last_seq, head FROM home WHERE {CONVERSATION} LIMIT 1"),
            )
            .await?,
            // Beyond the stamps of all that may come.
            erase_home: write(
                "home_erase",
                format!("DELETE FROM home USING TIMESTAMP {ERASED} WHERE {CONVERSATION}"),
            )
            .await?,
            home: read("home", format!("{home} AND seq > ? LIMIT ?")).await?,
            home_before: read("home_before", format!("{home} AND seq < ? ORDER BY seq DESC LIMIT ?")).await?,
        })
    }
}
