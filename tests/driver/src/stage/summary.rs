//! What came of a run.

use std::fmt;
use std::fs::File;
use std::io::BufWriter;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use checker::{History, Recorder, Violation, check};

use super::desk::{FrontDesk, Outcome};
use super::{Stage, Trouble, play, reading};
use crate::api::Api;
use crate::sandbox::Ready;

/// In a summary's text; the kept history has them all.
const VIOLATIONS_SHOWN: usize = 20;

/// What came of all rounds of a run.
#[derive(Debug, Default)]
pub struct Summary {
    /// As in the plan.
    pub seed: u64,
    /// Different messages that were sent.
    pub messages: usize,
    /// Of these, acknowledged.
    pub acknowledged: usize,
    /// Attempts beyond the first of each message.
    pub retries: usize,
    /// Attempts whose outcome nobody was told.
    pub unknown: usize,
    /// Events that observers and readers were given.
    pub events: usize,
    /// What the front desks did.
    pub desk: DeskSummary,
    /// What was broken. Empty: the contract held.
    pub violations: Vec<Violation>,
    /// The history, the desk and the servers' folders, when something was wrong.
    pub kept: Vec<PathBuf>,
}

/// What came of the front desks of all rounds.
#[derive(Clone, Debug, Default)]
pub struct DeskSummary {
    /// How often one was looked at.
    pub inspections: u32,
    /// Conversations that were started there.
    pub conversations: usize,
    /// How often one of them was assigned, by the logs.
    pub assignments: usize,
    /// What agents asked for and heard the outcome of.
    pub deeds: usize,
    /// The longest that it took after a restart until all was as it must be.
    pub settled_max: Duration,
}

impl Summary {
    /// Of a run that begins.
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed, ..Self::default() }
    }

    /// Plays a round on these servers and judges it. Says whether the contract held until now; what comes after a broken
    /// promise proves nothing more. An error means that the run itself could not go on, as when a server does not come
    /// back or refuses what it must take; it tells what was broken until then.
    pub(crate) async fn play<T: Trouble>(
        &mut self,
        round: u32,
        servers: &[Api],
        ready: &Ready,
        trouble: &mut T,
    ) -> anyhow::Result<bool> {
        let seed = self.seed.wrapping_add(u64::from(round));
        let recorder = Recorder::default();
        let (stage, drop_curtain) = Stage::new(servers, ready, &recorder);
        if let Some(server) = trouble.alone() {
            stage.stay_on(server);
        }
        let desk = FrontDesk::open(&stage, seed, T::SETTLES).await?;
        let played = play(&stage, drop_curtain, seed, &desk, trouble).await;
        self.add(&recorder.history());
        let outcome = desk.outcome();
        self.add_desk(&outcome);
        let is_wrong = played.is_err() || !self.violations.is_empty();
        if is_wrong {
            let path = std::env::temp_dir().join(format!("switchboard-history-{seed}.jsonl"));
            let file = BufWriter::new(File::create(&path)?);
            recorder.history().write_to(file).context("the history could not be kept")?;
            self.kept.push(path);
            self.kept.extend(trouble.keep_folders());
            if let Some(wrong) = outcome.wrong {
                let path = std::env::temp_dir().join(format!("switchboard-desk-{seed}.json"));
                serde_json::to_writer(BufWriter::new(File::create(&path)?), &wrong)?;
                self.kept.push(path);
            }
        }
        played.with_context(|| format!("round {round} could not go on\n{self}"))?;
        Ok(!is_wrong)
    }

    fn add(&mut self, history: &History) {
        let counts = reading::count(history);
        self.messages += counts.messages;
        self.acknowledged += counts.acknowledged;
        self.retries += counts.attempts - counts.messages;
        self.unknown += counts.unknown;
        self.events += counts.events;
        self.violations.extend(check(history));
    }

    fn add_desk(&mut self, outcome: &Outcome) {
        let desk = &mut self.desk;
        desk.inspections += outcome.inspections;
        desk.conversations += outcome.conversations;
        desk.assignments += outcome.assignments;
        desk.deeds += outcome.deeds;
        desk.settled_max = desk.settled_max.max(outcome.settled_max);
        self.violations.extend(outcome.violations.iter().cloned());
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, messages, acknowledged, retries, unknown, events, desk, violations, kept } = self;
        write!(
            out,
            "seed {seed}: {messages} messages, {acknowledged} acknowledged, {retries} retries, {unknown} unknown \
             outcomes, {events} events seen, {} violations",
            violations.len()
        )?;
        let DeskSummary { inspections, conversations, assignments, deeds, settled_max } = desk;
        write!(
            out,
            "\nat the front desk: {conversations} conversations, {assignments} assignments, {deeds} deeds; looked at \
             {inspections} times, each time at rest within {settled_max:.1?}"
        )?;
        for violation in violations.iter().take(VIOLATIONS_SHOWN) {
            write!(out, "\n  {violation}")?;
        }
        for path in kept {
            write!(out, "\n  kept: {}", path.display())?;
        }
        Ok(())
    }
}
