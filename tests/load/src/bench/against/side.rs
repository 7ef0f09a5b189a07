//! One of the two builds that are compared.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, ensure};
use driver::cql::Keyspace;
use driver::{Options, Sandbox};

use super::Scene;
use crate::on_runtime;

/// Where the program under test is.
const UNDER_TEST: &str = "target/release/switchboard";
/// Until a server has made its tables on nodes that have much to do.
const READY_ON_CQL: Duration = Duration::from_secs(300);

pub(super) struct Side {
    pub(super) name: &'static str,
    /// As it was named.
    program: PathBuf,
    /// With what the program says of itself.
    version: String,
    /// Which settings it must do without is among them.
    options: Options,
}

impl Side {
    /// `program`: none is the program under test.
    pub(super) fn new(name: &'static str, program: Option<&Path>) -> anyhow::Result<Self> {
        let whole = program.map_or_else(|| Ok(driver::binary()), Path::canonicalize);
        let program = program.map_or_else(|| PathBuf::from(UNDER_TEST), Path::to_owned);
        let whole = whole.with_context(|| program.display().to_string())?;
        let ran = Command::new(&whole).arg("--version").output();
        let ran = ran.with_context(|| format!("cannot run {}", program.display()))?;
        let version = String::from_utf8_lossy(&ran.stdout).trim().to_owned();
        eprintln!("{name}: {} ({version})", program.display());
        let options = on_runtime(fit(Options::default().binary(&whole)))?;
        Ok(Self { name, program, version, options })
    }

    /// A server on SQLite.
    pub(super) fn options(&self) -> Options {
        self.options.clone()
    }

    /// A server in this keyspace, by way of these contact points.
    pub(super) fn on_cql(&self, keyspace: &Keyspace, contact_points: &[String]) -> Options {
        self.options().and(keyspace.options_through(contact_points)).ready_within(READY_ON_CQL)
    }

    /// A server on the scene's store, which it has to itself.
    pub(super) fn on_store(&self, scene: &Scene) -> Options {
        match scene.keyspace() {
            Some(keyspace) => self.on_cql(&keyspace, &scene.nodes),
            None => self.options(),
        }
    }
}

impl fmt::Display for Side {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "`{}` ({})", self.program.display(), self.version)
    }
}

/// Leaves out the settings of today that this program refuses, as it does not know them. It names one at a start.
async fn fit(mut options: Options) -> anyhow::Result<Options> {
    loop {
        let Err(error) = Sandbox::start(Options::unlimited().and(options.clone())).await else {
            return Ok(options);
        };
        let error = format!("{error:#}");
        let unknown = unknown_variable(&error).with_context(|| error.clone())?;
        let known = Options::unlimited().and(options.clone());
        ensure!(known.variables().iter().any(|(name, _)| *name == unknown), "{error}");
        eprintln!("without {unknown}");
        options = options.without(unknown);
    }
}

/// The variable that a server which did not start named.
fn unknown_variable(error: &str) -> Option<&str> {
    let (_, behind) = error.rsplit_once("the environment variable ")?;
    let (name, _) = behind.split_once(" names no setting")?;
    (!name.contains(char::is_whitespace)).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_names_the_variable_that_it_does_not_know() {
        let error = "the server ended before it was ready: Error: the environment variable SWITCHBOARD_LIMITS__X names no \
                     setting; did you mean SWITCHBOARD_LIMITS__Y?";
        assert_eq!(unknown_variable(error), Some("SWITCHBOARD_LIMITS__X"));
        for other in ["", "the environment variable A = \"b\": must be a number\n names no setting"] {
            assert_eq!(unknown_variable(other), None, "{other}");
        }
    }
}
