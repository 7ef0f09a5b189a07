//! The schema that a keyspace's tables have.

use scylla::errors::{DbError, ExecutionError, RequestAttemptError};

use super::OpenError;
use super::session::Cql;

/// The schema of a keyspace's tables; none when there are none. Tables of the form before lanes are refused.
pub(super) async fn stored_version(cql: &Cql, keyspace: &str) -> Result<Option<i32>, OpenError> {
    let tables = format!(
        "SELECT table_name FROM system_schema.tables WHERE keyspace_name = '{keyspace}' AND table_name = 'schema_state'"
    );
    let failed = |error: ExecutionError| refused("read the tables", &error);
    let found = cql.session().query_unpaged(tables, ()).await.map_err(failed)?;
    if found.into_rows_result().is_ok_and(|rows| rows.rows_num() == 0) {
        return Ok(None);
    }
    // A program of another form wrote this column into its logs.
    let claim = format!(
        "SELECT column_name FROM system_schema.columns
         WHERE keyspace_name = '{keyspace}' AND table_name = 'log' AND column_name = 'claim'"
    );
    let found = cql.session().query_unpaged(claim, ()).await.map_err(failed)?;
    if found.into_rows_result().is_ok_and(|rows| rows.rows_num() > 0) {
        return Err(OpenError::OldForm(keyspace.to_owned()));
    }
    let version = format!("SELECT version FROM {keyspace}.schema_state WHERE name = 'schema'");
    let found = match cql.session().query_unpaged(version, ()).await {
        Ok(found) => found,
        // Another process is making it this moment: its name is there before it can be read.
        Err(ExecutionError::LastAttemptError(RequestAttemptError::DbError(DbError::Invalid, _))) => {
            return Ok(None);
        }
        Err(error) => return Err(failed(error)),
    };
    let rows = found.into_rows_result().map_err(|error| OpenError::Schema(error.to_string()))?;
    let row =
        rows.maybe_first_row::<(Option<i32>,)>().map_err(|error| OpenError::Schema(error.to_string()))?;
    Ok(row.and_then(|(version,)| version))
}

/// The error of a statement that reads or changes a schema.
pub(super) fn refused(what: &'static str, error: &ExecutionError) -> OpenError {
    let cause = error.to_string();
    match error {
        ExecutionError::LastAttemptError(RequestAttemptError::DbError(
            DbError::Unauthorized | DbError::AuthenticationError,
            _,
        )) => OpenError::Rights { what, cause },
        _ => OpenError::Schema(format!("could not {what}: {cause}")),
    }
}
