//! The bench: Switchboard beside a bare server on the same SQLite log (a) and a bare server on a plain file (b), in the
//! same run on the same machine, and what the idle cost. It prints one page of Markdown, with the aims and, behind them,
//! what routing costs.
//!
//! Servers have the first core, the load the second. Nothing else should run meanwhile: `uptime` near 0 before it.

mod against;
mod cold;
mod rates;
mod report;
mod server;

use anyhow::Context;
use driver::Options;
use driver::cql::Keyspace;
use rustix::thread::{CpuSet, sched_setaffinity};

use crate::idle;
use crate::on_runtime;
use crate::routing;

use cold::Cold;
use rates::Measured;
use server::{Log, Server};

/// The core of whatever is measured.
pub(crate) const SERVER_CORE: usize = 0;
/// The core of this program.
const LOAD_CORE: usize = 1;
/// Conversations that are written to, in every step: as many as one socket of an agent can look on, and divisible by
/// every number of visitors.
const CONVERSATIONS: usize = 192;

/// How much of it.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Plan {
    /// Two minutes instead of nine: fewer and shorter steps, and no wait for passivation
    #[arg(long)]
    quick: bool,
    /// Measure Switchboard on SQLite and on these CQL servers (host:port, with commas between them) instead; the
    /// servers may use both cores
    #[arg(long, value_delimiter = ',')]
    cql: Vec<String>,
    #[command(flatten)]
    comparison: against::Plan,
}

/// How much is done of everything.
struct Effort {
    /// Of each step.
    seconds: u32,
    /// How often the steps are done that the aims are judged by; the middle one counts.
    rounds: usize,
    /// In the closed loop, rising.
    visitors: &'static [usize],
    /// Of the saturation, rising. The aims are judged at [`HALF`].
    shares: &'static [f64],
    sockets: usize,
    conversations: usize,
    /// How long idle conversations are waited for; the server lets them go after 60 s.
    passivation_s: Option<u64>,
    /// Events of a log, and how many such logs.
    cold: &'static [(usize, usize)],
}

/// Half load.
const HALF: f64 = 0.5;

const WHOLE: Effort = Effort {
    seconds: 2,
    rounds: 3,
    visitors: &[1, 16, 64, 192],
    shares: &[0.1, 0.3, HALF, 0.7, 0.9],
    sockets: 10_000,
    conversations: 10_000,
    passivation_s: Some(66),
    cold: &[(2, 100), (50, 100), (1_000, 16), (5_000, 8)],
};

const QUICK: Effort = Effort {
    seconds: 2,
    rounds: 1,
    visitors: &[64, 192],
    shares: &[HALF],
    sockets: 5_000,
    conversations: 5_000,
    passivation_s: None,
    cold: &[(50, 50)],
};

/// All that was measured.
struct Figures {
    /// Switchboard, (a), (b).
    servers: Vec<Measured>,
    idle: Idle,
    cold: Vec<Cold>,
}

/// What the idle cost, in bytes of the server's memory.
struct Idle {
    socket: i64,
    conversation: i64,
    /// None: not waited for.
    passive: Option<i64>,
}

/// Measures everything and gives the page.
pub(crate) fn bench(plan: &Plan) -> anyhow::Result<String> {
    let effort = if plan.quick { &QUICK } else { &WHOLE };
    stay_on_core()?;
    if plan.comparison.against.is_some() {
        return against::against(&plan.comparison, &plan.cql, plan.quick);
    }
    if !plan.cql.is_empty() {
        return stores(&plan.cql, effort);
    }
    let servers = [
        Server::switchboard("Switchboard", Options::default())?,
        Server::baseline(Log::Sqlite, CONVERSATIONS)?,
        Server::baseline(Log::File, CONVERSATIONS)?,
    ];
    let measured = rates::measure(&servers, effort)?;
    drop(servers);
    let idle = idle(effort)?;
    let cold = on_runtime(cold::measure(effort.cold, Options::default()))?;
    let page = report::page(&Figures { servers: measured, idle, cold });
    Ok(page + &routing::measure(plan.quick)?)
}

/// The same steps on both stores.
fn stores(nodes: &[String], effort: &Effort) -> anyhow::Result<String> {
    let keyspace = Keyspace::new(nodes.first().context("no node is named")?, "load");
    let stores = [("on SQLite", Options::default()), ("on CQL", keyspace.options_through(nodes))];
    let servers = stores
        .iter()
        .map(|(name, options)| Server::switchboard(name, options.clone()))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let measured = rates::measure(&servers, effort)?;
    drop(servers);
    let mut colds = Vec::new();
    for (name, options) in stores {
        colds.push((name, on_runtime(cold::measure(effort.cold, options))?));
    }
    std::thread::sleep(against::QUIET);
    on_runtime(keyspace.remove())?;
    Ok(report::stores(&measured, &colds))
}

/// Leaves the other core to the server.
pub(crate) fn stay_on_core() -> anyhow::Result<()> {
    let mut core = CpuSet::new();
    core.set(LOAD_CORE);
    sched_setaffinity(None, &core).context("the bench needs two cores")
}

fn idle(effort: &Effort) -> anyhow::Result<Idle> {
    let plan = |count| idle::Plan { count, core: Some(SERVER_CORE) };
    eprintln!("{} idle sockets", effort.sockets);
    let sockets = on_runtime(idle::sockets(&plan(effort.sockets), Options::default()))?;
    eprintln!("{} idle conversations", effort.conversations);
    let plan =
        idle::ConversationsPlan { plan: plan(effort.conversations), wait_seconds: effort.passivation_s };
    let conversations = on_runtime(idle::conversations(&plan, Options::default()))?;
    Ok(Idle {
        socket: sockets.bytes_each(),
        conversation: conversations.bytes_each_alive(),
        passive: conversations.bytes_each_passive(),
    })
}
