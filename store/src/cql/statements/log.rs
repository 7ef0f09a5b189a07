//! What is asked of the table of logs.

use super::super::OpenError;
use super::super::session::{Cql, Statement, Way};

/// The owner of a log without events, which was made so that no late create makes it unseen.
pub(in super::super) const SEALED: &str = "#sealed";

pub(in super::super) struct LogStatements {
    pub(in super::super) create: Statement,
    pub(in super::super) claim: Statement,
    pub(in super::super) append: Statement,
    pub(in super::super) event: Statement,
    pub(in super::super) peek: Statement,
    pub(in super::super) read: Statement,
    pub(in super::super) read_before: Statement,
    pub(in super::super) passivate: Statement,
    pub(in super::super) seal: Statement,
}

impl LogStatements {
    pub(in super::super) async fn prepare(cql: &Cql) -> Result<Self, OpenError> {
        let key = "workspace = ? AND conversation = ?";
        let statement = async |name, way, text: String| cql.prepare(name, way, &text).await;
        Ok(Self {
            create: statement(
                "log_create",
                Way::Conditional,
                format!(
                    "UPDATE log SET epoch = 1, claim = ?, owner = ?, last_seq = ?, head = ? WHERE {key} IF claim = null"
                ),
            )
            .await?,
            claim: statement(
                "log_claim",
                Way::Conditional,
                format!("UPDATE log SET epoch = ?, claim = ?, owner = ? WHERE {key} IF claim = ?"),
            )
            .await?,
            append: statement(
                "log_append",
                Way::Conditional,
                format!("UPDATE log SET last_seq = ?, head = ? WHERE {key} IF claim = ? AND last_seq = ?"),
            )
            .await?,
            event: statement(
                "log_event",
                Way::Part,
                "INSERT INTO log (workspace, conversation, seq, body) VALUES (?, ?, ?, ?)".into(),
            )
            .await?,
            peek: statement(
                "log_peek",
                Way::Serial,
                format!("SELECT epoch, claim, owner, last_seq FROM log WHERE {key} LIMIT 1"),
            )
            .await?,
            read: statement(
                "log_read",
                Way::Read,
                format!("SELECT body FROM log WHERE {key} AND seq > ? ORDER BY seq ASC LIMIT ?"),
            )
            .await?,
            read_before: statement(
                "log_read_before",
                Way::Read,
                format!("SELECT body FROM log WHERE {key} AND seq < ? ORDER BY seq DESC LIMIT ?"),
            )
            .await?,
            passivate: statement(
                "log_passivate",
                Way::Conditional,
                format!("UPDATE log SET owner = '' WHERE {key} IF claim = ?"),
            )
            .await?,
            // The second epoch: what follows from it wins over what a late create put before itself.
            seal: statement(
                "log_seal",
                Way::Conditional,
                format!(
                    "UPDATE log SET epoch = 2, claim = ?, owner = '{SEALED}', last_seq = 0 WHERE {key} IF claim = null"
                ),
            )
            .await?,
        })
    }
}
