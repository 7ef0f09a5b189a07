//! How our values lie in columns, and back.

use domain::State;
use uuid::Uuid;

use crate::{ConversationKey, StoreError};

/// A whole number as a column keeps it. Beyond 2^63 all are one, so the order stays.
pub(super) fn bigint(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A whole number back from a column.
pub(super) fn number(stored: i64) -> Result<u64, StoreError> {
    u64::try_from(stored).map_err(|_| StoreError::Corrupt(format!("a count of {stored}")))
}

/// An id whose column is a blob, for the order of its bytes.
pub(super) fn id(bytes: &[u8]) -> Result<Uuid, StoreError> {
    Uuid::from_slice(bytes).map_err(|error| StoreError::Corrupt(format!("an id: {error}")))
}

/// The columns that name a conversation's partition.
pub(super) fn ids(key: ConversationKey) -> (Uuid, Uuid) {
    (key.workspace.uuid(), key.conversation.uuid())
}

/// At most this many rows.
pub(super) fn rows(limit: usize) -> i32 {
    i32::try_from(limit).unwrap_or(i32::MAX)
}

/// A state in a hint of the live index.
pub(super) fn tinyint(state: State) -> i8 {
    match state {
        State::Queued => 1,
        State::Assigned => 2,
        State::Bot => 3,
        State::Ended => 4,
    }
}

pub(super) fn state(stored: i8) -> Result<State, StoreError> {
    match stored {
        1 => Ok(State::Queued),
        2 => Ok(State::Assigned),
        3 => Ok(State::Bot),
        4 => Ok(State::Ended),
        other => Err(StoreError::Corrupt(format!("state {other} is not known"))),
    }
}
