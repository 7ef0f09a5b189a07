//! One server of its own for a test: the release binary on a temporary folder and a free port.

use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
pub use rustix::process::Signal;
use rustix::process::{Pid, kill_process};
use serde::Deserialize;
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

use crate::api::Api;
use crate::binary::binary;
use crate::process;

/// How long a start may take, its recovery included, unless its options say otherwise.
const READY_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a drain may take.
const EXIT_TIMEOUT: Duration = Duration::from_secs(60);
/// Of the log, in an error message.
const LOG_TAIL_LINES: usize = 20;

/// An address and a password to log in with.
#[derive(Clone, Debug, Deserialize)]
pub struct Login {
    /// Its address.
    pub email: String,
    /// Its password.
    pub password: String,
}

/// An agent of the demo's team.
#[derive(Clone, Debug, Deserialize)]
pub struct AgentLogin {
    /// Its id.
    pub agent_id: String,
    /// Its address.
    pub email: String,
    /// Its password.
    pub password: String,
}

/// What `demo --ready-json` says once it serves.
#[derive(Clone, Debug, Deserialize)]
pub struct Ready {
    /// Where it serves, without a slash at the end.
    pub url: String,
    /// The server's process.
    pub pid: u32,
    /// The one workspace.
    pub workspace_id: String,
    /// Its one site.
    pub site_id: String,
    /// The site's public key.
    pub site_key: String,
    /// An origin that the site lists.
    pub origin: String,
    /// The site's team.
    pub team_id: String,
    /// The first admin.
    pub admin: Login,
    /// Two agents of the team.
    pub agents: Vec<AgentLogin>,
}

/// How a [`Sandbox`] starts its server.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// None: the program under test.
    binary: Option<PathBuf>,
    environment: Vec<(String, String)>,
    /// Of the environment, what this server does not get.
    without: Vec<String>,
    arguments: Vec<String>,
    core: Option<usize>,
    ready_within: Option<Duration>,
}

impl Options {
    /// Without the limits that keep one client in its place, for tests that are many clients at once.
    pub fn unlimited() -> Self {
        let off = [
            "sockets_per_visitor",
            "sockets_per_agent",
            "sockets_per_address",
            "connections_per_address",
            "frames_burst",
            "visitor_send_burst",
            "agent_send_burst",
            "conversations_per_minute_per_address",
            "visitors_per_minute_per_address",
            "logins_per_15min_per_account",
            "logins_per_15min_per_account_everywhere",
            "logins_per_15min_per_address",
            "open_conversations_per_visitor",
            "failed_hellos_per_minute_per_address",
            "changes_burst",
            "read_bytes_burst",
            "address_read_bytes_burst",
            "upload_bytes_per_day_per_visitor",
            "upload_bytes_per_day_per_site",
            "upload_bytes_per_day_per_workspace",
            "upload_bytes_per_day_per_address",
        ];
        let options = off.into_iter().fold(Self::default(), |options, name| options.limit(name, 0));
        options.limit("hellos_per_s", 100_000)
    }

    /// Sets one of the config's `[limits]`.
    pub fn limit(self, name: &str, value: u64) -> Self {
        self.setting(&format!("limits.{name}"), &value.to_string())
    }

    /// Sets a value of the config by its path, as in `routing.agent_grace_s`.
    pub fn setting(self, path: &str, value: &str) -> Self {
        let name = format!("SWITCHBOARD_{}", path.to_uppercase().replace('.', "__"));
        self.environment(&name, value)
    }

    /// Keeps its data in this keyspace of CQL servers, which is made when it is missing.
    pub fn on_cql(self, contact_points: &[String], keyspace: &str) -> Self {
        let nodes = serde_json::Value::from(contact_points).to_string();
        let options = self.setting("store.kind", "cql").setting("store.cql.nodes", &nodes);
        options.setting("store.cql.keyspace", keyspace)
    }

    /// Starts this program, as of an earlier commit, in place of the program under test.
    pub fn binary(mut self, binary: &Path) -> Self {
        self.binary = Some(binary.to_owned());
        self
    }

    /// Sets a variable of the server's environment, which is otherwise empty.
    pub fn environment(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Leaves a variable out, wherever it is set: a server refuses those that it does not know.
    pub fn without(mut self, name: &str) -> Self {
        self.without.push(name.to_owned());
        self
    }

    /// The environment that the server has, for a command beside it.
    pub fn variables(&self) -> Vec<(&str, &str)> {
        let all = self.environment.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        all.filter(|(name, _)| !self.without.iter().any(|left_out| left_out == name)).collect()
    }

    /// Adds an argument to the command line.
    pub fn argument(mut self, argument: &str) -> Self {
        self.arguments.push(argument.to_owned());
        self
    }

    /// Holds the server on one core, counted from 0.
    pub fn core(mut self, core: usize) -> Self {
        self.core = Some(core);
        self
    }

    /// Lets a start take so long: many tables take their time on a busy store.
    pub fn ready_within(mut self, patience: Duration) -> Self {
        self.ready_within = Some(patience);
        self
    }

    /// These and `more`, which win where both set the same.
    pub fn and(mut self, more: Self) -> Self {
        self.binary = more.binary.or(self.binary);
        self.environment.extend(more.environment);
        self.without.extend(more.without);
        self.arguments.extend(more.arguments);
        self.core = more.core.or(self.core);
        self.ready_within = more.ready_within.or(self.ready_within);
        self
    }

    fn patience(&self) -> Duration {
        self.ready_within.unwrap_or(READY_TIMEOUT)
    }

    fn command(&self) -> Command {
        let binary = self.binary.clone().unwrap_or_else(binary);
        let mut command = match self.core {
            Some(core) => {
                let mut taskset = Command::new("taskset");
                taskset.args(["--cpu-list", &core.to_string()]).arg(binary);
                taskset
            }
            None => Command::new(binary),
        };
        // What the caller's shell happens to set must not configure the server.
        command.env_clear().env("PATH", "/usr/bin:/bin").envs(self.variables());
        command
    }
}

/// A running server, or one that was stopped and can be started again on the same folder and port.
///
/// Dropping it kills the server and removes the folder.
#[derive(Debug)]
pub struct Sandbox {
    options: Options,
    folder: TempDir,
    listen: SocketAddr,
    ready: Ready,
    /// None: stopped.
    child: Option<Child>,
}

impl Sandbox {
    /// Starts a server on a new folder and a free port, and waits until it serves.
    ///
    /// # Panics
    ///
    /// When the binary has not been built.
    pub async fn start(options: Options) -> anyhow::Result<Self> {
        let folder = TempDir::with_prefix("switchboard-")?;
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut child = spawn(&options, folder.path(), listen)?;
        let stdout = child.stdout.take().expect("it is piped");
        let mut child = Running(Some(child));
        let ready = await_ready(stdout, options.patience()).await.with_context(|| log_tail(folder.path()))?;
        let listen = address(&ready)?;
        Ok(Self { options, folder, listen, ready, child: child.0.take() })
    }

    /// What the server said when it began to serve, the last time.
    pub fn ready(&self) -> &Ready {
        &self.ready
    }

    /// A new client, which stays good over restarts.
    pub fn api(&self) -> Api {
        Api::new(self.listen)
    }

    /// Stops it as a lack of memory would: SIGKILL, and waits until it is gone. One that has ended by itself is an
    /// error: it crashed.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        let mut child = self.child.take().context("the server is not running")?;
        if let Some(status) = child.try_wait()? {
            bail!("the server had ended by itself: {status}\n{}", self.log_tail());
        }
        child.kill()?;
        child.wait()?;
        Ok(())
    }

    /// Starts it again, killed before if it still runs, and waits until it serves.
    pub async fn restart(&mut self) -> anyhow::Result<()> {
        self.restart_unready()?;
        let stdout = self.child.as_mut().and_then(|child| child.stdout.take()).expect("it is piped");
        self.ready = await_ready(stdout, self.options.patience()).await.with_context(|| self.log_tail())?;
        Ok(())
    }

    /// Starts it again and does not wait, so that it can be killed while it starts.
    pub fn restart_unready(&mut self) -> anyhow::Result<()> {
        if self.child.is_some() {
            self.kill()?;
        }
        self.child = Some(spawn(&self.options, self.folder.path(), self.listen)?);
        Ok(())
    }

    /// Asks it to drain and end (SIGTERM), and gives its exit code.
    pub async fn terminate(&mut self) -> anyhow::Result<i32> {
        self.signal(Signal::TERM)?;
        self.exit_code(EXIT_TIMEOUT).await
    }

    /// Gives it a signal, and does not wait.
    pub fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        let child = self.child.as_ref().context("the server is not running")?;
        Ok(kill_process(Pid::from_child(child), signal)?)
    }

    /// The exit code of a server that ends by itself, or was asked to, within this time.
    pub async fn exit_code(&mut self, within: Duration) -> anyhow::Result<i32> {
        let mut child = Running(Some(self.child.take().context("the server is not running")?));
        let running = child.0.as_mut().expect("it was just put there");
        let begun = Instant::now();
        loop {
            if let Some(status) = running.try_wait()? {
                return status.code().context("the server was ended by a signal");
            }
            if begun.elapsed() > within {
                bail!("the server did not end within {within:?}\n{}", self.log_tail());
            }
            sleep(Duration::from_millis(10)).await;
        }
    }

    /// The server's process.
    pub fn pid(&self) -> anyhow::Result<u32> {
        Ok(self.child.as_ref().context("the server is not running")?.id())
    }

    /// Memory that the server holds in RAM.
    pub fn rss_bytes(&self) -> anyhow::Result<u64> {
        Ok(process::rss_bytes(self.pid()?)?)
    }

    /// CPU time that the server's threads have used.
    pub fn cpu(&self) -> anyhow::Result<Duration> {
        Ok(process::cpu(self.pid()?)?)
    }

    /// The folder with the server's data (`data/`) and log (`stderr.log`).
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// All that the server logged, over all its starts.
    pub fn log(&self) -> anyhow::Result<String> {
        Ok(fs::read_to_string(log_path(self.folder.path()))?)
    }

    /// Leaves the folder behind when the sandbox goes, to be looked at.
    pub fn keep_folder(&mut self) -> PathBuf {
        self.folder.disable_cleanup(true);
        self.folder.path().to_owned()
    }

    fn log_tail(&self) -> String {
        log_tail(self.folder.path())
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        // Before the folder goes: the server would write into what is being removed.
        drop(Running(self.child.take()));
    }
}

/// A child that does not outlive the function that waits for it.
struct Running(Option<Child>);

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            // Both fail only when it has already ended.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn spawn(options: &Options, folder: &Path, listen: SocketAddr) -> anyhow::Result<Child> {
    let log = OpenOptions::new().create(true).append(true).open(log_path(folder))?;
    let child = options
        .command()
        .args(["demo", "--ready-json", "--listen", &listen.to_string(), "--data"])
        .arg(folder.join("data"))
        .args(&options.arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log)
        .spawn()?;
    Ok(child)
}

/// The first line of standard output; the rest is read and dropped, so that the server never waits for its reader.
async fn await_ready(stdout: ChildStdout, patience: Duration) -> anyhow::Result<Ready> {
    let (told, line) = oneshot::channel();
    std::thread::spawn(move || {
        let mut stdout = BufReader::new(stdout);
        let mut line = String::new();
        let read = stdout.read_line(&mut line).map(|_| line);
        // Nobody waits for it any more when it came too late.
        let _ = told.send(read);
        let mut rest = [0; 4096];
        while stdout.read(&mut rest).is_ok_and(|read| read > 0) {}
    });
    let line = timeout(patience, line)
        .await
        .with_context(|| format!("the server was not ready within {patience:?}"))?
        .expect("the reader always tells")?;
    if line.is_empty() {
        bail!("the server ended before it was ready");
    }
    serde_json::from_str(&line).with_context(|| format!("not a ready line: {line}"))
}

fn address(ready: &Ready) -> anyhow::Result<SocketAddr> {
    let authority = ready.url.strip_prefix("http://").context("the server's url is not http")?;
    authority.parse().with_context(|| format!("the server's url names no address: {}", ready.url))
}

fn log_path(folder: &Path) -> PathBuf {
    folder.join("stderr.log")
}

fn log_tail(folder: &Path) -> String {
    let log = fs::read_to_string(log_path(folder)).unwrap_or_else(|error| format!("no log: {error}"));
    let lines: Vec<&str> = log.lines().collect();
    let tail = &lines[lines.len().saturating_sub(LOG_TAIL_LINES)..];
    format!("the server's log ends with:\n{}", tail.join("\n"))
}
