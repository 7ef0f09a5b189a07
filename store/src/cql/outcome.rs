//! What came of a statement. The one place that sorts the driver's failures: only `[applied]`, looked up by its name,
//! says what a conditional statement did; only a statement that never left this process is known not to be done; every
//! other outcome is unknown, by whatever name. A server that says "unavailable" may have said so after it began.

use scylla::errors::{ExecutionError, RequestAttemptError};
use scylla::response::query_result::QueryResult;
use scylla::value::{CqlValue, Row};

use crate::StoreError;

pub(super) use crate::lanes::segments::Failure;

/// For calls whose error says nothing about what was written, and for reads.
impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::NotSent(cause) | Failure::Unknown(cause) => StoreError::Unavailable(cause),
        }
    }
}

impl Failure {
    /// The failure of the last of several tries, of which one may have been done if it was not answered.
    pub(super) fn after(self, unanswered: bool) -> Self {
        match self {
            Failure::NotSent(cause) if unanswered => Failure::Unknown(cause),
            failure => failure,
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
    answer(result).map(|(conditional, _)| conditional)
}

/// The same, with the columns that came with a refusal: the condition's, or the old row's.
pub(super) fn answer(result: Result<QueryResult, ExecutionError>) -> Result<(Conditional, Columns), Failure> {
    let result = result.map_err(|error| sort(&error))?;
    let unreadable = |cause: String| Failure::Unknown(format!("an answer without [applied]: {cause}"));
    let rows = result.into_rows_result().map_err(|error| unreadable(error.to_string()))?;
    // Of a batch there may be one for each conditional statement; ours have one, and it is the first.
    let first: Row = rows
        .rows()
        .map_err(|error| unreadable(error.to_string()))?
        .next()
        .ok_or_else(|| unreadable("it has no row".into()))?
        .map_err(|error| unreadable(error.to_string()))?;
    let names = rows.column_specs().iter().map(|column| column.name().to_owned());
    let columns = Columns(names.zip(first.columns).collect());
    match columns.get("[applied]") {
        Some(Some(CqlValue::Boolean(true))) => Ok((Conditional::Applied, columns)),
        Some(Some(CqlValue::Boolean(false))) => Ok((Conditional::Refused, columns)),
        Some(_) | None => Err(unreadable("it has no such column".into())),
    }
}

/// A row by the names of its columns. Applied, an answer has one; refused, the condition's too; or always those of the old
/// row: every server has its own way.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Columns(Vec<(String, Option<CqlValue>)>);

impl Columns {
    /// None: the answer has no such column. Some of none: it is null.
    pub(super) fn get(&self, name: &str) -> Option<Option<&CqlValue>> {
        self.0.iter().find(|(column, _)| column == name).map(|(_, value)| value.as_ref())
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
    fn columns_are_found_by_their_names() {
        let columns =
            Columns(vec![("sealed".into(), None), ("[applied]".into(), Some(CqlValue::Boolean(true)))]);
        assert_eq!(columns.get("[applied]"), Some(Some(&CqlValue::Boolean(true))));
        assert_eq!(columns.get("sealed"), Some(None));
        assert_eq!(columns.get("applied"), None);
    }
}
