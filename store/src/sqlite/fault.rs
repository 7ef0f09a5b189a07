//! What went wrong inside SQLite, and how far it reaches.

use rusqlite::ErrorCode;

use crate::StoreError;

/// A statement failed, or gave what cannot be read.
#[derive(Debug)]
pub(super) enum Fault {
    Sqlite(rusqlite::Error),
    Store(StoreError),
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Fault::Sqlite(error)
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Fault::Store(error)
    }
}

/// How far a fault of a write reaches.
pub(super) enum Reach {
    /// This write alone cannot be made; nothing is wrong with the others of its group.
    Write(StoreError),
    /// No write of the group can be made now; a later one may.
    Group(StoreError),
    /// The file can no longer be trusted to take writes. Carries the cause for the log.
    Store(String),
}

impl Fault {
    /// For a write. Only what is known to be harmless is; anything else stops the writer.
    pub(super) fn reach(self) -> Reach {
        let error = match self {
            Fault::Store(error) => return Reach::Write(error),
            Fault::Sqlite(error) => error,
        };
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Reach::Group(StoreError::StorageFull),
            // Another process (an admin command) has the file for longer than we wait.
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                Reach::Group(StoreError::Unavailable(error.to_string()))
            }
            // The work looks before it writes, so this means that the tables disagree about this one document.
            Some(ErrorCode::ConstraintViolation) => Reach::Write(StoreError::Corrupt(error.to_string())),
            Some(_) => Reach::Store(error.to_string()),
            // Not from SQLite but from rusqlite: a value was not of the wanted type.
            None => Reach::Write(StoreError::Corrupt(error.to_string())),
        }
    }

    /// For a read, which can only fail by itself.
    pub(super) fn of_read(self) -> StoreError {
        let error = match self {
            Fault::Store(error) => return error,
            Fault::Sqlite(error) => error,
        };
        match error.sqlite_error_code() {
            None | Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                StoreError::Corrupt(error.to_string())
            }
            Some(_) => StoreError::Unavailable(error.to_string()),
        }
    }
}
