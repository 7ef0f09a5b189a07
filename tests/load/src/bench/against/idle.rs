//! What an idle socket and an idle live conversation cost, all in.

use super::table::{Figure, Line, Target};
use super::{Found, Scene, turns};
use crate::bench::SERVER_CORE;
use crate::{idle, on_runtime};

const KIB_MAX: f64 = 8.0;

pub(super) fn measure(scene: &Scene) -> anyhow::Result<Found> {
    let plan = idle::Plan { count: scene.effort.idle, core: Some(SERVER_CORE) };
    let count = plan.count;
    let (mut sockets, mut conversations) = ([Vec::new(), Vec::new()], [Vec::new(), Vec::new()]);
    let kib = |bytes: i64| bytes as f64 / 1024.0;
    for turn in turns(2, scene.effort.rounds) {
        let side = &scene.sides[turn];
        eprintln!("{}: {count} idle sockets, {count} idle conversations", side.name);
        let held = on_runtime(idle::sockets(&plan, side.options()))?;
        sockets[turn].push(kib(held.bytes_each()));
        let plan = idle::ConversationsPlan { plan: plan.clone(), wait_seconds: None };
        let held = on_runtime(idle::conversations(&plan, side.options()))?;
        conversations[turn].push(kib(held.bytes_each_alive()));
    }
    let line = |what: &str, figures: [Vec<f64>; 2]| {
        let [this, other] = figures.map(Figure::of);
        Line { what: format!("{what}, KiB"), decimals: 2, this, other, target: Target::AtMost(KIB_MAX) }
    };
    let lines = vec![line("an idle socket", sockets), line("an idle live conversation", conversations)];
    let note = format!("Idle: growth of the server's resident memory, divided by the {count} that are held.");
    Ok(Found { lines, notes: vec![note] })
}
