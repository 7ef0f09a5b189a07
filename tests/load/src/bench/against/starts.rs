//! Conditional statements of a start with many open conversations. A proxy between the server and its nodes counts what
//! passes, so it is counted alike whatever a server calls its statements, and no node need be asked.

use std::time::Duration;

use anyhow::Context;
use driver::cql::{Keyspace, Proxy, Tally};
use tokio::time::sleep;

use super::side::Side;
use super::table::{Figure, Line, Target};
use super::{Found, Scene};
use crate::on_runtime;
use crate::routing::Office;

/// After the server is ready: routers and agents compare with the store every 30 s.
const WATCHED: Duration = Duration::from_secs(35);
/// Who hold half of the conversations.
const AGENTS: usize = 10;
/// They do not come back, and nothing is taken from them while it is counted.
const GRACE_S: u64 = 3_600;
const STATEMENTS_MAX: f64 = 16.0;

pub(super) fn measure(scene: &Scene) -> anyhow::Result<Found> {
    let (mut figures, mut notes) = (Vec::new(), Vec::new());
    for side in &scene.sides {
        let keyspace = scene.keyspace().context("there is no node")?;
        let starts = on_runtime(count(scene, side, &keyspace))?;
        figures.push(Figure::of(starts.iter().map(|tallies| sum(tallies) as f64)));
        let last = starts.last().map(|tallies| words(tallies)).unwrap_or_default();
        notes.push(format!("{}, conditional statements of the last start: {last}", side.name));
    }
    let [this, other] = figures[..] else { return Ok(Found::default()) };
    let open = scene.effort.open;
    let what = format!("starting with {open} open conversations: conditional statements");
    notes.push(format!(
        "Conditional statements are counted by a proxy between the server and its nodes: every UPDATE, INSERT or DELETE with \
         IF that it asks, repeats too, from a start after SIGKILL until {} s after it was ready. A batch counts as one. Half \
         of the {open} conversations wait in the queue, {AGENTS} agents hold the others and do not come back meanwhile.",
        WATCHED.as_secs()
    ));
    Ok(Found {
        lines: vec![Line { what, decimals: 0, this, other, target: Target::AtMost(STATEMENTS_MAX) }],
        notes,
    })
}

/// Has so many wait, kills the server, and starts it again, as often as there are rounds; gives what each start asked.
async fn count(scene: &Scene, side: &Side, keyspace: &Keyspace) -> anyhow::Result<Vec<Vec<Tally>>> {
    let nodes: Vec<_> = scene.nodes.iter().map(|node| node.parse()).collect::<Result<_, _>>()?;
    let proxy = Proxy::start(&nodes, 0).await?;
    let options = side.on_cql(keyspace, &proxy.contact_points());
    let grace = GRACE_S.to_string();
    let mut office = Office::open(options.setting("routing.agent_grace_s", &grace)).await?;
    eprintln!("{}: {} conversations are started, agents take half of them", side.name, scene.effort.open);
    let talks = office.talks(scene.effort.open).await?;
    office.hold(&talks[talks.len() / 2..], AGENTS).await?;
    let asked = sum(&since(proxy.tallies(), &[]));
    eprintln!("{}: {asked} conditional statements before the first start", side.name);
    let mut starts = Vec::new();
    for _ in 0..scene.effort.rounds {
        office.sandbox.kill()?;
        let before = proxy.tallies();
        eprintln!("{}: a start with {} open conversations", side.name, scene.effort.open);
        office.sandbox.restart().await?;
        sleep(WATCHED).await;
        starts.push(since(proxy.tallies(), &before));
    }
    Ok(starts)
}

/// What was asked since then, of the conditional statements.
fn since(mut now: Vec<Tally>, before: &[Tally]) -> Vec<Tally> {
    for tally in &mut now {
        let same = |old: &&Tally| (old.kind, &old.statement) == (tally.kind, &tally.statement);
        tally.asked -= before.iter().find(same).map_or(0, |old| old.asked);
    }
    now.retain(|tally| tally.asked > 0 && tally.is_conditional());
    now
}

fn sum(tallies: &[Tally]) -> u64 {
    tallies.iter().map(|tally| tally.asked).sum()
}

fn words(tallies: &[Tally]) -> String {
    if tallies.is_empty() {
        return "none.".to_owned();
    }
    let words = |tally: &Tally| format!("{} × `{}`", tally.asked, tally.statement);
    tallies.iter().map(words).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use driver::cql::Kind;

    use super::*;

    fn tally(kind: Kind, statement: &str, asked: u64) -> Tally {
        Tally { kind, statement: statement.to_owned(), asked, faults: BTreeMap::new() }
    }

    #[test]
    fn only_conditional_statements_since_the_start_count() {
        let claim = "UPDATE log SET claim = ? WHERE k = ? IF claim = ?";
        let before = [tally(Kind::Execute, claim, 100), tally(Kind::Batch, claim, 5)];
        let now = vec![
            tally(Kind::Execute, claim, 103),
            tally(Kind::Batch, claim, 5),
            tally(Kind::Execute, "INSERT INTO lock (k) VALUES (1) IF NOT EXISTS", 1),
            tally(Kind::Execute, "SELECT claim FROM log WHERE k = ?", 900),
        ];
        let counted = since(now, &before);
        assert_eq!(sum(&counted), 4);
        assert_eq!(
            words(&counted),
            format!("3 × `{claim}`, 1 × `INSERT INTO lock (k) VALUES (1) IF NOT EXISTS`")
        );
        assert_eq!(words(&[]), "none.");
    }
}
