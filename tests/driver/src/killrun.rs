//! Kills the server, again and again at random moments, while visitors and agents are talking, and asks the checker
//! whether the delivery contract held.
//!
//! A run goes in rounds, so that no conversation grows to its limit. In each, four visitors (two by REST, two by
//! socket) and two agents (one who has accepted, one who writes notes) send as fast as they are answered. What has an
//! unknown outcome is repeated under the same `client_id` until it is acknowledged, and sockets and long polls go on
//! after the last event they saw. After the round's last kill the whole logs are read, in several ways.
//!
//! Beside them a front desk is at work, whose conversations wait, are offered, taken and given on ([`desk`]); it is
//! read and judged after every second restart.

mod desk;
mod killer;
mod reading;
mod rest;
mod scene;
mod talker;
mod words;

use std::fmt;
use std::fs::File;
use std::io::BufWriter;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use anyhow::Context;
use checker::{History, Recorder, Violation, check};
use futures_util::future::{try_join, try_join_all, try_join3};
use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio::sync::watch;

use crate::api::Api;
use crate::sandbox::{Options, Ready, Sandbox};
use desk::{FrontDesk, Outcome};

/// Of one round; more would bring a conversation near its limit of 10,000 events.
const KILLS_PER_ROUND: u32 = 20;

/// In a summary's text; the kept history has them all.
const VIOLATIONS_SHOWN: usize = 20;

/// What to do.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// How often the server is killed.
    pub kills: u32,
    /// What the moments, the texts and the turns are drawn from. The server's own timing is not, so that the same
    /// seed gives a similar run and not the same.
    pub seed: u64,
}

/// What came of it.
#[derive(Debug)]
pub struct Summary {
    /// As in the plan.
    pub seed: u64,
    /// How often the server was killed.
    pub kills: u32,
    /// Different messages that were sent.
    pub messages: usize,
    /// Of these, acknowledged.
    pub acknowledged: usize,
    /// Attempts beyond the first of each message.
    pub retries: usize,
    /// Events that observers and readers were given.
    pub events: usize,
    /// What the front desks did.
    pub desk: DeskSummary,
    /// What was broken. Empty: the contract held.
    pub violations: Vec<Violation>,
    /// The history, the desk and the server's folder, when something was wrong.
    pub kept: Vec<PathBuf>,
}

/// What came of the front desks of all rounds.
#[derive(Clone, Copy, Debug, Default)]
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
    fn add_desk(&mut self, outcome: &Outcome) {
        let desk = &mut self.desk;
        desk.inspections += outcome.inspections;
        desk.conversations += outcome.conversations;
        desk.assignments += outcome.assignments;
        desk.deeds += outcome.deeds;
        desk.settled_max = desk.settled_max.max(outcome.settled_max);
        self.violations.extend(outcome.violations.iter().cloned());
    }

    fn add(&mut self, kills: u32, history: &History) {
        let counts = reading::count(history);
        self.kills += kills;
        self.messages += counts.messages;
        self.acknowledged += counts.acknowledged;
        self.retries += counts.attempts - counts.messages;
        self.events += counts.events;
        self.violations.extend(check(history));
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, kills, messages, acknowledged, retries, events, desk, violations, kept } = self;
        write!(
            out,
            "seed {seed}: {kills} kills, {messages} messages, {acknowledged} acknowledged, {retries} retries, \
             {events} events seen, {} violations",
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

/// Carries out `plan` on a sandbox of its own. An error means that the run itself could not go on, as when the server
/// does not come back or refuses what it must take; it tells what was broken until then.
pub async fn run(plan: Plan) -> anyhow::Result<Summary> {
    let mut sandbox = Sandbox::start(Options::unlimited()).await?;
    let mut summary = Summary {
        seed: plan.seed,
        kills: 0,
        messages: 0,
        acknowledged: 0,
        retries: 0,
        events: 0,
        desk: DeskSummary::default(),
        violations: Vec::new(),
        kept: Vec::new(),
    };
    for round in 0..plan.kills.div_ceil(KILLS_PER_ROUND) {
        let kills = KILLS_PER_ROUND.min(plan.kills - round * KILLS_PER_ROUND);
        let seed = plan.seed.wrapping_add(u64::from(round));
        let recorder = Recorder::default();
        let stage = Stage::new(&sandbox, &recorder);
        let desk = FrontDesk::open(&stage.0, seed).await?;
        let played = play(&mut sandbox, kills, seed, stage, &desk).await;
        summary.add(kills, &recorder.history());
        let outcome = desk.outcome();
        summary.add_desk(&outcome);
        let is_wrong = played.is_err() || !summary.violations.is_empty();
        if is_wrong {
            let path = std::env::temp_dir().join(format!("switchboard-history-{seed}.jsonl"));
            let file = BufWriter::new(File::create(&path)?);
            recorder.history().write_to(file).context("the history could not be kept")?;
            summary.kept.extend([path, sandbox.keep_folder()]);
            if let Some(wrong) = outcome.wrong {
                let path = std::env::temp_dir().join(format!("switchboard-desk-{seed}.json"));
                serde_json::to_writer(BufWriter::new(File::create(&path)?), &wrong)?;
                summary.kept.push(path);
            }
        }
        played.with_context(|| format!("round {round} could not go on\n{summary}"))?;
        if is_wrong {
            break; // What comes after a broken promise proves nothing more.
        }
    }
    Ok(summary)
}

/// What the clients of a round share.
#[derive(Clone)]
struct Stage {
    api: Api,
    ready: Rc<Ready>,
    recorder: Recorder,
    /// True when the clients are to end.
    curtain: watch::Receiver<bool>,
}

impl Stage {
    /// With what makes the curtain fall.
    fn new(sandbox: &Sandbox, recorder: &Recorder) -> (Self, watch::Sender<bool>) {
        let (drop_curtain, curtain) = watch::channel(false);
        let (api, ready) = (sandbox.api(), Rc::new(sandbox.ready().clone()));
        (Self { api, ready, recorder: recorder.clone(), curtain }, drop_curtain)
    }

    /// Whether no new message is to be sent.
    fn is_ending(&self) -> bool {
        *self.curtain.borrow()
    }
}

/// One round.
async fn play(
    sandbox: &mut Sandbox,
    kills: u32,
    seed: u64,
    (stage, drop_curtain): (Stage, watch::Sender<bool>),
    desk: &Rc<FrontDesk>,
) -> anyhow::Result<()> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut casting = StdRng::from_rng(&mut random);
    let people = desk.people(&stage, &mut casting);
    let acting = async {
        let scene = scene::build(&stage).await?;
        try_join_all(scene.clients(&stage, &mut casting)).await?;
        anyhow::Ok(scene)
    };
    // All but the last kill hit clients that are talking; that one hits a server that has answered them all.
    let killing = async {
        let look = async || desk.inspect(&stage).await;
        let kills = kills.saturating_sub(1);
        killer::kill_at_random(sandbox, kills, &mut random, || desk.lose_all(), look).await?;
        drop_curtain.send_replace(true);
        anyhow::Ok(())
    };
    let (scene, _, ()) = try_join3(acting, try_join_all(people), killing).await?;
    sandbox.kill()?;
    sandbox.restart().await?;
    try_join(reading::read_all(&stage, &scene), desk.inspect(&stage)).await?;
    scene.end(&stage).await?;
    desk.close(&stage).await
}
