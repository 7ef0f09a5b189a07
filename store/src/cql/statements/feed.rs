//! What is asked of the feed.

use super::super::OpenError;
use super::super::session::{Cql, Statement, Way};

pub(in super::super) struct FeedStatements {
    pub(in super::super) tell: Statement,
    pub(in super::super) read: Statement,
}

impl FeedStatements {
    pub(in super::super) async fn prepare(cql: &Cql) -> Result<Self, OpenError> {
        Ok(Self {
            tell: cql
                .prepare(
                    "feed_tell",
                    Way::Write,
                    "INSERT INTO feed (workspace, window, at, conversation, last_seq, first_seq) VALUES (?, ?, ?, ?, ?, ?)",
                )
                .await?,
            read: cql
                .prepare(
                    "feed_read",
                    Way::Read,
                    "SELECT at, conversation, first_seq, last_seq FROM feed
                     WHERE workspace = ? AND window = ? AND (at, conversation, last_seq) > (?, ?, ?) LIMIT ?",
                )
                .await?,
        })
    }
}
