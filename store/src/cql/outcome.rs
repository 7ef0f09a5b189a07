//! What came of a statement. The one place that sorts the driver's failures: only `[applied]`, looked up by its name,
//! says what a conditional statement did; only a statement that never left this process is known not to be done; every
//! other outcome is unknown, by whatever name. A server that says "unavailable" may have said so after it began.

use scylla::errors::{ExecutionError, RequestAttemptError};
use scylla::response::query_result::QueryResult;
use scylla::value::{CqlValue, Row};

use crate::StoreError;

/// Why a statement has no answer that says what it did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// The statement never left this process: nothing was done.
    NotSent(String),
    /// The statement may have been done, or may yet be.
    Unknown(String),
}

impl Failure {
    /// For calls whose error says nothing about what was written, and for reads.
    pub(super) fn into_error(self) -> StoreError {
        match self {
            Failure::NotSent(cause) | Failure::Unknown(cause) => StoreError::Unavailable(cause),
        }
    }
}

/// What a conditional statement did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Conditional {
    /// Its conditions held, and it is done.
    Applied,
    /// They did not hold, and nothing was done.
    Refused,
}

/// The outcome of a conditional statement that was repeated until it was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Settled {
    /// Its conditions held, and it is done.
    Applied,
    /// They did not hold, and nothing was done.
    Refused,
    /// They do not hold, perhaps because an attempt that was not answered is done: a look at the row may find out.
    Perhaps,
}

/// Sorts the driver's error of any statement.
pub(super) fn sort(error: &ExecutionError) -> Failure {
    let cause = error.to_string();
    let left = match error {
        ExecutionError::BadQuery(_)
        | ExecutionError::EmptyPlan
        | ExecutionError::PrepareError(_)
        | ExecutionError::ConnectionPoolError(_) => false,
        ExecutionError::LastAttemptError(attempt) => !matches!(
            attempt,
            RequestAttemptError::SerializationError(_)
                | RequestAttemptError::CqlRequestSerialization(_)
                | RequestAttemptError::UnableToAllocStreamId
        ),
        // The driver's list may grow; what is not known to have stayed has left.
        _ => true,
    };
    if left { Failure::Unknown(cause) } else { Failure::NotSent(cause) }
}

/// What a conditional statement, or a batch with one, did.
pub(super) fn conditional(result: Result<QueryResult, ExecutionError>) -> Result<Conditional, Failure> {
    let result = result.map_err(|error| sort(&error))?;
    let unreadable = |cause: String| Failure::Unknown(format!("an answer without [applied]: {cause}"));
    let rows = result.into_rows_result().map_err(|error| unreadable(error.to_string()))?;
    let first: Row = rows.first_row().map_err(|error| unreadable(error.to_string()))?;
    let names = rows.column_specs().iter().map(|column| column.name());
    match applied(names, first) {
        Some(true) => Ok(Conditional::Applied),
        Some(false) => Ok(Conditional::Refused),
        None => Err(unreadable("it has no such column".into())),
    }
}

/// Applied, a row has one column; refused, the condition's too; or always the old row: every server has its own way.
fn applied<'a>(mut names: impl Iterator<Item = &'a str>, row: Row) -> Option<bool> {
    let place = names.position(|name| name == "[applied]")?;
    match row.columns.into_iter().nth(place)? {
        Some(CqlValue::Boolean(applied)) => Some(applied),
        Some(_) | None => None,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use scylla::errors::{
        BadQuery, BrokenConnectionErrorKind, ConnectionPoolError, DbError, PrepareError,
        SchemaAgreementError, WriteType,
    };
    use scylla::frame::response::CqlResponseKind;
    use scylla::statement::Consistency;

    use super::*;

    fn attempt(error: RequestAttemptError) -> ExecutionError {
        ExecutionError::LastAttemptError(error)
    }

    fn answered(error: DbError) -> ExecutionError {
        attempt(RequestAttemptError::DbError(error, "as the server says".into()))
    }

    #[test]
    fn only_what_never_left_is_known_not_to_be_done() {
        let consistency = Consistency::LocalQuorum;
        let broken = BrokenConnectionErrorKind::ChannelError;
        let cases = [
            (ExecutionError::BadQuery(BadQuery::PartitionKeyExtraction), false),
            (ExecutionError::EmptyPlan, false),
            (ExecutionError::ConnectionPoolError(ConnectionPoolError::Initializing), false),
            (
                ExecutionError::PrepareError(PrepareError::ConnectionPoolError(
                    ConnectionPoolError::Initializing,
                )),
                false,
            ),
            (ExecutionError::PrepareError(PrepareError::PreparedStatementIdsMismatch), false),
            (attempt(RequestAttemptError::UnableToAllocStreamId), false),
            (attempt(RequestAttemptError::BrokenConnectionError(broken.into())), true),
            (attempt(RequestAttemptError::UnexpectedResponse(CqlResponseKind::Ready)), true),
            (attempt(RequestAttemptError::RepreparedIdMissingInBatch), true),
            (attempt(RequestAttemptError::NonfinishedPagingState), true),
            (ExecutionError::RequestTimeout(Duration::from_secs(1)), true),
            (
                ExecutionError::SchemaAgreementError(SchemaAgreementError::Timeout(Duration::from_secs(1))),
                true,
            ),
            (answered(DbError::Unavailable { consistency, required: 2, alive: 1 }), true),
            (answered(DbError::Overloaded), true),
            (answered(DbError::ServerError), true),
            (answered(DbError::Invalid), true),
            (
                answered(DbError::WriteTimeout {
                    consistency,
                    received: 1,
                    required: 2,
                    write_type: WriteType::Cas,
                }),
                true,
            ),
            (
                answered(DbError::WriteFailure {
                    consistency,
                    received: 1,
                    required: 2,
                    numfailures: 1,
                    write_type: WriteType::Cas,
                }),
                true,
            ),
            (
                answered(DbError::ReadFailure {
                    consistency,
                    received: 1,
                    required: 2,
                    numfailures: 1,
                    data_present: false,
                }),
                true,
            ),
        ];
        for (error, left) in cases {
            let sorted = sort(&error);
            assert_eq!(matches!(sorted, Failure::Unknown(_)), left, "{error}");
            assert_eq!(conditional(Err(error.clone())), Err(sorted), "{error}");
        }
    }

    #[test]
    fn only_applied_by_its_name_is_an_answer() {
        let yes = Some(CqlValue::Boolean(true));
        let no = Some(CqlValue::Boolean(false));
        type Case = (&'static [&'static str], Vec<Option<CqlValue>>, Option<bool>);
        let cases: [Case; 6] = [
            (&["[applied]"], vec![yes.clone()], Some(true)),
            (&["[applied]", "claim"], vec![no.clone(), None], Some(false)),
            (&["claim", "[applied]"], vec![None, yes.clone()], Some(true)),
            (&["[applied]"], vec![None], None),
            (&["applied"], vec![yes], None),
            (&[], vec![], None),
        ];
        for (names, columns, expected) in cases {
            assert_eq!(applied(names.iter().copied(), Row { columns }), expected, "{names:?}");
        }
    }
}
