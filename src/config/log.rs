//! `[log]`: what is logged, to standard error.

use documented::DocumentedFields;
use serde::{Deserialize, Serialize};

/// `[log]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, DocumentedFields)]
#[serde(deny_unknown_fields, default)]
pub struct LogConfig {
    /// How much is logged, to standard error: `off`, `error` (a person must act), `warn` (unexpected, went on), `info` (a
    /// state changed), `debug` or `trace`.
    pub level: LogLevel,
    /// How a line looks: `json`, an object a line, or `text`, for people.
    pub format: LogFormat,
}

/// Lines below this level are left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogLevel {
    /// Nothing is logged.
    Off,
    /// A person must act.
    Error,
    /// Unexpected, and it went on.
    Warn,
    /// A state changed.
    #[default]
    Info,
    /// What helps to find a fault.
    Debug,
    /// Everything.
    Trace,
}

/// How a line of the log looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// One JSON object a line.
    #[default]
    Json,
    /// For people.
    Text,
}
