//! `repair`: after a restore of the CQL servers, whose tables may be of different moments, makes anew what leads to
//! conversations. The server is stopped meanwhile; one that runs all the same is stopped by this.

use clap::Args;
use cluster::Boot;
use store::Clock;
use store::cql::{CqlStore, Repaired};
use store::sqlite::Access;

use super::error::CliError;
use super::source::Source;
use super::table::aside;
use crate::database::Database;

/// `repair`.
#[derive(Clone, Debug, Args)]
#[command(
    after_help = "Example:\n  switchboard repair --config /etc/switchboard/switchboard.toml\n\nIt may be run again. It \
                        exits with 1 when a conversation lacks messages in its middle, which the backup does not have."
)]
pub struct Repair {
    /// Whose store is repaired.
    #[command(flatten)]
    source: Source,
}

pub(super) async fn run(command: Repair) -> Result<String, CliError> {
    let config = command.source.load()?;
    if !Database::is_there(&config).await? {
        return Err(CliError::Usage("there is no store: is it the configuration of the server?".into()));
    }
    let database = Database::open(&config, Access::Server).await?;
    let repaired = match &database {
        Database::Sqlite(_) => {
            Ok("a store on SQLite is one file, of one moment: nothing is to be repaired".into())
        }
        Database::Cql(cql, _) => repair(cql).await,
    };
    database.close().await;
    repaired
}

async fn repair(cql: &CqlStore) -> Result<String, CliError> {
    let clock = Clock::system();
    let boot = Boot::enter(&cql.store(), &clock).await?;
    let repaired = cql.repair(boot.lanes().incarnation(), boot.generation()).await;
    if let Err(error) = boot.leave(clock.now()).await {
        tracing::debug!(%error, "the next server to start seals what this command wrote by");
    }
    told(repaired?)
}

fn told(Repaired { segments, conversations, holes }: Repaired) -> Result<String, CliError> {
    let told =
        format!("lists lead to {conversations} conversations again; {segments} segments were brought home");
    if holes.is_empty() {
        return Ok(told);
    }
    aside(format_args!("{told}"));
    Err(CliError::Holes(holes.join("; ")))
}
