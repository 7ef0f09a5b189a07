//! The store that a command works on, beside a server or without one.

use std::sync::Arc;

use domain::{Agent, Team, TeamId, Workspace, WorkspaceId};
use identity::Identity;
use store::Clock;
use store::sqlite::Access;
use store::{Document, INSTALLATION, Records, StoreError, Versioned};

use super::error::CliError;
use super::source::Source;
use super::table::listed;
use crate::config::{Config, StoreKind};
use crate::database::Database;
use crate::staffing;

/// The open store, with what reads and writes people and places in it.
pub(super) struct Desk {
    pub(super) identity: Identity,
    pub(super) records: Arc<dyn Records>,
    pub(super) clock: Clock,
    pub(super) config: Config,
    database: Database,
}

impl Desk {
    /// Opens the store, has `work` done on it, and closes it, also after work that failed. The store must be there: a
    /// mistyped folder or keyspace is told, not made.
    pub(super) async fn with<T>(
        source: &Source,
        work: impl AsyncFnOnce(&Self) -> Result<T, CliError>,
    ) -> Result<T, CliError> {
        let config = source.load()?;
        must_be_there(&config).await?;
        Self::open(config).await?.used(work).await
    }

    /// The same, on a store that is made when it is not there.
    pub(super) async fn with_new<T>(
        source: &Source,
        work: impl AsyncFnOnce(&Self) -> Result<T, CliError>,
    ) -> Result<T, CliError> {
        Self::open(source.load()?).await?.used(work).await
    }

    pub(super) async fn open(config: Config) -> Result<Self, CliError> {
        let database = Database::open(&config, Access::Beside).await?;
        let records = database.store().records;
        let clock = Clock::system();
        let identity = Identity::new(Arc::clone(&records), clock.clone());
        Ok(Self { identity, records, clock, config, database })
    }

    async fn used<T>(self, work: impl AsyncFnOnce(&Self) -> Result<T, CliError>) -> Result<T, CliError> {
        let done = work(&self).await;
        self.database.close().await;
        done
    }

    /// Every workspace, or the one that is named.
    pub(super) async fn workspaces(
        &self,
        named: Option<&str>,
    ) -> Result<Vec<Versioned<Workspace>>, CliError> {
        let all = self.all::<Workspace>(INSTALLATION).await?;
        let Some(named) = named else { return Ok(all) };
        let id = self.workspace(Some(named)).await?;
        Ok(all.into_iter().filter(|workspace| workspace.document.id == id).collect())
    }

    /// The one that is named by id or name, or the only one that there is.
    pub(super) async fn workspace(&self, named: Option<&str>) -> Result<WorkspaceId, CliError> {
        let all = self.all::<Workspace>(INSTALLATION).await?;
        let ids: Vec<WorkspaceId> = all.iter().map(|workspace| workspace.document.id).collect();
        let Some(named) = named else {
            return match ids.as_slice() {
                [] => Err(CliError::Usage("there is no workspace yet: run `workspace create` first".into())),
                [only] => Ok(*only),
                several => Err(CliError::Usage(format!("--workspace must name one of {}", listed(several)))),
            };
        };
        let is_named = |workspace: &&Versioned<Workspace>| {
            workspace.document.id.to_string() == named || workspace.document.name.as_str() == named
        };
        let found: Vec<&Versioned<Workspace>> = all.iter().filter(is_named).collect();
        match found.as_slice() {
            [one] => Ok(one.document.id),
            [] => Err(CliError::Usage(format!("there is no workspace {named}: see `workspace list`"))),
            _ => {
                Err(CliError::Usage(format!("more than one workspace is called {named}: name it by its id")))
            }
        }
    }

    /// The team that is named by id or name.
    pub(super) async fn team(&self, workspace: WorkspaceId, named: &str) -> Result<TeamId, CliError> {
        let teams = self.all::<Team>(workspace).await?;
        let is_named = |team: &&Versioned<Team>| {
            team.document.id.to_string() == named || team.document.name.as_str() == named
        };
        let found = teams.iter().find(is_named).map(|team| team.document.id);
        found.ok_or_else(|| {
            CliError::Usage(format!("the workspace has no team {named}: see `switchboard team list`"))
        })
    }

    /// The agent that is named by e-mail or id, wherever in the installation.
    pub(super) async fn agent(&self, named: &str) -> Result<Versioned<Agent>, CliError> {
        let nobody =
            || CliError::Usage(format!("nobody has the e-mail or id {named}: see `switchboard agent list`"));
        if let Ok(email) = domain::Email::parse(named) {
            return self.identity.find_agent(&email).await?.ok_or_else(nobody);
        }
        for workspace in self.all::<Workspace>(INSTALLATION).await? {
            let records = self.records.as_ref();
            if let Some(found) = store::get::<Agent>(records, workspace.document.id, named).await? {
                return Ok(found);
            }
        }
        Err(nobody())
    }

    pub(super) async fn all<T: Document>(
        &self,
        workspace: WorkspaceId,
    ) -> Result<Vec<Versioned<T>>, StoreError> {
        store::all(self.records.as_ref(), workspace).await
    }

    /// Tells running servers that people, teams or sites were changed, so that they read them again within seconds.
    pub(super) async fn announce(&self) -> Result<(), CliError> {
        Ok(staffing::announce(self.records.as_ref(), self.clock.now()).await?)
    }
}

async fn must_be_there(config: &Config) -> Result<(), CliError> {
    if Database::is_there(config).await? {
        return Ok(());
    }
    let absent = match config.store.kind {
        StoreKind::Sqlite => {
            let dir = config.data_dir.display();
            let absent = if config.data_dir.exists() { "store in the data folder" } else { "data folder" };
            format!(
                "there is no {absent} {dir}: give the folder of the server with --data, such as --data ./data"
            )
        }
        StoreKind::Cql => format!(
            "there are no tables in the keyspace {}: give that of the server as store.cql.keyspace",
            config.store.cql.keyspace
        ),
    };
    Err(CliError::Usage(format!(
        "{absent}, or its file with --config; `workspace create` begins a new installation"
    )))
}
