//! A server that speaks S3, for tests of what keeps its bytes there.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};

/// Installed by `./test`.
const PROGRAM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/moto/bin/moto_server");
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// Moto on a free port. It keeps objects in memory, so they go with it, and lets everybody in.
pub struct S3Server {
    child: Child,
    address: String,
    /// Of its log.
    _folder: TempDir,
}

impl S3Server {
    /// Starts one; it has no bucket.
    pub async fn start() -> anyhow::Result<Self> {
        let folder = TempDir::new()?;
        let log = folder.path().join("log");
        let child = Command::new(PROGRAM)
            .args(["-H", "127.0.0.1", "-p", "0"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log)?)
            .spawn()
            .with_context(|| format!("starting {PROGRAM}, which ./test installs"))?;
        let mut server = Self { child, address: String::new(), _folder: folder };
        server.address = server.wait_for_address(&log).await?;
        Ok(server)
    }

    async fn wait_for_address(&mut self, log: &Path) -> anyhow::Result<String> {
        let deadline = Instant::now() + START_TIMEOUT;
        loop {
            let text = fs::read_to_string(log)?;
            let told = text.split_once("Running on http://").and_then(|(_, rest)| rest.split_once('\n'));
            if let Some((address, _)) = told {
                return Ok(address.trim().to_owned());
            }
            if self.child.try_wait()?.is_some() || Instant::now() > deadline {
                bail!("{PROGRAM} did not start: {text}");
            }
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// Host and port.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Makes a bucket (`/bucket`) or an empty object (`/bucket/key`).
    pub async fn put(&self, path: &str) -> anyhow::Result<()> {
        let mut connection = TcpStream::connect(&self.address).await?;
        let head = format!("PUT {path} HTTP/1.1\r\nhost: {}\r\n", self.address);
        let request = format!("{head}content-length: 0\r\nconnection: close\r\n\r\n");
        connection.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        connection.read_to_string(&mut answer).await?;
        if !answer.starts_with("HTTP/1.1 200 ") {
            bail!("PUT {path}: {answer}");
        }
        Ok(())
    }
}

impl Drop for S3Server {
    fn drop(&mut self) {
        // Both fail only when it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
