//! What a write of a record may fail with.

use crate::error::StoreError;

/// Why a record was not written.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// Another document has this id or this unique key.
    #[error("another document has {0}")]
    Taken(String),
    /// There is no such document, or its version is another.
    #[error("the document was changed or removed meanwhile")]
    Changed,
    /// The record may have been written, or may yet be: read it before anything else.
    #[error("whether it was written is unknown")]
    Unknown,
    /// The store could not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl RecordError {
    /// The error for callers to which all errors of a write mean the same: it is not known to be done, so they ask for it
    /// again.
    pub fn or_unavailable(self) -> StoreError {
        match self {
            Self::Store(error) => error,
            Self::Taken(_) | Self::Changed | Self::Unknown => StoreError::Unavailable(self.to_string()),
        }
    }
}
