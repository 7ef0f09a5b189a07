//! The command line. Commands that serve are only defined here: `main` runs them. The others ([`Tool`]) run here, each
//! to its end, and may run beside a server: it sees what they changed within four seconds.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use actors::Clock;
use clap::{Args, Parser, Subcommand};
use domain::{TextError, WorkspaceId};
use serde::Serialize;
use store::copy::CopyError;
use store::sqlite::Access;
use store::{Document, INSTALLATION, RecordError, Records, StoreError, Versioned};

use crate::blobs::BlobsError;
use crate::config::{Config, ConfigError, Flags};
use crate::database::{Database, DatabaseError};
use crate::demo::Demo;
use crate::identity::{AccountError, Identity};

mod admin;
mod copy;
mod doctor;
mod site;
mod workspace;

/// Self-hosted live-chat customer support.
#[derive(Clone, Debug, Parser)]
#[command(name = "switchboard", version)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Serve with a workspace, a site and log-ins to try it with
    Demo(DemoArgs),
    /// Serve
    Serve(ServeArgs),
    /// Print the API's OpenAPI document
    Openapi,
    /// One that runs to its end.
    #[command(flatten)]
    Tool(Tool),
}

/// The commands that serve nothing.
#[derive(Clone, Debug, Subcommand)]
pub enum Tool {
    /// Make admins and reset passwords
    #[command(subcommand)]
    Admin(admin::Admin),
    /// Make workspaces
    #[command(subcommand)]
    Workspace(workspace::Create),
    /// Make sites
    #[command(subcommand)]
    Site(site::Create),
    /// Check or show the configuration
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Move everything to another store, and compare
    Copy(copy::Copy),
    /// Look at configuration, folder and store, and say what is wrong
    Doctor(doctor::Doctor),
    /// Print the version
    Version,
}

/// `demo`.
#[derive(Clone, Debug, Args)]
pub struct DemoArgs {
    /// Where to listen; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<SocketAddr>,
    /// Where to keep everything
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Keep everything in a temporary folder that goes when the server stops
    #[arg(long, conflicts_with = "data")]
    pub ephemeral: bool,
    /// Have so many simulated visitors come and go
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub visitors: u16,
    /// Print one line of JSON on standard output once it serves
    #[arg(long)]
    pub ready_json: bool,
}

/// `serve`.
#[derive(Clone, Debug, Args)]
pub struct ServeArgs {
    /// What it serves, and how.
    #[command(flatten)]
    pub source: Source,
    /// Where to listen; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<SocketAddr>,
    /// Print one line of JSON on standard output once it serves
    #[arg(long)]
    pub ready_json: bool,
}

/// Where the configuration and the data are.
#[derive(Clone, Debug, Default, Args)]
pub struct Source {
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The data folder, over that of the configuration
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
}

/// `config`.
#[derive(Clone, Debug, Subcommand)]
pub enum ConfigCommand {
    /// Say whether the configuration is right
    Check(Source),
    /// Print the configuration as it holds, with environment and defaults
    Show(Source),
}

impl DemoArgs {
    /// The demo's configuration. An `--ephemeral` one is given its folder by the caller, in `data`.
    pub fn load(self) -> Result<Config, ConfigError> {
        Config::load(None, Flags { listen: self.listen, data_dir: self.data })
    }
}

impl ServeArgs {
    /// The server's configuration.
    pub fn load(self) -> Result<Config, ConfigError> {
        let flags = Flags { listen: self.listen, data_dir: self.source.data };
        Config::load(self.source.config.as_deref(), flags)
    }
}

impl Source {
    fn load(self) -> Result<Config, ConfigError> {
        Config::load(self.config.as_deref(), Flags { listen: None, data_dir: self.data })
    }
}

/// The line of `--ready-json`.
#[derive(Clone, Debug, Serialize)]
pub struct Ready<'a> {
    /// Where it serves.
    pub url: &'a str,
    /// The process that serves.
    pub pid: u32,
    /// What a demo made.
    #[serde(flatten)]
    pub demo: Option<&'a Demo>,
}

impl Ready<'_> {
    /// As one line of JSON.
    pub fn to_line(&self) -> String {
        serde_json::to_string(self).expect("it is strings and a number")
    }
}

/// A command did not do what it was told.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// What was asked for cannot be: the text says why.
    #[error("{0}")]
    Usage(String),
    /// The configuration is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The store cannot be opened.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The store refused or failed.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The move to another store did not come to its end.
    #[error(transparent)]
    Copy(#[from] CopyError),
    /// Uploaded files cannot be reached.
    #[error(transparent)]
    Blobs(#[from] BlobsError),
    /// A file cannot be written.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// `doctor` found something.
    #[error("{report}{count} wrong")]
    Unwell {
        /// All that it found.
        report: String,
        /// How much of it is wrong.
        count: usize,
    },
    /// An agent was not made or changed.
    #[error(transparent)]
    Account(#[from] AccountError),
}

impl CliError {
    /// 2 for what whoever typed the command can put right there, 1 for everything else.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) | Self::Config(_) => 2,
            Self::Database(error) => error.exit_code(),
            Self::Record(_)
            | Self::Account(_)
            | Self::Copy(_)
            | Self::Blobs(_)
            | Self::Io(_)
            | Self::Unwell { .. } => 1,
        }
    }

    /// A text of a flag breaks a rule.
    fn flag(flag: &str) -> impl Fn(TextError) -> Self {
        move |error| Self::Usage(format!("{flag} {error}"))
    }
}

impl From<StoreError> for CliError {
    fn from(error: StoreError) -> Self {
        Self::Record(error.into())
    }
}

impl Tool {
    /// Does it, and says what to print.
    pub async fn run(self) -> Result<String, CliError> {
        match self {
            Self::Admin(command) => admin::run(command).await,
            Self::Workspace(command) => workspace::run(command).await,
            Self::Site(command) => site::run(command).await,
            Self::Config(ConfigCommand::Check(source)) => {
                source.load()?;
                Ok("the configuration is right".to_owned())
            }
            Self::Config(ConfigCommand::Show(source)) => Ok(source.load()?.to_toml().trim_end().to_owned()),
            Self::Copy(command) => copy::run(command).await,
            Self::Doctor(command) => doctor::run(command).await,
            Self::Version => Ok(format!("switchboard {}", env!("CARGO_PKG_VERSION"))),
        }
    }
}

/// The store that a command works on, beside a server or without one.
struct Desk {
    identity: Identity,
    records: Arc<dyn Records>,
    clock: Clock,
    database: Database,
}

impl Desk {
    async fn open(source: Source) -> Result<Self, CliError> {
        let config = source.load()?;
        let database = Database::open(&config, Access::Beside).await?;
        let records = database.store().records;
        let clock = Clock::system();
        Ok(Self { identity: Identity::new(Arc::clone(&records), clock.clone()), records, clock, database })
    }

    /// The one that is named, or the only one that there is.
    async fn workspace(&self, named: Option<&str>) -> Result<WorkspaceId, CliError> {
        let all = self.all::<domain::Workspace>(INSTALLATION).await?;
        let ids: Vec<WorkspaceId> = all.iter().map(|workspace| workspace.document.id).collect();
        match (named, ids.as_slice()) {
            (Some(named), ids) => ids
                .iter()
                .find(|id| id.to_string() == named)
                .copied()
                .ok_or_else(|| CliError::Usage(format!("there is no workspace {named}"))),
            (None, []) => {
                Err(CliError::Usage("there is no workspace yet: run `workspace create` first".into()))
            }
            (None, [only]) => Ok(*only),
            (None, several) => {
                Err(CliError::Usage(format!("--workspace must name one of {}", listed(several))))
            }
        }
    }

    async fn all<T: Document>(&self, workspace: WorkspaceId) -> Result<Vec<Versioned<T>>, StoreError> {
        store::all(self.records.as_ref(), workspace).await
    }

    async fn close(self) {
        self.database.close().await;
    }
}

fn listed(ids: &[impl ToString]) -> String {
    ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// What a command made, for people and for scripts.
fn printed(made: &impl Serialize) -> String {
    serde_json::to_string_pretty(made).expect("it is a struct of strings and lists")
}

#[cfg(test)]
mod tests;
