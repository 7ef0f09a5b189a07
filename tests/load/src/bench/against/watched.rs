//! What many see: one event to many sockets, and the dashboards of a team.

use super::table::{Figure, Line, Target};
use super::{Found, Scene, turns};
use crate::on_runtime;
use crate::routing::{self, Dashboards, FanOut, Shown};

/// Of all dashboards together.
const MESSAGES_PER_S: u32 = 100;
const CONVERSATIONS: usize = 200;
/// Twice the agents may take twice the CPU, and a tenth more for what two turns differ by. In the square it would be four
/// times.
const LINEAR_MAX: f64 = 2.2;

pub(super) fn fan_out(scene: &Scene) -> anyhow::Result<Found> {
    let mut measured: [Vec<FanOut>; 2] = [Vec::new(), Vec::new()];
    for turn in turns(2, scene.effort.rounds) {
        let side = &scene.sides[turn];
        eprintln!("{}: events go to many sockets", side.name);
        measured[turn].push(routing::fan_out(scene.effort.quick, side.options())?);
    }
    let sockets = measured[0].first().map_or(0, |fan_out| fan_out.sockets);
    let line = |what: &str, decimals, target, of: fn(&FanOut) -> f64| {
        let [this, other] = [0, 1].map(|side: usize| Figure::of(measured[side].iter().map(of)));
        Line { what: format!("one event to {sockets} sockets: {what}"), decimals, this, other, target }
    };
    let lines = vec![
        line("events/s", 0, Target::RatioAtLeast(2.5), |fan_out| {
            fan_out.messages_per_s * fan_out.sockets as f64
        }),
        line("the last socket's p50, ms", 2, Target::RatioAtMost(0.5), |fan_out| {
            f64::from(fan_out.last.p50_us) / 1e3
        }),
    ];
    let cores = measured.map(|rounds| {
        let of = |of: fn(&FanOut) -> f64| Figure::of(rounds.iter().map(of)).median;
        format!("{:.2} and {:.2}", of(|fan_out| fan_out.server_cores), of(|fan_out| fan_out.load_cores))
    });
    let note = format!(
        "Events to many sockets: cores that the server and the load kept busy: {}; with the other: {}. At 1 core of the \
         load, events/s are the load's bound.",
        cores[0], cores[1]
    );
    Ok(Found { lines, notes: vec![note] })
}

pub(super) fn dashboards(scene: &Scene) -> anyhow::Result<Found> {
    on_runtime(measure_dashboards(scene))
}

/// Both sides' servers run all the time. Half of the agents have their dashboards open first, then all.
async fn measure_dashboards(scene: &Scene) -> anyhow::Result<Found> {
    let (agents, half) = (scene.effort.agents, scene.effort.agents / 2);
    let mut sides = Vec::new();
    for side in &scene.sides {
        eprintln!("{}: {agents} agents come", side.name);
        sides.push(Dashboards::set(side.options(), agents, CONVERSATIONS).await?);
    }
    // By side, of half of the agents and of all.
    let mut measured: [[Vec<Shown>; 2]; 2] = Default::default();
    for (step, open) in [half, agents].into_iter().enumerate() {
        for dashboards in &mut sides {
            dashboards.open(open).await?;
        }
        for turn in turns(2, scene.effort.rounds) {
            let name = scene.sides[turn].name;
            eprintln!("{name}: {open} dashboards");
            let shown = sides[turn].measure(MESSAGES_PER_S, 2 * scene.effort.seconds.0).await?;
            measured[turn][step].push(shown);
        }
    }
    let median = |rounds: &[Shown], of: fn(&Shown) -> f64| Figure::of(rounds.iter().map(of));
    let mut notes = Vec::new();
    for (side, steps) in scene.sides.iter().zip(&measured) {
        for (rounds, open) in steps.iter().zip([half, agents]) {
            let of = |of| median(rounds, of).median;
            notes.push(format!(
                "{}, {open} dashboards: {:.0} messages/s, each in {:.0} frames; cores that the server and the load kept \
                 busy: {:.2} and {:.2}.",
                side.name,
                of(|shown| shown.messages_per_s),
                of(|shown| shown.frames_per_message),
                of(|shown| shown.server_cores),
                of(|shown| shown.load_cores)
            ));
        }
    }
    let cpu_us = |rounds: Vec<Shown>| median(&rounds, |shown| shown.server_cpu_us_per_message);
    let [[this_half, this], [other_half, other]] = measured.map(|steps| steps.map(cpu_us));
    let line = |what, decimals, this, other, target| Line { what, decimals, this, other, target };
    let cpu = |open: usize| {
        format!(
            "{open} dashboards, {MESSAGES_PER_S} messages/s in {CONVERSATIONS} conversations: server CPU, us a message"
        )
    };
    let lines = vec![
        line(cpu(half), 0, this_half, other_half, Target::Known),
        line(cpu(agents), 0, this, other, Target::RatioAtMost(0.5)),
        line(
            format!("{agents} dashboards to {half}: server CPU (2 is linear)"),
            2,
            this.over(this_half),
            other.over(other_half),
            Target::AtMost(LINEAR_MAX),
        ),
    ];
    Ok(Found { lines, notes })
}
