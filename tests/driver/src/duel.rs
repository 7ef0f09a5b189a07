//! Two servers over one store that know nothing of each other, while visitors and agents send through both in the same
//! conversations, and one of the servers is frozen and woken, again and again, in turn. A frozen one wakes up in the
//! belief that it still owns what the other has taken; the store's fence has to stop it. The checker says whether the
//! delivery contract held.
//!
//! Each attempt goes to any of the two, a repeat too, and a client that waits too long for a frozen server goes to the
//! other. Neither server hears what the other does, so an observer learns of it late: by the next page, or when its
//! socket moves to the other server, as it does now and then. What routing keeps in memory is not judged
//! ([`DeskSummary::set_aside`](crate::DeskSummary) counts it).

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use rand::RngExt;
use rand::rngs::StdRng;
use tokio::time::{Instant, sleep};

use crate::sandbox::{Options, Sandbox, Signal};
use crate::stage::{FrontDesk, Stage, Summary, Trouble, apis};

/// How long a round lasts at most; more would bring a conversation near its limit of 10,000 events.
const ROUND: Duration = Duration::from_secs(45);
/// How long a server is frozen.
const FROZEN_MS: std::ops::Range<u64> = 200..4_000;
/// How long both are awake before the next.
const AWAKE_MS: std::ops::Range<u64> = 50..1_000;
/// After which a client goes to the other server: so that what a frozen one was asked is often asked of both.
const PATIENCE: Duration = Duration::from_millis(1_500);

/// What to do.
#[derive(Clone, Debug)]
pub struct Plan {
    /// How long they fight.
    pub lasts: Duration,
    /// What the moments, the texts and the turns are drawn from, but not who is asked.
    pub seed: u64,
    /// How both servers are started, beside having no limits: on one store.
    pub options: Options,
}

/// What came of it.
#[derive(Debug)]
pub struct Duel {
    /// How often one was frozen.
    pub freezes: u32,
    /// What was said and seen meanwhile.
    pub summary: Summary,
}

impl fmt::Display for Duel {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} freezes; {}", self.freezes, self.summary)
    }
}

/// Carries out `plan` on two sandboxes of its own. An error means that the run itself could not go on.
pub async fn run(plan: Plan) -> anyhow::Result<Duel> {
    let options = Options::unlimited().and(plan.options);
    // The first makes the tables, and what the second finds there.
    let mut one = Sandbox::start(options.clone()).await?;
    let mut other = Sandbox::start(options).await?;
    let servers: Vec<_> = apis(&[&one, &other]).into_iter().map(|api| api.with_patience(PATIENCE)).collect();
    let ready = one.ready().clone();
    let mut duel = Duel { freezes: 0, summary: Summary::new(plan.seed) };
    let rounds = plan.lasts.div_duration_f64(ROUND).ceil() as u32;
    for round in 0..rounds {
        let lasts = plan.lasts / rounds;
        let mut freezer = Freezer { sandboxes: [&mut one, &mut other], lasts, freezes: 0 };
        let held = duel.summary.play(round, &servers, &ready, &mut freezer).await?;
        duel.freezes += freezer.freezes;
        if !held {
            break;
        }
    }
    Ok(duel)
}

/// The one who freezes.
struct Freezer<'a> {
    sandboxes: [&'a mut Sandbox; 2],
    lasts: Duration,
    freezes: u32,
}

impl Trouble for Freezer<'_> {
    async fn befall(&mut self, _stage: &Stage, _desk: &FrontDesk, random: &mut StdRng) -> anyhow::Result<()> {
        let begun = Instant::now();
        while begun.elapsed() < self.lasts {
            sleep(Duration::from_millis(random.random_range(AWAKE_MS))).await;
            let sandbox = &self.sandboxes[self.freezes as usize % 2];
            sandbox.signal(Signal::STOP)?;
            sleep(Duration::from_millis(random.random_range(FROZEN_MS))).await;
            sandbox.signal(Signal::CONT).context("a frozen server ended")?;
            self.freezes += 1;
        }
        Ok(())
    }

    async fn finish(&mut self, _stage: &Stage) -> anyhow::Result<()> {
        Ok(())
    }

    fn keep_folders(&mut self) -> Vec<PathBuf> {
        self.sandboxes.iter_mut().map(|sandbox| sandbox.keep_folder()).collect()
    }
}
