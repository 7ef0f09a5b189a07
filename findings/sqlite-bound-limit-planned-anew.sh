#!/usr/bin/env bash
# rusqlite 0.43.0 (Rust, bundled SQLite 3.54.1): a cached statement with `LIMIT ?` is prepared again each time that it runs.
#
# What one expects: `prepare_cached` prepares a statement once; afterwards it is bound and run. `SELECT ... ORDER BY ... LIMIT ?` is the
#   ordinary way to read a page, and its limit is mostly the same.
# What happens: the planner of newer versions looks at the value that is bound to a limit, and a statement expires when that value changes.
#   A cached statement that is given back has its bindings cleared, so to SQLite the value changes each time, from nothing to the limit:
#   each run parses and plans the text anew. Nothing tells but a counter, `StatementStatus::RePrepare`. SQLite 3.46.0 (rusqlite 0.32.1)
#   did not do so, 3.48.0 (rusqlite 0.33.0) did. A statement that is kept by hand is prepared again once.
# What to do: set `SQLITE_DBCONFIG_ENABLE_QPSG` on each connection: then no plan depends on what is bound. Or write `LIMIT 0 + ?`.
# Source: SQLite's expr.c, `sqlite3ExprIsInteger`; sqlite.org/queryplanner-ng.html, "The SQLite Query Planner Stability Guarantee".
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
cd "$folder"
mkdir src
cat >src/main.rs <<'RS'
use rusqlite::config::DbConfig;
use rusqlite::{Connection, Result, StatementStatus, params};

const RUNS: i64 = 1000;

/// How often the cached statement was prepared again.
fn prepared_again(connection: &Connection, sql: &str) -> Result<i32> {
    for n in 0..RUNS {
        let mut statement = connection.prepare_cached(sql)?;
        let mut rows = statement.query(params![n, 10])?;
        while rows.next()?.is_some() {}
    }
    Ok(connection.prepare_cached(sql)?.get_status(StatementStatus::RePrepare))
}

fn main() -> Result<()> {
    for stable in [false, true] {
        let connection = Connection::open_in_memory()?;
        connection.execute_batch("CREATE TABLE t (n INTEGER PRIMARY KEY)")?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, stable)?;
        let bound = prepared_again(&connection, "SELECT n FROM t WHERE n > ?1 ORDER BY n LIMIT ?2")?;
        let sum = prepared_again(&connection, "SELECT n FROM t WHERE n > ?1 ORDER BY n LIMIT 0 + ?2")?;
        println!("SQLite {}, QPSG {stable}: LIMIT ? {bound}, LIMIT 0 + ? {sum}", rusqlite::version());
    }
    Ok(())
}
RS
for version in 0.32.1 0.43.0; do
  features='"bundled"'
  if [ "$version" = 0.43.0 ]; then features='"bundled", "cache"'; fi
  cat >Cargo.toml <<TOML
[package]
name = "finding"
version = "0.0.0"
edition = "2024"
[dependencies]
rusqlite = { version = "=$version", default-features = false, features = [$features] }
[profile.dev]
debug = 0
TOML
  rm -f Cargo.lock
  cargo build --quiet
  echo "rusqlite $version, prepared again in 1000 runs:"
  target/debug/finding
done | tee seen
if grep -q 'SQLite 3.46.0, QPSG false: LIMIT ? 0, LIMIT 0 + ? 0' seen \
  && grep -q 'SQLite 3.54.1, QPSG false: LIMIT ? 1000, LIMIT 0 + ? 0' seen \
  && grep -q 'SQLite 3.54.1, QPSG true: LIMIT ? 0, LIMIT 0 + ? 0' seen; then
  echo "seen: a bound limit is planned anew each time"
else
  echo "not seen any more" >&2
  exit 1
fi
