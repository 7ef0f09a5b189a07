//! The first message to a conversation that is not in memory, on the scene's store.

use super::table::{Figure, Line, Target};
use super::{Found, Scene, turns};
use crate::bench::cold;
use crate::on_runtime;

pub(super) fn measure(scene: &Scene) -> anyhow::Result<Found> {
    let (store, logs, most) = match scene.nodes.len() {
        0 => ("SQLite".to_owned(), scene.effort.cold.0, 0.7),
        1 => ("CQL, one node".to_owned(), scene.effort.cold.1, 0.5),
        nodes => (format!("CQL, {nodes} nodes"), scene.effort.cold.1, 0.5),
    };
    let [this, other] = on_runtime(first_ms(scene, logs))?.map(Figure::of);
    let (events, conversations) = logs;
    let what = format!("{store}: first message to a conversation that is not in memory, p50, ms");
    let line = Line { what, decimals: 2, this, other, target: Target::RatioAtMost(most) };
    let note = format!(
        "Not in memory: {conversations} conversations of {events} events on a server that was started again after \
         they were filled, one message after the other."
    );
    Ok(Found { lines: vec![line], notes: vec![note] })
}

/// Of each side, the median of each round. A side's server has one store for all rounds, and in each new conversations.
async fn first_ms(scene: &Scene, logs: (usize, usize)) -> anyhow::Result<[Vec<f64>; 2]> {
    let mut servers = Vec::new();
    for side in &scene.sides {
        servers.push(cold::start(side.on_store(scene)).await?);
    }
    let mut first_ms = [Vec::new(), Vec::new()];
    for turn in turns(servers.len(), scene.effort.rounds) {
        let measured = cold::measure_in(&mut servers[turn], &[logs]).await?;
        first_ms[turn].extend(measured.iter().map(|cold| f64::from(cold.first.p50_us) / 1e3));
    }
    Ok(first_ms)
}
