//! What is asked of series: each kind has a table of its own.

use crate::SeriesKind;

use super::super::OpenError;
use super::super::session::{Cql, Statement, Way};

pub(in super::super) struct SeriesStatements {
    audit: KindStatements,
    page_view: KindStatements,
    revocation: KindStatements,
}

pub(in super::super) struct KindStatements {
    pub(in super::super) append: Statement,
    pub(in super::super) newest: Statement,
    pub(in super::super) following: Statement,
}

impl SeriesStatements {
    pub(in super::super) async fn prepare(cql: &Cql) -> Result<Self, OpenError> {
        let names = ["audit_append", "audit_newest", "audit_following"];
        let audit = KindStatements::prepare(cql, "series_audit", names).await?;
        let names = ["page_view_append", "page_view_newest", "page_view_following"];
        let page_view = KindStatements::prepare(cql, "series_page_view", names).await?;
        let names = ["revocation_append", "revocation_newest", "revocation_following"];
        let revocation = KindStatements::prepare(cql, "series_revocation", names).await?;
        Ok(Self { audit, page_view, revocation })
    }

    pub(in super::super) fn of(&self, kind: SeriesKind) -> &KindStatements {
        match kind {
            SeriesKind::Audit => &self.audit,
            SeriesKind::PageView => &self.page_view,
            SeriesKind::Revocation => &self.revocation,
        }
    }
}

impl KindStatements {
    async fn prepare(
        cql: &Cql,
        table: &str,
        [append, newest, following]: [&'static str; 3],
    ) -> Result<Self, OpenError> {
        let insert = format!(
            "INSERT INTO {table} (workspace, subject, window, at, id, body) VALUES (?, ?, ?, ?, ?, ?) USING TTL ?"
        );
        let select =
            format!("SELECT at, id, body FROM {table} WHERE workspace = ? AND subject = ? AND window = ?");
        let down = format!("{select} AND (at, id) < (?, ?) LIMIT ?");
        let up = format!("{select} AND (at, id) > (?, ?) ORDER BY at ASC, id ASC LIMIT ?");
        Ok(Self {
            append: cql.prepare(append, Way::Write, &insert).await?,
            newest: cql.prepare(newest, Way::Read, &down).await?,
            following: cql.prepare(following, Way::Read, &up).await?,
        })
    }
}
