//! The runs that do something to a server or to its store while clients talk, and have the checker judge what they saw.
//! Each says whether all was as it must be.

use std::time::Duration;

use driver::cql::{Keyspace, Proxy};
use driver::outage::{RECOVERY_MAX, Store};
use driver::{Options, duel, killrun, outage, ringrun};

/// What moments, texts and turns are drawn from.
#[derive(clap::Args, Clone, Copy, Debug)]
struct Seed {
    /// What moments and texts are drawn from; random when not given
    #[arg(long)]
    seed: Option<u64>,
}

impl Seed {
    /// Says which it is, as a run that goes wrong may not come to its end.
    fn tell(self) -> u64 {
        let seed = self.seed.unwrap_or_else(rand::random);
        eprintln!("seed {seed}");
        seed
    }
}

/// The server is killed.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Kill {
    /// How often
    #[arg(long, default_value_t = 200)]
    kills: u32,
    #[command(flatten)]
    seed: Seed,
    /// Servers of a CQL store, as in `127.0.0.1:9042`, instead of the embedded one
    #[arg(long, value_delimiter = ',', value_name = "NODES")]
    cql: Vec<String>,
}

impl Kill {
    pub(crate) async fn run(self) -> anyhow::Result<bool> {
        let seed = self.seed.tell();
        let keyspace = self.cql.first().map(|node| Keyspace::new(node, "kill"));
        let options = match &keyspace {
            Some(keyspace) => keyspace.options_through(&self.cql),
            None => Options::default(),
        };
        let killed = killrun::run(killrun::Plan { kills: self.kills, seed, options }).await?;
        println!("{killed}");
        if let Some(keyspace) = keyspace {
            keyspace.remove().await?;
        }
        Ok(killed.summary.violations.is_empty())
    }
}

/// The store goes away.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Outage {
    /// The way to this server of the store is cut; without one, a node of its own is killed
    #[arg(long, value_name = "NODE")]
    cql: Option<String>,
    /// How often
    #[arg(long, default_value_t = 5)]
    times: usize,
    /// For how long, at least
    #[arg(long, default_value_t = 12)]
    seconds: u64,
    #[command(flatten)]
    seed: Seed,
}

impl Outage {
    pub(crate) async fn run(self) -> anyhow::Result<bool> {
        let seed = self.seed.tell();
        let away = vec![Duration::from_secs(self.seconds); self.times];
        let plan = |options| outage::Plan { away, seed, options };
        let outages = match self.cql {
            Some(node) => {
                let keyspace = Keyspace::new(&node, "outage");
                let mut proxy = Proxy::start(&[node.parse()?], seed).await?;
                let options = keyspace.options_through(&proxy.contact_points());
                let outages = outage::run(plan(options), Store::Refused(&mut proxy)).await?;
                keyspace.remove().await?;
                outages
            }
            None => {
                let ring = driver::cql::Ring::start(1).await?;
                let options = Options::default().on_cql(&ring.contact_points(), "outage");
                outage::run(plan(options), Store::Killed(&ring)).await?
            }
        };
        println!("{outages}");
        Ok(outages.summary.violations.is_empty() && are_soon(&outages.recovered))
    }
}

/// Two servers, frozen in turn.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Duel {
    /// Servers of the store, as in `127.0.0.1:9042`
    #[arg(long, required = true, value_delimiter = ',', value_name = "NODES")]
    cql: Vec<String>,
    /// How long
    #[arg(long, default_value_t = 180)]
    seconds: u64,
    #[command(flatten)]
    seed: Seed,
}

impl Duel {
    pub(crate) async fn run(self) -> anyhow::Result<bool> {
        let seed = self.seed.tell();
        let keyspace = Keyspace::new(&self.cql[0], "duel");
        let (lasts, options) = (Duration::from_secs(self.seconds), keyspace.options_through(&self.cql));
        let duel = duel::run(duel::Plan { lasts, seed, options }).await?;
        println!("{duel}");
        keyspace.remove().await?;
        Ok(duel.summary.violations.is_empty())
    }
}

/// A ring of three that loses one, and all.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Ring {
    /// In each, one node is killed, one is frozen, and all are killed
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    #[command(flatten)]
    seed: Seed,
}

impl Ring {
    pub(crate) async fn run(self) -> anyhow::Result<bool> {
        let ring = ringrun::run(ringrun::Plan { rounds: self.rounds, seed: self.seed.tell() }).await?;
        println!("{ring}");
        Ok(ring.summary.violations.is_empty() && are_soon(&ring.recovered))
    }
}

fn are_soon(recovered: &[Duration]) -> bool {
    recovered.iter().all(|recovered| *recovered <= RECOVERY_MAX)
}
