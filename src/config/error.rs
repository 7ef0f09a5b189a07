//! What is wrong with a setting, in words for the person who gave it.

use std::path::PathBuf;

/// A setting is wrong. The message names the key or variable, its value and the rule.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file is not there or cannot be read.
    #[error("cannot read the config file {path}: {cause}")]
    Unreadable {
        /// As it was given.
        path: PathBuf,
        /// What the system says.
        cause: std::io::Error,
    },
    /// The file is not TOML, or has a key or a type that no setting has; the message shows the line.
    #[error("the config file {path} is wrong: {message}")]
    File {
        /// As it was given.
        path: PathBuf,
        /// Line, column and what was expected.
        message: String,
    },
    /// A `SWITCHBOARD_` variable that no setting has.
    #[error("the environment variable {variable} names no setting{hint}")]
    UnknownVariable {
        /// Its name.
        variable: String,
        /// What was probably meant, or where all of them stand.
        hint: String,
    },
    /// A variable's value does not fit its setting.
    #[error("the environment variable {variable} = {value:?}: {rule}")]
    Variable {
        /// Its name.
        variable: String,
        /// As it was given.
        value: String,
        /// What it must be.
        rule: String,
    },
    /// A value that a rule refuses, wherever it came from.
    #[error("{key} = {value}: {rule}")]
    Value {
        /// Its path in the file.
        key: String,
        /// As it would have held.
        value: String,
        /// What it must be.
        rule: String,
    },
}

impl ConfigError {
    pub(super) fn value(key: impl Into<String>, value: impl ToString, rule: impl Into<String>) -> Self {
        Self::Value { key: key.into(), value: value.to_string(), rule: rule.into() }
    }
}
