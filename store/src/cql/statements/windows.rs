//! What is asked of the table that says which windows there are.

use super::super::OpenError;
use super::super::session::{Cql, Statement, Way};

pub(in super::super) struct WindowStatements {
    pub(in super::super) list: Statement,
    pub(in super::super) up: Statement,
    pub(in super::super) down: Statement,
}

impl WindowStatements {
    pub(in super::super) async fn prepare(cql: &Cql) -> Result<Self, OpenError> {
        let key = "workspace = ? AND kind = ? AND subject = ?";
        Ok(Self {
            list: cql
                .prepare(
                    "window_list",
                    Way::Write,
                    "INSERT INTO series_window (workspace, kind, subject, window) VALUES (?, ?, ?, ?) USING TTL ?",
                )
                .await?,
            up: cql
                .prepare(
                    "windows_up",
                    Way::Read,
                    &format!(
                        "SELECT window FROM series_window WHERE {key} AND window >= ? ORDER BY window ASC LIMIT ?"
                    ),
                )
                .await?,
            down: cql
                .prepare(
                    "windows_down",
                    Way::Read,
                    &format!("SELECT window FROM series_window WHERE {key} AND window <= ? LIMIT ?"),
                )
                .await?,
        })
    }
}
