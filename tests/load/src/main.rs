//! The load programs. Each prints its result as one line of JSON (`kill`, `outage`, `duel`, `ring` and `check`: as text; `bench`, `routing`
//! and `readers`: as Markdown) and ends with 1 when something was not as it must be.
//!
//! ```text
//! load bench --quick
//! load bench --against ../switchboard-7f2ed90
//! load routing --quick
//! load readers
//! load run --url http://127.0.0.1:8080 --site-key .. --agent-email .. --agent-password .. --rate 5000 --seconds 10
//! load sockets --count 10000
//! load conversations --count 10000
//! load kill --kills 200
//! load outage --times 5
//! load duel --cql 127.0.0.1:9042 --seconds 180
//! load ring --rounds 3
//! load check /tmp/switchboard-history-42.jsonl
//! ```

mod agent;
mod bench;
mod cast;
mod idle;
mod latency;
mod readers;
mod routing;
mod run;
mod schedule;
mod trouble;
mod visitor;
mod wire;

use std::fs::File;
use std::io::BufReader;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use driver::Options;

/// What Switchboard carries, what it costs, and what it survives.
#[derive(Parser)]
#[command(version)]
struct Command {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Measure Switchboard beside servers that do less, and print what it carries, what it costs, and which aims it meets
    Bench(bench::Plan),
    /// Measure what routing costs: assignments, offers, the sweep, and events to many sockets; `bench` does this too
    Routing(routing::Plan),
    /// Have crowds read without end, and measure how soon one who writes beside them is answered
    Readers(readers::Plan),
    /// Send messages to a running server and measure how soon they are acknowledged and delivered
    Run(run::Plan),
    /// Start a server, hold idle sockets, and measure its memory per socket
    Sockets(idle::Plan),
    /// Start a server, hold idle conversations, and measure its memory per conversation
    Conversations(idle::ConversationsPlan),
    /// Start a server, kill it again and again while clients talk, and check that the delivery contract held
    Kill(trouble::Kill),
    /// Start a server, take its CQL store away again and again while clients talk, and check the same
    Outage(trouble::Outage),
    /// Start two servers over one CQL store, freeze them in turn while clients send through both, and check the same
    Duel(trouble::Duel),
    /// Start a server over three nodes of Apache Cassandra, kill and freeze them while clients talk, and check the same
    Ring(trouble::Ring),
    /// Judge a history that a failed run has kept
    Check {
        /// The file
        history: PathBuf,
    },
}

fn main() -> anyhow::Result<ExitCode> {
    let good = match Command::parse().what {
        What::Bench(plan) => {
            print!("{}", bench::bench(&plan)?);
            true
        }
        What::Routing(plan) => {
            print!("{}", routing::routing(&plan)?);
            true
        }
        What::Readers(plan) => {
            print!("{}", readers::readers(&plan)?);
            true
        }
        What::Run(plan) => print(&run::run(&plan)?)?,
        What::Sockets(plan) => print(&on_runtime(idle::sockets(&plan, Options::default()))?)?,
        What::Conversations(plan) => print(&on_runtime(idle::conversations(&plan, Options::default()))?)?,
        What::Kill(plan) => on_runtime(plan.run())?,
        What::Outage(plan) => on_runtime(plan.run())?,
        What::Duel(plan) => on_runtime(plan.run())?,
        What::Ring(plan) => on_runtime(plan.run())?,
        What::Check { history } => check(&history)?,
    };
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn print(report: &impl serde::Serialize) -> anyhow::Result<bool> {
    println!("{}", serde_json::to_string(report)?);
    Ok(true)
}

fn check(history: &PathBuf) -> anyhow::Result<bool> {
    let history = checker::History::read_from(BufReader::new(File::open(history)?))?;
    let violations = checker::check(&history);
    for violation in &violations {
        println!("{violation}");
    }
    println!("{} entries, {} violations", history.entries.len(), violations.len());
    Ok(violations.is_empty())
}

/// One thread is enough for the clients, and leaves the other core to the server.
fn on_runtime<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work)
}
