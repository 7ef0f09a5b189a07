//! The database file: where it lies, how a connection to it is set, its schema, its checkpoint.

use std::path::{Path, PathBuf};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ToSql};

use super::{OpenError, SqliteOptions};

/// The steps from each schema to the next, the first of them from nothing. Steps are added, never changed.
pub(super) const SCHEMA_STEPS: [&str; 1] = [include_str!("schema.sql")];
/// The newest schema that this program knows; stored as `user_version`.
const SCHEMA: i64 = SCHEMA_STEPS.len() as i64;
/// Says that a database is of this form, "SwLn": the schemas of the form before it were counted from 1 as well.
const APPLICATION_ID: i64 = 0x5377_4c6e;
/// In the data folder.
const DATABASE_FILE: &str = "switchboard.db";
/// After so many pages of write-ahead log they are moved into the database: rarely enough to move a page that changed
/// often only once, often enough that a start after a crash reads little.
const CHECKPOINT_PAGES: u32 = 6000;
/// A write-ahead log that grew beyond this while something read for long is cut back after its checkpoint, before the
/// store is idle and cuts it to nothing.
const WAL_BYTES_KEPT: u32 = 64 * 1024 * 1024;
/// What the writer keeps of the database in memory, in KiB (negative: SQLite's way to say that it is not pages): the rows of
/// some ten thousand busy conversations. More is slower: after a page was split SQLite goes through all of it once more at the
/// commit, and what it lacks the operating system still has.
const WRITER_CACHE_KIB: i32 = -8 * 1024;
/// How many different statements the writer keeps prepared; there are fewer.
const WRITER_STATEMENTS: usize = 64;

/// Whether a store was made in `dir`. Makes nothing.
pub fn is_there(dir: &Path) -> bool {
    dir.join(DATABASE_FILE).exists()
}

/// The database in the data folder `dir`.
pub fn database_path(dir: &Path) -> PathBuf {
    dir.join(DATABASE_FILE)
}

/// What was committed and is not in the database yet. It is there as long as the store is open.
pub fn write_ahead_log_path(dir: &Path) -> PathBuf {
    dir.join(format!("{DATABASE_FILE}-wal"))
}

/// What processes that use the database share, its locks among them. It is there as long as the store is open.
pub fn shared_memory_path(dir: &Path) -> PathBuf {
    dir.join(format!("{DATABASE_FILE}-shm"))
}

/// Settings of the connection, then the schema.
pub(super) fn prepare(
    connection: &Connection,
    path: &Path,
    options: &SqliteOptions,
) -> Result<(), OpenError> {
    let sqlite = |source| OpenError::Sqlite { path: path.to_owned(), source };
    pragma(connection, "busy_timeout", options.busy_ms).map_err(sqlite)?;
    keep_plans(connection).map_err(sqlite)?;
    let set_wal = |row: &rusqlite::Row<'_>| row.get::<_, String>(0);
    let mode = connection.pragma_update_and_check(None, "journal_mode", "WAL", set_wal).map_err(sqlite)?;
    if mode != "wal" {
        return Err(OpenError::NoWriteAheadLog { path: path.to_owned() });
    }
    let settings: [(&str, &dyn ToSql); 5] = [
        ("synchronous", &"FULL"),
        ("wal_autocheckpoint", &CHECKPOINT_PAGES),
        ("journal_size_limit", &WAL_BYTES_KEPT),
        ("cache_size", &WRITER_CACHE_KIB),
        ("temp_store", &"MEMORY"),
    ];
    for (name, value) in settings {
        pragma(connection, name, value).map_err(sqlite)?;
    }
    if let Some(pages) = options.pages_max {
        pragma(connection, "max_page_count", pages).map_err(sqlite)?;
    }
    connection.set_prepared_statement_cache_capacity(WRITER_STATEMENTS);

    match make_schema(connection).map_err(sqlite)? {
        Found::Known => Ok(()),
        Found::Newer(found) => Err(OpenError::Newer { path: path.to_owned(), found, known: SCHEMA }),
        Found::Foreign => Err(OpenError::Foreign { path: path.to_owned() }),
    }
}

/// Has a statement prepared once for all values. Without this SQLite makes a new plan each time that a limit is bound, which takes
/// 10 to 40 us, far longer than most reads (findings/sqlite-bound-limit-planned-anew.sh).
pub(super) fn keep_plans(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map(drop)
}

/// The schema that a database has.
enum Found {
    /// This program's, now at the latest.
    Known,
    /// A newer program's.
    Newer(i64),
    /// None of this form.
    Foreign,
}

/// Makes the tables of a new database, and those that one of this form lacks.
fn make_schema(connection: &Connection) -> rusqlite::Result<Found> {
    // Immediate: a command beside us may be making them just now. What is not committed is undone with the connection.
    connection.execute_batch("BEGIN IMMEDIATE")?;
    let number = |pragma| connection.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
    let (application, found) = (number("application_id")?, number("user_version")?);
    let is_new = (application, found) == (0, 0)
        && connection.query_row("SELECT count(*) = 0 FROM sqlite_schema", [], |row| row.get(0))?;
    if !is_new && application != APPLICATION_ID {
        return Ok(Found::Foreign);
    }
    if found > SCHEMA {
        return Ok(Found::Newer(found));
    }
    if found < SCHEMA {
        for step in SCHEMA_STEPS.iter().skip(found.unsigned_abs() as usize) {
            connection.execute_batch(step)?;
        }
        pragma(connection, "application_id", APPLICATION_ID)?;
        pragma(connection, "user_version", SCHEMA)?;
    }
    connection.execute_batch("COMMIT")?;
    Ok(Found::Known)
}

/// Sets a pragma, whether or not it answers with its new value.
pub(super) fn pragma(connection: &Connection, name: &str, value: impl ToSql) -> rusqlite::Result<()> {
    let ignore = |_: &rusqlite::Row<'_>| Ok(());
    match connection.pragma_update_and_check(None, name, value, ignore) {
        Ok(()) | Err(rusqlite::Error::QueryReturnedNoRows) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Moves the whole write-ahead log into the database and both to the disk; false when another process is in the way.
pub(super) fn checkpoint(connection: &Connection) -> rusqlite::Result<bool> {
    let busy: i64 = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
    Ok(busy == 0)
}
