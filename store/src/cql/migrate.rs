//! Makes the keyspace and the tables, and what older tables lack: under a lock in the store itself, since several nodes
//! may start at once.

use std::time::Duration;

use scylla::client::execution_profile::ExecutionProfile;
use scylla::errors::ExecutionError;
use scylla::policies::load_balancing::{NodeIdentifier, SingleTargetLoadBalancingPolicy};
use scylla::response::query_result::QueryResult;
use scylla::serialize::row::SerializeRow;
use scylla::statement::unprepared::Statement as Query;
use uuid::Uuid;

use super::outcome::{Conditional, conditional};
use super::schema::{refused, stored_version};
use super::session::Cql;
use super::survey::Survey;
use super::{CqlOptions, OpenError};

/// What makes each schema of the one before, the first of nothing. Steps are added, never changed; each of their
/// statements may be run again.
const STEPS: [&str; 1] = [include_str!("schema.cql")];
const SCHEMA: i32 = STEPS.len() as i32;
/// How long a process that died keeps the others waiting, in seconds.
const LOCK_S: i32 = 120;
/// How often one that waits looks again.
const LOOK_AGAIN: Duration = Duration::from_millis(300);
/// Looks until it gives up: longer than the lock of a dead process lives.
const LOOKS: u32 = 600;
/// Looks for a keyspace that was just made: servers take a moment until they agree.
const KEYSPACE_LOOKS: u32 = 20;
/// Changing a schema takes longer than a write: all servers must agree.
const CHANGE: Duration = Duration::from_secs(30);

/// Brings the keyspace to this program's schema.
pub(super) async fn migrate(cql: &Cql, options: &CqlOptions, survey: &Survey) -> Result<(), OpenError> {
    let migration = Migration::on_first_node(cql, &options.keyspace);
    if survey.replication.is_none() {
        let copies = survey.copies(options);
        if options.replication.is_none() && usize::from(copies) < 3 {
            tracing::warn!(
                copies,
                servers = survey.nodes.len(),
                "the keyspace gets fewer than three copies, as there are few servers: with more of them, raise it by \
                 ALTER KEYSPACE and repair"
            );
        }
        let class = "{'class': 'NetworkTopologyStrategy', 'replication_factor': ";
        let make = format!(
            "CREATE KEYSPACE IF NOT EXISTS {} WITH replication = {class}{copies}}}",
            options.keyspace
        );
        migration.change("make the keyspace", &make).await?;
    }
    use_keyspace(cql, &options.keyspace).await?;
    if migration.is_done(survey.schema)? {
        return Ok(());
    }
    migration
        .change(
            "make tables",
            "CREATE TABLE IF NOT EXISTS schema_state (name text PRIMARY KEY, version int, holder uuid)",
        )
        .await?;
    migration.lock().await?;
    let done = migration.steps().await;
    migration.unlock().await;
    done
}

/// Waits a little for a keyspace that another process is making this moment.
async fn use_keyspace(cql: &Cql, keyspace: &str) -> Result<(), OpenError> {
    let mut looks = 0;
    while let Err(error) = cql.session().use_keyspace(keyspace, true).await {
        looks += 1;
        if looks == KEYSPACE_LOOKS {
            return Err(OpenError::Setting { setting: "keyspace", cause: error.to_string() });
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    Ok(())
}

struct Migration<'a> {
    cql: &'a Cql,
    keyspace: &'a str,
    /// All changes of all nodes go to one server, since two that change a schema at once may not agree afterwards.
    profile: Option<scylla::client::execution_profile::ExecutionProfileHandle>,
    holder: Uuid,
}

impl<'a> Migration<'a> {
    fn on_first_node(cql: &'a Cql, keyspace: &'a str) -> Self {
        let state = cql.session().get_cluster_state();
        let connected = state.get_nodes_info().iter().filter(|node| node.is_connected());
        let first = connected.min_by_key(|node| node.host_id).cloned();
        let profile = first.map(|node| {
            let policy = SingleTargetLoadBalancingPolicy::new(NodeIdentifier::Node(node), None);
            let to_it = cql.session().get_default_execution_profile_handle().to_profile().to_builder();
            let profile: ExecutionProfile =
                to_it.load_balancing_policy(policy).request_timeout(Some(CHANGE)).build();
            profile.into_handle()
        });
        Self { cql, keyspace, profile, holder: Uuid::new_v4() }
    }

    async fn run(&self, statement: &str, values: impl SerializeRow) -> Result<QueryResult, ExecutionError> {
        let mut query = Query::new(statement);
        query.set_execution_profile_handle(self.profile.clone());
        self.cql.session().query_unpaged(query, values).await
    }

    async fn change(&self, what: &'static str, statement: &str) -> Result<(), OpenError> {
        self.run(statement, ()).await.map(drop).map_err(|error| refused(what, &error))
    }

    /// Whether tables of this version need nothing done. An error: a newer program made them.
    fn is_done(&self, version: Option<i32>) -> Result<bool, OpenError> {
        match version {
            Some(found) if found > SCHEMA => {
                Err(OpenError::Newer { keyspace: self.keyspace.to_owned(), found, known: SCHEMA })
            }
            version => Ok(version == Some(SCHEMA)),
        }
    }

    /// Waits until no other process changes the schema.
    async fn lock(&self) -> Result<(), OpenError> {
        let take = "INSERT INTO schema_state (name, holder) VALUES ('lock', ?) IF NOT EXISTS USING TTL ?";
        for _ in 0..LOOKS {
            match conditional(self.run(take, (self.holder, LOCK_S)).await) {
                Ok(Conditional::Applied) => return Ok(()),
                Ok(Conditional::Refused) | Err(_) => {}
            }
            let holder = self.run("SELECT holder FROM schema_state WHERE name = 'lock'", ()).await;
            let holder = holder.ok().and_then(|found| found.into_rows_result().ok());
            if holder.and_then(|rows| rows.first_row::<(Uuid,)>().ok()) == Some((self.holder,)) {
                return Ok(());
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        Err(OpenError::Locked(self.keyspace.to_owned()))
    }

    async fn unlock(&self) {
        let give = "DELETE FROM schema_state WHERE name = 'lock' IF holder = ?";
        // If it stays it goes by itself.
        let _ = self.run(give, (self.holder,)).await;
    }

    async fn steps(&self) -> Result<(), OpenError> {
        let stored = stored_version(self.cql, self.keyspace).await?;
        if self.is_done(stored)? {
            return Ok(());
        }
        let from = stored.unwrap_or(0);
        for (step, schema) in STEPS.iter().zip(1..).skip(from.unsigned_abs() as usize) {
            for statement in statements(step) {
                self.change("make tables", &statement).await?;
            }
            let set = "UPDATE schema_state SET version = ? WHERE name = 'schema'";
            let set = self.run(set, (schema,)).await;
            set.map_err(|error| refused("write the schema's version", &error))?;
            tracing::info!(keyspace = self.keyspace, schema, "the tables were made");
        }
        Ok(())
    }
}

/// The statements of a step, without its comments.
fn statements(step: &str) -> Vec<String> {
    let lines = step.lines().filter(|line| !line.trim_start().starts_with("--"));
    let text = lines.collect::<Vec<_>>().join("\n");
    text.split(';').map(str::trim).filter(|statement| !statement.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_statements_that_may_be_run_again() {
        for step in STEPS {
            let statements = statements(step);
            assert!(statements.len() > 1);
            for statement in statements {
                assert!(statement.starts_with("CREATE TABLE IF NOT EXISTS "), "{statement}");
            }
        }
    }
}
