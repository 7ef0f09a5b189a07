//! The servers that are compared, each on the one core that is the server's.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, bail};
use driver::{Options, Sandbox};
use serde::Deserialize;
use tempfile::TempDir;

use super::SERVER_CORE;
use crate::cast::{Cast, Size, Target};
use crate::on_runtime;

/// A running server; dropping it ends it and removes what it kept.
pub(super) enum Server {
    Switchboard(&'static str, Box<Sandbox>),
    Baseline(Baseline),
}

/// What stands in for the log of a baseline.
#[derive(Clone, Copy)]
pub(super) enum Log {
    Sqlite,
    File,
}

pub(super) struct Baseline {
    log: Log,
    child: Child,
    ready: Ready,
    /// Removed after the child has ended.
    _folder: TempDir,
}

#[derive(Deserialize)]
struct Ready {
    url: String,
    pid: u32,
}

impl Server {
    /// `options` say where it keeps its data.
    pub(super) fn switchboard(name: &'static str, options: Options) -> anyhow::Result<Self> {
        let options = Options::unlimited().core(SERVER_CORE).and(options);
        Ok(Self::Switchboard(name, Box::new(on_runtime(Sandbox::start(options))?)))
    }

    pub(super) fn baseline(log: Log, conversations: usize) -> anyhow::Result<Self> {
        Ok(Self::Baseline(Baseline::start(log, conversations)?))
    }

    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Switchboard(name, _) => name,
            Self::Baseline(Baseline { log: Log::Sqlite, .. }) => "(a) bare, SQLite log",
            Self::Baseline(Baseline { log: Log::File, .. }) => "(b) bare, plain file",
        }
    }

    pub(super) fn pid(&self) -> anyhow::Result<u32> {
        match self {
            Self::Switchboard(_, sandbox) => sandbox.pid(),
            Self::Baseline(baseline) => Ok(baseline.ready.pid),
        }
    }

    /// Those who write to it and look on.
    pub(super) fn cast(&self, size: Size) -> anyhow::Result<Cast> {
        match self {
            Self::Switchboard(_, sandbox) => Cast::of_switchboard(&Target::from(sandbox.ready()), size),
            Self::Baseline(baseline) => Cast::of_baseline(&baseline.ready.url, size),
        }
    }
}

impl Baseline {
    fn start(log: Log, conversations: usize) -> anyhow::Result<Self> {
        let folder = TempDir::with_prefix("switchboard-baseline-")?;
        let kind = match log {
            Log::Sqlite => "sqlite",
            Log::File => "file",
        };
        let errors = File::create(folder.path().join("stderr.log"))?;
        let mut child = Command::new("taskset")
            .args(["--cpu-list", &SERVER_CORE.to_string()])
            .arg(binary()?)
            .args([kind, "--conversations", &conversations.to_string(), "--data"])
            .arg(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(errors)
            .spawn()
            .context("taskset (of util-linux) cannot be run")?;
        let mut line = String::new();
        let stdout = child.stdout.take().expect("it is piped");
        let read = BufReader::new(stdout).read_line(&mut line);
        let ready = read.map_err(anyhow::Error::from).and_then(|_| Ok(serde_json::from_str(&line)?));
        match ready {
            Ok(ready) => Ok(Self { log, child, ready, _folder: folder }),
            Err(error) => {
                end(&mut child);
                Err(error).with_context(|| format!("the baseline did not start: {line}"))
            }
        }
    }
}

impl Drop for Baseline {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

fn end(child: &mut Child) {
    // Both fail only when it has already ended.
    let _ = child.kill();
    let _ = child.wait();
}

/// Built into the same folder as this program.
fn binary() -> anyhow::Result<PathBuf> {
    let binary = std::env::current_exe()?.with_file_name("baseline");
    if !binary.exists() {
        bail!("{} is missing: cargo build --release --workspace", binary.display());
    }
    Ok(binary)
}
