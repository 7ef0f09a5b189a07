//! What routing costs: how many conversations are assigned a second, how soon one that starts is offered, what the sweep
//! of all open ones takes, and how far an event of one conversation goes. Each on a server of its own on the first core,
//! with the load on the second. No aim is set for these; they are printed as Markdown.

mod assignments;
mod dashboards;
mod fan_out;
mod offers;
mod office;
mod report;
mod sweep;

use driver::Options;

use crate::{bench, on_runtime};

use assignments::Assignments;
pub(crate) use dashboards::{Dashboards, Shown};
pub(crate) use fan_out::FanOut;
use offers::Offers;
pub(crate) use office::Office;
use sweep::Sweep;

/// How much of it.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Plan {
    /// One minute instead of three: fewer of everything, and no wait for passivation
    #[arg(long)]
    quick: bool,
}

/// How much is done of everything.
struct Effort {
    agents: usize,
    waiting: usize,
    /// How often they are assigned; the middle one counts.
    rounds: usize,
    /// Conversations that are offered.
    starts: usize,
    /// Conversations that are swept.
    open: usize,
    /// How long they are left alone before; the server lets the idle ones leave memory after 60 s.
    passivation_s: Option<u64>,
    /// That look at one conversation.
    sockets: usize,
    /// Sent one after the other, each when all have the one before.
    messages: usize,
    /// Of as many messages as go.
    seconds: u64,
}

const WHOLE: Effort = Effort {
    agents: 100,
    waiting: 1_000,
    rounds: 5,
    starts: 2_000,
    open: 10_000,
    passivation_s: Some(66),
    sockets: 1_000,
    messages: 200,
    seconds: 10,
};

const QUICK: Effort =
    Effort { rounds: 1, starts: 500, open: 2_000, passivation_s: None, messages: 50, seconds: 3, ..WHOLE };

/// All that was measured.
struct Figures {
    assignments: Assignments,
    offers: Offers,
    sweep: Sweep,
    fan_out: FanOut,
}

/// Measures everything, as a program of its own, and gives the page.
pub(crate) fn routing(plan: &Plan) -> anyhow::Result<String> {
    bench::stay_on_core()?;
    measure(plan.quick)
}

/// Measures everything on the core where it is, and gives the page.
pub(crate) fn measure(quick: bool) -> anyhow::Result<String> {
    let effort = if quick { &QUICK } else { &WHOLE };
    eprintln!("{} agents are assigned {} conversations", effort.agents, effort.waiting);
    let assignments = on_runtime(assignments::measure(effort))?;
    eprintln!("{} conversations are offered", effort.starts);
    let offers = on_runtime(offers::measure(effort))?;
    eprintln!("{} open conversations are swept", effort.open);
    let sweep = on_runtime(sweep::measure(effort))?;
    eprintln!("events go to {} sockets", effort.sockets);
    let fan_out = on_runtime(fan_out::measure(effort, Options::default()))?;
    Ok(report::page(&Figures { assignments, offers, sweep, fan_out }))
}

/// The last part of it, on a server with these options.
pub(crate) fn fan_out(quick: bool, options: Options) -> anyhow::Result<FanOut> {
    on_runtime(fan_out::measure(if quick { &QUICK } else { &WHOLE }, options))
}
