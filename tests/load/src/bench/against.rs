//! Two builds of the server by turns, in one run: this one, and another one, as of an earlier commit. It prints one page of
//! Markdown, whose table has a line for each target that the project set: both sides' figures, their ratio, the target,
//! and whether it is met.
//!
//! Servers have the first core, the load the second; nodes of a CQL store may use both. Each side has its own data folders
//! and keyspaces, so that neither meets what the other has written.

mod carried;
mod cold;
mod idle;
mod side;
mod starts;
mod table;
mod watched;

use std::cell::RefCell;
use std::fmt::Write;
use std::path::PathBuf;
use std::time::Duration;

use driver::cql::Keyspace;

use crate::on_runtime;

use side::Side;
use table::Line;

/// Before a keyspace is removed, until its nodes have long done what the servers asked: a node of Cassandra 5.0.8 that still
/// writes to a table which goes fails the change of the schema, and its ring agrees on none any more.
pub(super) const QUIET: Duration = Duration::from_secs(20);

/// What is compared, and how long.
#[derive(clap::Args, Clone, Debug)]
pub(super) struct Plan {
    /// Measure another build of the server by turns with this one instead, and print the targets; with `--cql`, all nodes of
    /// one ring: one or three
    #[arg(long, value_name = "PROGRAM")]
    pub(super) against: Option<PathBuf>,
    /// With `--against`: this build; without it, target/release/switchboard
    #[arg(long, value_name = "PROGRAM", requires = "against")]
    this: Option<PathBuf>,
    /// With `--against`: how often each side is measured; the middle one counts
    #[arg(long, requires = "against", value_parser = clap::value_parser!(u8).range(1..))]
    rounds: Option<u8>,
    /// With `--against`: only these parts, of messages, cold, fan-out, dashboards, idle, starts
    #[arg(long, requires = "against", value_delimiter = ',')]
    only: Vec<String>,
}

/// How much is done of everything.
struct Effort {
    rounds: usize,
    /// Of each turn in which messages are sent, on SQLite and on CQL.
    seconds: (u32, u32),
    /// Events of a log and how many such logs, on SQLite and on CQL.
    cold: ((usize, usize), (usize, usize)),
    /// Open at a start.
    open: usize,
    /// Idle sockets, and idle conversations.
    idle: usize,
    /// With dashboards; half of them at first.
    agents: usize,
    quick: bool,
}

const WHOLE: Effort = Effort {
    rounds: 3,
    seconds: (4, 15),
    cold: ((50, 100), (20, 50)),
    open: 10_000,
    idle: 10_000,
    agents: 500,
    quick: false,
};

const QUICK: Effort = Effort {
    rounds: 1,
    seconds: (2, 4),
    cold: ((20, 20), (10, 10)),
    open: 300,
    idle: 2_000,
    agents: 60,
    quick: true,
};

/// What every part is measured with.
struct Scene {
    sides: [Side; 2],
    effort: Effort,
    /// Of a CQL store; none: SQLite.
    nodes: Vec<String>,
    /// All that were used.
    keyspaces: RefCell<Vec<Keyspace>>,
}

impl Scene {
    /// A new one; none on SQLite.
    fn keyspace(&self) -> Option<Keyspace> {
        let keyspace = Keyspace::new(self.nodes.first()?, "against");
        self.keyspaces.borrow_mut().push(keyspace.clone());
        Some(keyspace)
    }

    /// A keyspace that stays is said, and spoils nothing.
    fn remove_keyspaces(&self) {
        if !self.nodes.is_empty() {
            std::thread::sleep(QUIET);
        }
        for keyspace in self.keyspaces.take() {
            if let Err(error) = on_runtime(keyspace.remove()) {
                eprintln!("a keyspace stays: {error:#}");
            }
        }
    }
}

/// What a part found.
#[derive(Default)]
struct Found {
    lines: Vec<Line>,
    /// In whole sentences.
    notes: Vec<String>,
}

/// A part of the run, by its name.
type Part = (&'static str, fn(&Scene) -> anyhow::Result<Found>);

const ON_SQLITE: &[Part] = &[
    ("messages", carried::on_sqlite),
    ("cold", cold::measure),
    ("fan-out", watched::fan_out),
    ("dashboards", watched::dashboards),
    ("idle", idle::measure),
];
const ON_CQL: &[Part] =
    &[("messages", carried::on_cql), ("cold", cold::measure), ("starts", starts::measure)];

/// Measures everything and gives the page. A part that fails is noted, and the others go on.
pub(super) fn against(plan: &Plan, nodes: &[String], quick: bool) -> anyhow::Result<String> {
    let mut effort = if quick { QUICK } else { WHOLE };
    effort.rounds = plan.rounds.map_or(effort.rounds, usize::from);
    let sides =
        [Side::new("this build", plan.this.as_deref())?, Side::new("the other", plan.against.as_deref())?];
    let scene = Scene { sides, effort, nodes: nodes.to_vec(), keyspaces: RefCell::default() };
    let mut found = Found::default();
    for (name, measure) in if nodes.is_empty() { ON_SQLITE } else { ON_CQL } {
        if !plan.only.is_empty() && !plan.only.iter().any(|only| only == name) {
            continue;
        }
        match measure(&scene) {
            Ok(part) => {
                part.lines.iter().for_each(|line| eprint!("{line}"));
                found.lines.extend(part.lines);
                found.notes.extend(part.notes);
            }
            Err(error) => found.notes.push(format!("**Not measured: {name}.** {error:#}")),
        }
    }
    scene.remove_keyspaces();
    Ok(page(&scene, &found))
}

fn page(scene: &Scene, found: &Found) -> String {
    let [this, other] = &scene.sides;
    let rounds = scene.effort.rounds;
    let mut page = format!("### This build beside another\n\n- this build: {this}\n- the other: {other}\n\n");
    // A String takes every write.
    let _ = write!(page, "Medians (lowest to highest) of {rounds} rounds by turns. ");
    page += if rounds < 3 { "**Too few to judge by.**\n\n" } else { "Ratios are of the medians.\n\n" };
    page += Line::HEAD;
    found.lines.iter().for_each(|line| page += &line.to_string());
    page.push('\n');
    for note in &found.notes {
        let _ = writeln!(page, "- {note}");
    }
    page
}

/// Whose turn it is, by place: so many rounds, each begun by the next one.
fn turns(count: usize, rounds: usize) -> impl Iterator<Item = usize> {
    (0..rounds).flat_map(move |round| (0..count).map(move |turn| (round + turn) % count))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_round_is_begun_by_another() {
        assert_eq!(turns(2, 3).collect::<Vec<_>>(), [0, 1, 1, 0, 0, 1]);
        assert_eq!(turns(3, 2).collect::<Vec<_>>(), [0, 1, 2, 1, 2, 0]);
    }
}
