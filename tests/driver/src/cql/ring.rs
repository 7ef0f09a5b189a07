//! A ring of real nodes for one test, which may kill and freeze them.

use std::ffi::OsStr;
use std::fs::{self, File, TryLockError};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail, ensure};

use crate::ROOT;

/// As many rings may stand at a time; each is three nodes of half a gigabyte.
const RINGS_MAX: usize = 8;

/// One to three nodes of Apache Cassandra, run by `deploy/dev/cassandra` on addresses that are free. Nodes are counted
/// from 1, as in their addresses.
///
/// Dropping it kills them and removes their data. What a killed test leaves behind is removed by a later ring.
#[derive(Debug)]
pub struct Ring {
    home: Home,
    nodes: Vec<SocketAddr>,
}

impl Ring {
    /// Starts so many nodes without any data, and waits until they serve: 10 to 30 s.
    pub async fn start(nodes: usize) -> anyhow::Result<Self> {
        Self::start_with(nodes, &[]).await
    }

    /// Starts one node that speaks only TLS, signed by [`Self::authority`], and asks for a log-in: the first role is
    /// `cassandra`, and so is its password.
    pub async fn start_secure() -> anyhow::Result<Self> {
        Self::start_with(1, &[("CASS_SECURE", "1")]).await
    }

    async fn start_with(
        nodes: usize,
        environment: &'static [(&'static str, &'static str)],
    ) -> anyhow::Result<Self> {
        let (home, points) = blocking(move || {
            let home = Home::take()?;
            home.run(&["wipe"])?;
            // From here on a failure wipes it, too.
            let points = run(&home.folder, &["start", &nodes.to_string()], environment)?;
            Ok((home, points))
        })
        .await?;
        let nodes = points.trim().split(',').map(str::parse).collect::<Result<_, _>>();
        Ok(Self { home, nodes: nodes.with_context(|| format!("no addresses: {points}"))? })
    }

    /// Where the nodes serve, in their order.
    pub fn nodes(&self) -> &[SocketAddr] {
        &self.nodes
    }

    /// A driver's contact points, in the order of the nodes.
    pub fn contact_points(&self) -> Vec<String> {
        self.nodes.iter().map(SocketAddr::to_string).collect()
    }

    /// The PEM file with who signs a secure node's certificate.
    pub fn authority(&self) -> PathBuf {
        self.home.folder.join("ca.pem")
    }

    /// Kills a node as a power cut would, and waits until it is gone.
    pub async fn kill(&self, node: usize) -> anyhow::Result<()> {
        self.run("kill", &[node]).await
    }

    /// Kills all nodes at once, and waits until they are gone.
    pub async fn kill_all(&self) -> anyhow::Result<()> {
        self.run("kill", &self.all()).await
    }

    /// Freezes a node: its connections stay, and nothing answers.
    pub async fn pause(&self, node: usize) -> anyhow::Result<()> {
        self.run("pause", &[node]).await
    }

    /// Lets a frozen node go on.
    pub async fn resume(&self, node: usize) -> anyhow::Result<()> {
        self.run("resume", &[node]).await
    }

    /// Starts these nodes again on their data, and waits until they serve.
    pub async fn restart(&self, nodes: &[usize]) -> anyhow::Result<()> {
        self.run("restart", nodes).await
    }

    /// Every node's number.
    pub fn all(&self) -> Vec<usize> {
        (1..=self.nodes.len()).collect()
    }

    async fn run(&self, command: &str, nodes: &[usize]) -> anyhow::Result<()> {
        ensure!(nodes.iter().all(|node| self.all().contains(node)), "no such node: {nodes:?}");
        let mut arguments = vec![command.to_owned()];
        arguments.extend(nodes.iter().map(usize::to_string));
        let folder = self.home.folder.clone();
        blocking(move || run(&folder, &arguments, &[])).await?;
        Ok(())
    }
}

/// A folder below `target/` that no other ring uses, of this process or another; wiped when it is dropped.
#[derive(Debug)]
struct Home {
    folder: PathBuf,
    /// Locked. The system lets go of it when the process dies.
    _lock: File,
}

impl Home {
    fn take() -> anyhow::Result<Self> {
        let rings = Path::new(ROOT).join("target/cassandra-rings");
        fs::create_dir_all(&rings)?;
        for number in 1..=RINGS_MAX {
            let lock = File::create(rings.join(format!("{number}.lock")))?;
            match lock.try_lock() {
                Ok(()) => return Ok(Self { folder: rings.join(number.to_string()), _lock: lock }),
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => return Err(error.into()),
            }
        }
        bail!("{RINGS_MAX} rings stand already")
    }

    fn run(&self, arguments: &[&str]) -> anyhow::Result<String> {
        run(&self.folder, arguments, &[])
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        if let Err(error) = self.run(&["wipe"]) {
            eprintln!("a ring was not removed: {error:#}");
        }
    }
}

/// Runs `deploy/dev/cassandra` for the ring of this folder, and gives what it printed.
fn run(
    folder: &Path,
    arguments: &[impl AsRef<OsStr>],
    environment: &[(&str, &str)],
) -> anyhow::Result<String> {
    let script = Path::new(ROOT).join("deploy/dev/cassandra");
    let ran = Command::new(&script)
        .args(arguments)
        .env("CASS_HOME", folder)
        .env("CASS_NET", "any")
        .envs(environment.iter().copied())
        .output()
        .with_context(|| format!("cannot run {}", script.display()))?;
    ensure!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    Ok(String::from_utf8_lossy(&ran.stdout).into_owned())
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> anyhow::Result<T> + Send + 'static,
) -> anyhow::Result<T> {
    tokio::task::spawn_blocking(work).await?
}
