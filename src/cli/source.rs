//! The flags that say where configuration and data are, and how a list is printed.

use std::path::PathBuf;

use clap::Args;

use crate::config::{Config, ConfigError, Flags};

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

impl Source {
    /// The configuration as the server would have it, but for the flags that only a server takes.
    ///
    /// # Errors
    /// The setting that is wrong; the caller tells the person who typed the command.
    pub(super) fn load(&self) -> Result<Config, ConfigError> {
        Config::load(self.config.as_deref(), self.flags())
    }

    pub(super) fn flags(&self) -> Flags {
        Flags { data_dir: self.data.clone(), ..Flags::default() }
    }
}

/// How what a command found is printed.
#[derive(Clone, Copy, Debug, Default, Args)]
pub(super) struct Form {
    /// Print JSON, for scripts; without it a list is a table for people, and all else is JSON anyway
    #[arg(long)]
    pub json: bool,
}

/// What a `list` of a workspace's things takes.
#[derive(Clone, Debug, Args)]
pub struct List {
    /// Only those of this workspace, by name or id
    #[arg(long, value_name = "WORKSPACE")]
    pub(super) workspace: Option<String>,
    #[command(flatten)]
    pub(super) form: Form,
    #[command(flatten)]
    pub(super) source: Source,
}
