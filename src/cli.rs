//! The command line. Commands that serve are only defined here: `main` runs them. The others ([`Tool`]) run here, each
//! to its end, and may run beside a server: it sees what they changed within four seconds.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use serde::Serialize;

use crate::config::{Config, ConfigError, Flags, parse_listen};
use crate::demo::Demo;

mod admin;
mod agent;
mod cluster;
mod config;
mod copy;
mod desk;
mod doctor;
mod error;
mod given;
mod password;
mod repair;
mod site;
mod source;
mod table;
mod team;
mod welcome;
mod workspace;

pub use error::CliError;
pub use source::Source;
pub use table::aside;
pub use welcome::welcome;

/// Self-hosted live-chat customer support.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "switchboard",
    version,
    after_help = "To look around: switchboard demo. To install: workspace create, admin create, team create, agent create, \
                  site create, serve, and doctor to see whether all is well. Each has --help with examples."
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Serve with a workspace, a site and log-ins to try it with
    #[command(
        after_help = "Examples:\n  switchboard demo\n  switchboard demo --ephemeral --listen 8081 --visitors 20"
    )]
    Demo(DemoArgs),
    /// Serve
    #[command(after_help = "Examples:\n  switchboard serve --config /etc/switchboard/switchboard.toml\n  \
                      switchboard serve --listen 0.0.0.0:8080 --public-url https://chat.example.org")]
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
    /// Make, list and disable agents
    #[command(subcommand)]
    Agent(agent::AgentCommand),
    /// Make and list teams, and change who is in them
    #[command(subcommand)]
    Team(team::TeamCommand),
    /// Make and list workspaces
    #[command(subcommand)]
    Workspace(workspace::WorkspaceCommand),
    /// Make and list sites
    #[command(subcommand)]
    Site(site::SiteCommand),
    /// Check or show the configuration
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// Look at the nodes of a cluster
    #[command(subcommand)]
    Cluster(cluster::ClusterCommand),
    /// Have a node of a cluster finish what it has, hand over, and end
    Drain(cluster::Drain),
    /// Move everything to another store, and compare
    Copy(copy::Copy),
    /// Look at configuration, folder and store, and say what is wrong
    Doctor(doctor::Doctor),
    /// Make anew what leads to conversations, after a restore of CQL servers
    Repair(repair::Repair),
    /// Print the version
    Version,
}

/// `demo`.
#[derive(Clone, Debug, Args)]
pub struct DemoArgs {
    /// Where to listen, such as 127.0.0.1:8080 or 8080; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", value_parser = parse_listen)]
    pub listen: Option<SocketAddr>,
    /// How browsers reach the server, such as https://chat.example.org; needed when it listens on more than this machine
    #[arg(long, value_name = "ORIGIN")]
    pub public_url: Option<String>,
    /// Where to keep everything
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Keep everything in a temporary folder that goes when the server stops
    #[arg(long, conflicts_with = "data")]
    pub ephemeral: bool,
    /// Have so many simulated visitors come and go
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = parse_visitors, allow_negative_numbers = true)]
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
    /// Where to listen, such as 127.0.0.1:8080 or 8080; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", value_parser = parse_listen)]
    pub listen: Option<SocketAddr>,
    /// How browsers reach the server, such as https://chat.example.org; needed when it listens on more than this machine
    #[arg(long, value_name = "ORIGIN")]
    pub public_url: Option<String>,
    /// Print one line of JSON on standard output once it serves
    #[arg(long)]
    pub ready_json: bool,
}

fn parse_visitors(text: &str) -> Result<u16, String> {
    text.parse().map_err(|_| format!("must be a whole number, 0 to {}", u16::MAX))
}

impl DemoArgs {
    /// The demo's configuration. An `--ephemeral` one is given its folder by the caller, in `data`.
    ///
    /// # Errors
    /// The setting that is wrong; the caller tells the person who started the program.
    pub fn load(self) -> Result<Config, ConfigError> {
        let flags = Flags { listen: self.listen, data_dir: self.data, public_url: self.public_url };
        Config::load(None, flags)
    }
}

impl ServeArgs {
    /// The server's configuration.
    ///
    /// # Errors
    /// The setting that is wrong; the caller tells the person who started the program.
    pub fn load(self) -> Result<Config, ConfigError> {
        let Source { data, .. } = self.source.clone();
        let flags = Flags { listen: self.listen, data_dir: data, public_url: self.public_url };
        Config::load(self.source.config.as_deref(), flags)
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

impl Tool {
    /// Does it, and says what to print.
    ///
    /// # Errors
    /// Why it was not done; [`CliError::exit_code`] is the program's.
    pub async fn run(self) -> Result<String, CliError> {
        match self {
            Self::Admin(command) => admin::run(command).await,
            Self::Agent(command) => agent::run(command).await,
            Self::Team(command) => team::run(command).await,
            Self::Workspace(command) => workspace::run(command).await,
            Self::Site(command) => site::run(command).await,
            Self::Config(command) => config::run(command),
            Self::Cluster(command) => cluster::run(command).await,
            Self::Drain(command) => cluster::drain(command).await,
            Self::Copy(command) => copy::run(command).await,
            Self::Doctor(command) => doctor::run(command).await,
            Self::Repair(command) => repair::run(command).await,
            Self::Version => Ok(format!("switchboard {}", env!("CARGO_PKG_VERSION"))),
        }
    }
}

#[cfg(test)]
mod tests;
