//! What is asked of documents and of their unique keys.

use super::super::OpenError;
use super::super::session::{Cql, Statement, Way};

pub(in super::super) struct RecordStatements {
    /// Reads what the protocol goes by.
    pub(in super::super) look: Statement,
    pub(in super::super) write: Statement,
    pub(in super::super) fence: Statement,
    pub(in super::super) pointer: Statement,
    pub(in super::super) point: Statement,
    pub(in super::super) unpoint: Statement,
    pub(in super::super) get: Statement,
    pub(in super::super) find: Statement,
    pub(in super::super) list: Statement,
}

impl RecordStatements {
    pub(in super::super) async fn prepare(cql: &Cql) -> Result<Self, OpenError> {
        let row = "workspace = :workspace AND kind = :kind AND part = :part AND id = :id";
        let key = "kind = ? AND realm = ? AND name = ?";
        let body = "version, created_at, updated_at, expires_at, body";
        let statement = async |name, way, text: String| cql.prepare(name, way, &text).await;
        Ok(Self {
            look: statement(
                "record_look",
                Way::Serial,
                format!("SELECT version, fence, created_at, updated_at, expires_at, keys FROM record WHERE {row}"),
            )
            .await?,
            // Also what makes a row: without one its fence is null, and so is `over`. Never by an INSERT, whose mark
            // would outlive the columns.
            write: statement(
                "record_write",
                Way::Conditional,
                format!(
                    "UPDATE record USING TTL :life SET version = :version, fence = :fence, created_at = :created_at,
                     updated_at = :updated_at, expires_at = :expires_at, keys = :keys, body = :body
                     WHERE {row} IF fence = :over"
                ),
            )
            .await?,
            fence: statement(
                "record_fence",
                Way::Conditional,
                format!("UPDATE record USING TTL :life SET fence = :fence WHERE {row} IF fence = :over"),
            )
            .await?,
            pointer: statement(
                "record_pointer",
                Way::Serial,
                format!("SELECT workspace, id, claim FROM record_unique WHERE {key}"),
            )
            .await?,
            point: statement(
                "record_point",
                Way::Conditional,
                format!(
                    "UPDATE record_unique SET workspace = ?, id = ?, claim = ? WHERE {key} IF claim = ?"
                ),
            )
            .await?,
            unpoint: statement(
                "record_unpoint",
                Way::Conditional,
                format!("DELETE FROM record_unique WHERE {key} IF claim = ?"),
            )
            .await?,
            get: statement("record_get", Way::Read, format!("SELECT keys, id, {body} FROM record WHERE {row}"))
                .await?,
            find: statement(
                "record_find",
                Way::Read,
                format!("SELECT workspace, id, claim FROM record_unique WHERE {key}"),
            )
            .await?,
            list: statement(
                "record_list",
                Way::Read,
                format!(
                    "SELECT keys, id, {body} FROM record
                     WHERE workspace = ? AND kind = ? AND part = '' AND id > ? LIMIT ?"
                ),
            )
            .await?,
        })
    }
}
