//! Stands between a client and its CQL nodes, and makes outcomes unknown: answers and requests are dropped, delayed,
//! replaced by errors or cut off, by rules and by chance from a seed.
//!
//! A driver asks the nodes for each other's addresses, and takes the port from its contact point. So the proxy listens
//! on the nodes' own addresses at another port, the same for all of them, and the driver needs no setting but its
//! contact points. (A ScyllaDB node names a second port, for its shards; connections to that go past the proxy.)

mod connection;
mod frame;
mod rule;

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context, ensure};
use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, JoinSet};

use connection::Connection;
pub use rule::{CqlError, Fate, Fault, Heard, Rule};

/// How often a port is drawn that must be free at each node's address.
const PORT_TRIES: usize = 20;
/// Connections that may wait to be accepted.
const BACKLOG: u32 = 1024;

/// A proxy that listens until it is dropped.
#[derive(Debug)]
pub struct Proxy {
    doors: Vec<Door>,
    shared: Arc<Shared>,
}

/// How a statement was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// By its text.
    Query,
    /// As a prepared statement.
    Execute,
    /// As the first statement of a batch.
    Batch,
}

/// What happened to one statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tally {
    /// How it was asked for.
    pub kind: Kind,
    /// Its text, with single blanks.
    pub statement: String,
    /// What a client asked, whatever became of it.
    pub asked: u64,
    /// How often it met with each fault, by the fault's name.
    pub faults: BTreeMap<String, u64>,
}

/// What all connections of a proxy know.
#[derive(Debug)]
struct Shared(Mutex<Known>);

#[derive(Debug)]
struct Known {
    rules: Vec<Rule>,
    chance: StdRng,
    /// Statements by the ids that the nodes gave them.
    prepared: HashMap<Vec<u8>, String>,
    tallies: BTreeMap<(Kind, String), Tally>,
}

/// One node, and where the proxy listens for it.
#[derive(Debug)]
struct Door {
    node: SocketAddr,
    listen: SocketAddr,
    /// While it accepts, which it does until the sender goes.
    accepting: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
    /// While it refuses: holds the port, and does not listen on it.
    held: Option<TcpSocket>,
}

impl Proxy {
    /// Listens for these nodes; everything passes until there are rules. `seed` decides where a rule leaves it to chance.
    pub async fn start(nodes: &[SocketAddr], seed: u64) -> anyhow::Result<Self> {
        ensure!(!nodes.is_empty(), "a proxy needs a node");
        let known = Known {
            rules: Vec::new(),
            chance: StdRng::seed_from_u64(seed),
            prepared: HashMap::new(),
            tallies: BTreeMap::new(),
        };
        let shared = Arc::new(Shared(Mutex::new(known)));
        let sockets = bind_all(nodes).context("no port is free at every node's address")?;
        let mut doors = Vec::new();
        for (&node, socket) in nodes.iter().zip(sockets) {
            let listen = socket.local_addr()?;
            doors.push(Door { node, listen, accepting: None, held: Some(socket) });
        }
        let mut proxy = Self { doors, shared };
        proxy.accept()?;
        Ok(proxy)
    }

    /// A driver's contact points, in the order of the nodes.
    pub fn contact_points(&self) -> Vec<String> {
        self.doors.iter().map(|door| door.listen.to_string()).collect()
    }

    /// These rules hold from now on, and no others; none lets everything pass.
    pub fn set_rules(&self, rules: Vec<Rule>) {
        self.shared.known().rules = rules;
    }

    /// What has happened so far, by statement.
    pub fn tallies(&self) -> Vec<Tally> {
        self.shared.known().tallies.values().cloned().collect()
    }

    /// How many requests have met with a fault so far.
    pub fn injected(&self) -> u64 {
        self.tallies().iter().map(Tally::injected).sum()
    }

    /// The nodes are gone: every connection ends, and new ones are refused. Delayed requests are lost.
    pub async fn refuse(&mut self) -> anyhow::Result<()> {
        for door in &mut self.doors {
            if let Some((end, accepting)) = door.accepting.take() {
                drop(end);
                accepting.await?;
                door.held = Some(bind(door.listen)?);
            }
        }
        Ok(())
    }

    /// The nodes are back.
    pub fn accept(&mut self) -> anyhow::Result<()> {
        for door in &mut self.doors {
            if let Some(socket) = door.held.take() {
                let (end, ended) = oneshot::channel();
                let accepting = accept(socket.listen(BACKLOG)?, door.node, self.shared.clone(), ended);
                door.accepting = Some((end, tokio::spawn(accepting)));
            }
        }
        Ok(())
    }
}

impl Tally {
    /// The statement's first word.
    pub fn verb(&self) -> &str {
        self.statement.split(' ').next().unwrap_or_default()
    }

    /// The table that it is about, without its keyspace; empty when it is about none.
    pub fn table(&self) -> &str {
        let mut words = self.statement.split([' ', '(']).filter(|word| !word.is_empty());
        let named = match self.verb() {
            "UPDATE" => words.nth(1),
            "INSERT" => words.nth(2),
            _ => words.skip_while(|word| *word != "FROM").nth(1),
        };
        named.unwrap_or_default().rsplit('.').next().unwrap_or_default()
    }

    /// Whether the nodes must agree before they write: what has a condition. A batch has it in its first statement, as
    /// far as a proxy sees.
    pub fn is_conditional(&self) -> bool {
        matches!(self.verb(), "UPDATE" | "INSERT" | "DELETE") && self.statement.contains(" IF ")
    }

    /// How often it met with a fault.
    pub fn injected(&self) -> u64 {
        self.faults.values().sum()
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "{:?} {} {}: {} asked", self.kind, self.verb(), self.table(), self.asked)?;
        self.faults.iter().try_for_each(|(fault, count)| write!(to, "; {fault}: {count}"))
    }
}

impl Shared {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers what a node will know by this id.
    fn learn(&self, id: Vec<u8>, statement: String) {
        self.known().prepared.insert(id, statement);
    }

    /// The statement that a node knows by this id. One that was prepared past the proxy has no text.
    fn recall(&self, id: &[u8]) -> String {
        self.known().prepared.get(id).cloned().unwrap_or_default()
    }

    /// Counts a request, and says what happens to it.
    fn judge(&self, kind: Kind, statement: String) -> Option<Fault> {
        let known = &mut *self.known();
        let fault = Rule::pick(&mut known.rules, &statement, &mut known.chance);
        let new = |(kind, statement): &(Kind, String)| Tally {
            kind: *kind,
            statement: statement.clone(),
            asked: 0,
            faults: BTreeMap::new(),
        };
        let tally = known.tallies.entry((kind, statement)).or_insert_with_key(new);
        tally.asked += 1;
        if let Some(fault) = fault {
            *tally.faults.entry(fault.to_string()).or_default() += 1;
        }
        fault
    }
}

/// A port that is free at each node's address, held there.
fn bind_all(nodes: &[SocketAddr]) -> anyhow::Result<Vec<TcpSocket>> {
    let mut tries = 0;
    loop {
        let first = bind(SocketAddr::new(nodes[0].ip(), 0))?;
        let port = first.local_addr()?.port();
        let others = nodes[1..].iter().map(|node| bind(SocketAddr::new(node.ip(), port)));
        match std::iter::once(Ok(first)).chain(others).collect::<Result<Vec<_>, _>>() {
            Ok(sockets) => return Ok(sockets),
            Err(error) if tries == PORT_TRIES => return Err(error),
            Err(_) => tries += 1,
        }
    }
}

/// Holds an address, also right after connections to it have ended. Who connects is refused.
fn bind(address: SocketAddr) -> anyhow::Result<TcpSocket> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(address).with_context(|| format!("cannot listen on {address}"))?;
    Ok(socket)
}

/// Carries connections until the other end of `ended` goes.
async fn accept(
    listener: TcpListener,
    node: SocketAddr,
    shared: Arc<Shared>,
    mut ended: oneshot::Receiver<()>,
) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            _ = &mut ended => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((client, _)) => {
                    connections.spawn(Connection::carry(client, node, shared.clone()));
                }
                Err(error) => {
                    eprintln!("the proxy of {node} accepts no more: {error}");
                    break;
                }
            },
        }
    }
    drop(listener);
    connections.shutdown().await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tally_says_the_verb_and_the_table() {
        for (statement, verb, table) in [
            ("UPDATE log SET epoch = ? WHERE k = ? IF claim = ?", "UPDATE", "log"),
            ("INSERT INTO main.log(k, v) VALUES (?, ?)", "INSERT", "log"),
            ("INSERT INTO log (k, v) VALUES (?, ?)", "INSERT", "log"),
            ("SELECT epoch, claim FROM log WHERE k = ?", "SELECT", "log"),
            ("DELETE FROM main.log WHERE k = ?", "DELETE", "log"),
            ("USE main", "USE", ""),
            ("", "", ""),
        ] {
            let tally = Tally {
                kind: Kind::Query,
                statement: statement.to_owned(),
                asked: 0,
                faults: BTreeMap::new(),
            };
            assert_eq!((tally.verb(), tally.table()), (verb, table), "{statement}");
        }
    }

    #[test]
    fn a_statement_with_a_condition_is_conditional() {
        for (statement, conditional) in [
            ("UPDATE log SET epoch = ? WHERE k = ? IF claim = ?", true),
            ("INSERT INTO log (k, v) VALUES (?, ?) IF NOT EXISTS", true),
            ("DELETE FROM log WHERE k = ? IF claim = ?", true),
            ("UPDATE log SET epoch = ? WHERE k = ?", false),
            ("CREATE TABLE IF NOT EXISTS log (k int PRIMARY KEY)", false),
            ("SELECT epoch FROM log WHERE k = ?", false),
            ("", false),
        ] {
            let statement = statement.to_owned();
            let tally = Tally { kind: Kind::Execute, statement, asked: 1, faults: BTreeMap::new() };
            assert_eq!(tally.is_conditional(), conditional, "{}", tally.statement);
        }
    }

    #[tokio::test]
    async fn one_port_serves_all_nodes_and_is_refused_between() {
        // Nothing listens there: a client is let in, and then finds itself alone.
        let nodes = ["127.0.1.1:1", "127.0.1.2:1"].map(|node| node.parse().unwrap());
        let mut proxy = Proxy::start(&nodes, 1).await.unwrap();
        let points = proxy.contact_points();
        let port = |point: &str| point.rsplit(':').next().unwrap().to_owned();
        assert!(points[0].starts_with("127.0.1.1:") && points[1].starts_with("127.0.1.2:"), "{points:?}");
        assert_eq!(port(&points[0]), port(&points[1]));
        for _ in 0..3 {
            for point in &points {
                tokio::net::TcpStream::connect(point).await.unwrap();
            }
            proxy.refuse().await.unwrap();
            proxy.refuse().await.unwrap();
            for point in &points {
                let refused = tokio::net::TcpStream::connect(point).await.unwrap_err();
                assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
            }
            proxy.accept().unwrap();
            proxy.accept().unwrap();
        }
    }
}
