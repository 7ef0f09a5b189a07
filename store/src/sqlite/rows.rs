//! Which rows the conversations have that were appended to a while ago, so that an append need not look for its row.

use dashmap::DashMap;

use crate::ConversationKey;

/// A hundred bytes each. When there are more, all are forgotten: they are found again one by one.
const ROWS_MAX: usize = 100_000;

/// Rows of conversations that this process has appended to. A row never changes its key, and none is removed.
#[derive(Default)]
pub(super) struct Rows(DashMap<ConversationKey, i64>);

impl Rows {
    pub(super) fn get(&self, key: ConversationKey) -> Option<i64> {
        self.0.get(&key).map(|row| *row)
    }

    pub(super) fn remember(&self, key: ConversationKey, row: i64) {
        if self.0.len() >= ROWS_MAX {
            self.0.clear();
        }
        self.0.insert(key, row);
    }
}
