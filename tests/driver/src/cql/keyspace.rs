//! A keyspace of a test's own on the node that all tests use.

use std::time::Duration;

use anyhow::{Context, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::sandbox::Options;

/// A schema takes its time on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);
const STARTUP: u8 = 0x01;
const QUERY: u8 = 0x07;
const ERROR: u8 = 0x00;

/// A name that nobody else has. The server under test makes the keyspace; [`Keyspace::remove`] takes it off the node.
#[derive(Clone, Debug)]
pub struct Keyspace {
    node: String,
    name: String,
}

impl Keyspace {
    /// On this node, named after what it is for.
    pub fn new(node: &str, purpose: &str) -> Self {
        Self { node: node.to_owned(), name: format!("{purpose}_{:016x}", rand::random::<u64>()) }
    }

    /// How a server is started on it.
    pub fn options(&self) -> Options {
        self.options_through(std::slice::from_ref(&self.node))
    }

    /// The same, past other contact points, as a proxy's.
    pub fn options_through(&self, contact_points: &[String]) -> Options {
        Options::default().on_cql(contact_points, &self.name)
    }

    /// Removes it with all that is in it; no server may use it any more. The two frames that it takes are written by
    /// hand, as a driver would bring ten times as much code as the rest of this crate.
    pub async fn remove(self) -> anyhow::Result<()> {
        let drop = format!("DROP KEYSPACE IF EXISTS {}", self.name);
        let removed = async {
            let mut node = TcpStream::connect(&self.node).await?;
            ask(&mut node, STARTUP, b"\x00\x01\x00\x0bCQL_VERSION\x00\x053.0.0").await?;
            let mut query = u32::try_from(drop.len())?.to_be_bytes().to_vec();
            query.extend(drop.as_bytes());
            query.extend([0, 1, 0]); // Consistency ONE, no flags.
            ask(&mut node, QUERY, &query).await
        };
        timeout(PATIENCE, removed).await?.with_context(|| drop.clone())
    }
}

/// One request of version 4 and its answer, which must not be an error.
async fn ask(node: &mut TcpStream, opcode: u8, body: &[u8]) -> anyhow::Result<()> {
    let mut frame = vec![4, 0, 0, 0, opcode];
    frame.extend(u32::try_from(body.len())?.to_be_bytes());
    frame.extend(body);
    node.write_all(&frame).await?;
    let mut head = [0; 9];
    node.read_exact(&mut head).await?;
    let length = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
    let mut answer = Vec::new();
    node.take(length.into()).read_to_end(&mut answer).await?;
    ensure!(head[4] != ERROR, "{}", String::from_utf8_lossy(&answer));
    Ok(())
}
