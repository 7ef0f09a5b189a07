//! What is asked of read marks.

use super::super::OpenError;
use super::super::session::{Cql, Statement, Way};

pub(in super::super) struct MarkStatements {
    pub(in super::super) read: Statement,
    pub(in super::super) mark_visitor: Statement,
    pub(in super::super) mark_agent: Statement,
}

impl MarkStatements {
    pub(in super::super) async fn prepare(cql: &Cql) -> Result<Self, OpenError> {
        let key = "workspace = ? AND conversation = ?";
        let mark = |side: &str| {
            format!(
                "UPDATE mark USING TIMESTAMP ? SET {side} = ?, {side}_unread = ?, {side}_of = ? WHERE {key}"
            )
        };
        Ok(Self {
            read: cql
                .prepare(
                    "marks",
                    Way::Read,
                    &format!(
                        "SELECT visitor, visitor_unread, visitor_of, agent, agent_unread, agent_of
                         FROM mark WHERE {key}"
                    ),
                )
                .await?,
            mark_visitor: cql.prepare("mark_visitor", Way::Write, &mark("visitor")).await?,
            mark_agent: cql.prepare("mark_agent", Way::Write, &mark("agent")).await?,
        })
    }
}
