//! Messages that each side carries, each visitor sending the next one when the last is answered.

use anyhow::{Context, ensure};
use driver::process;

use super::table::{Figure, Line, Target};
use super::{Found, Scene, turns};
use crate::bench::CONVERSATIONS;
use crate::bench::server::{Log, Server};
use crate::cast::Size;
use crate::run::{Load, Report};

/// Visitors of the lines that are not about their number.
const VISITORS: usize = 64;

/// What three nodes are asked for: visitors, the ratio of messages a second, the ratio of the store's CPU a message.
const THREE_NODES: [(usize, f64, f64); 3] = [(64, 2.5, 0.4), (192, 4.5, 0.25), (512, 6.0, 0.2)];

/// Beside the bare server on the same log, (a).
pub(super) fn on_sqlite(scene: &Scene) -> anyhow::Result<Found> {
    let mut servers = Vec::new();
    for side in &scene.sides {
        servers.push(Server::switchboard(side.name, side.options())?);
    }
    servers.push(Server::baseline(Log::Sqlite, CONVERSATIONS)?);
    let load = load(scene.effort.seconds.0, 1);
    let carried = in_turns(&servers, &[], VISITORS, &load, scene.effort.rounds)?;
    let [this, other, bare] = &carried.reports[..] else { return Ok(Found::default()) };
    let per_s = |reports: &[Report]| figure(reports, |report| Some(report.messages_per_s));
    let cpu = |reports: &[Report]| figure(reports, |report| report.server_cpu_us_per_message);
    let line = |what: &str, decimals, this, other, target| Line {
        what: format!("SQLite, {VISITORS} visitors: {what}"),
        decimals,
        this,
        other,
        target,
    };
    let of_bare = |of: &dyn Fn(&[Report]) -> Figure| (of(this).over(of(bare)), of(other).over(of(bare)));
    let (per_s_of_bare, cpu_of_bare) = (of_bare(&per_s), of_bare(&cpu));
    let lines = vec![
        line("messages/s", 0, per_s(this), per_s(other), Target::Known),
        line("messages/s, of (a)", 2, per_s_of_bare.0, per_s_of_bare.1, Target::AtLeast(0.8)),
        line("server CPU, us a message", 1, cpu(this), cpu(other), Target::Known),
        line("server CPU a message, of (a)", 2, cpu_of_bare.0, cpu_of_bare.1, Target::AtMost(1.35)),
    ];
    let mut notes = carried.notes;
    let (per_s, cpu) = (per_s(bare).median, cpu(bare).median);
    notes.push(format!(
        "(a), the bare server on the same log, had its turn in each round: {per_s:.0} messages/s, {cpu:.1} us a message."
    ));
    Ok(Found { lines, notes })
}

/// The lines of one node, or of several.
pub(super) fn on_cql(scene: &Scene) -> anyhow::Result<Found> {
    let store = store_processes(&scene.nodes)?;
    let mut servers = Vec::new();
    for side in &scene.sides {
        servers.push(Server::switchboard(side.name, side.on_store(scene))?);
    }
    let load = load(scene.effort.seconds.1, 5);
    let nodes = scene.nodes.len();
    let mut found = Found::default();
    if nodes == 1 {
        let carried = in_turns(&servers, &store, VISITORS, &load, scene.effort.rounds)?;
        let wanted: [(&str, usize, Target, Of); 3] = [
            ("messages/s", 0, Target::RatioAtLeast(3.0), |report| Some(report.messages_per_s)),
            ("acknowledged p50, ms", 2, Target::RatioAtMost(0.4), |report| {
                Some(f64::from(report.acknowledge.p50_us) / 1e3)
            }),
            ("the store's CPU, us a message", 0, Target::Known, |report| report.store_cpu_us_per_message),
        ];
        for (what, decimals, target, of) in wanted {
            let what = format!("CQL, one node, {VISITORS} visitors: {what}");
            found.lines.push(carried.line(what, decimals, target, of));
        }
        found.notes.extend(carried.notes);
    } else {
        for (visitors, per_s, cpu) in THREE_NODES {
            let carried = in_turns(&servers, &store, visitors, &load, scene.effort.rounds)?;
            let what = format!("CQL, {nodes} nodes, {visitors} visitors:");
            let (per_s, cpu) = (Target::RatioAtLeast(per_s), Target::RatioAtMost(cpu));
            found.lines.push(
                carried.line(format!("{what} messages/s"), 0, per_s, |report| Some(report.messages_per_s)),
            );
            let what = format!("{what} the store's CPU, us a message");
            found.lines.push(carried.line(what, 0, cpu, |report| report.store_cpu_us_per_message));
            found.notes.extend(carried.notes);
        }
    }
    found.notes.push(format!(
        "The store's CPU is all that the processes which listen at {} used in the measured seconds, with what they do \
         besides (compactions, gossip), divided by the messages acknowledged in them. Both sides' servers run all the time, \
         and one is written to.",
        scene.nodes.join(" and ")
    ));
    Ok(found)
}

/// A figure of a report.
type Of = fn(&Report) -> Option<f64>;

/// The reports of each server, and what must be said of them.
struct Carried {
    reports: Vec<Vec<Report>>,
    notes: Vec<String>,
}

impl Carried {
    fn line(&self, what: String, decimals: usize, target: Target, of: Of) -> Line {
        let (this, other) = (figure(&self.reports[0], of), figure(&self.reports[1], of));
        Line { what, decimals, this, other, target }
    }
}

fn figure(reports: &[Report], of: impl Fn(&Report) -> Option<f64>) -> Figure {
    Figure::of(reports.iter().filter_map(of))
}

/// `warm_up_seconds`: until so many visitors have each had an answer or two.
fn load(seconds: u32, warm_up_seconds: u32) -> Load {
    Load { rate: 0, seconds, warm_up_seconds, text_bytes: 120 }
}

/// Each server in its turn has so many visitors, in each round new ones. A message that is refused does not count as
/// carried, and is noted.
fn in_turns(
    servers: &[Server],
    store: &[u32],
    visitors: usize,
    load: &Load,
    rounds: usize,
) -> anyhow::Result<Carried> {
    let mut carried = Carried { reports: servers.iter().map(|_| Vec::new()).collect(), notes: Vec::new() };
    let size = Size { visitors, conversations: (CONVERSATIONS / visitors).max(1) };
    for turn in turns(servers.len(), rounds) {
        let server = &servers[turn];
        eprintln!("{}: {visitors} visitors", server.name());
        let report = load.measure(server.cast(size)?, Some(server.pid()?), store)?;
        let Report { acknowledged, delivered, refused, .. } = report;
        if refused > 0 {
            let refusal = report.first_refusal.as_deref().unwrap_or_default();
            carried.notes.push(format!(
                "{}, {visitors} visitors: {refused} messages of a round were refused, the first with {refusal}",
                server.name()
            ));
        } else {
            ensure!(
                acknowledged == delivered,
                "{}: {acknowledged} messages were acknowledged, {delivered} delivered",
                server.name()
            );
        }
        carried.reports[turn].push(report);
    }
    Ok(carried)
}

/// The nodes' processes, found by where they listen.
fn store_processes(nodes: &[String]) -> anyhow::Result<Vec<u32>> {
    let process = |node: &String| {
        let address = node.parse().with_context(|| format!("{node} is no address and port"))?;
        Ok(process::listener(address)?)
    };
    nodes.iter().map(process).collect()
}
