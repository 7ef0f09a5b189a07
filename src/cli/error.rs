//! Why a command did not do what it was told, and the exit code of each reason.

use std::io;

use cluster::StartError;
use domain::TextError;
use identity::AccountError;
use store::copy::CopyError;
use store::{RecordError, StoreError};

use crate::blobs::BlobsError;
use crate::config::ConfigError;
use crate::database::DatabaseError;

/// A command did not do what it was told.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// What was asked for cannot be: the text says why.
    #[error("{0}")]
    Usage(String),
    /// It was understood, and what is there forbids it: the text says why, and what to do.
    #[error("{0}")]
    Refused(String),
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
    /// The target cannot be written to.
    #[error(transparent)]
    Start(#[from] StartError),
    /// Uploaded files cannot be reached.
    #[error(transparent)]
    Blobs(#[from] BlobsError),
    /// A file cannot be written.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Logs lack events in their middle.
    #[error("the backup lacks messages of these: {0}")]
    Holes(String),
    /// `doctor` found something.
    #[error("{count} of these failed")]
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
    /// 2 for what the person who typed the command can put right there, 1 for everything else.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) | Self::Config(_) => 2,
            Self::Database(error) => error.exit_code(),
            Self::Refused(_)
            | Self::Record(_)
            | Self::Account(_)
            | Self::Copy(_)
            | Self::Start(_)
            | Self::Blobs(_)
            | Self::Io(_)
            | Self::Holes(_)
            | Self::Unwell { .. } => 1,
        }
    }

    /// A text of a flag breaks a rule.
    pub(super) fn flag(flag: &str) -> impl Fn(TextError) -> Self {
        move |error| Self::Usage(format!("{flag} {error}"))
    }
}

impl From<StoreError> for CliError {
    fn from(error: StoreError) -> Self {
        Self::Record(error.into())
    }
}
