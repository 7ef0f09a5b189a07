//! Two servers over one store, of which one may write: the one that started last. While visitors and agents send through
//! both, the one that writes is frozen, the other is started and takes the store over, and the frozen one wakes up in the
//! belief that it still may write; the store's fence has to stop it, and it has to end with exit code 3. Then the same the
//! other way round, again and again. The checker says whether the delivery contract held.
//!
//! Each attempt goes to any of the two, a repeat too, and a client that waits too long for a frozen server goes to the
//! other. An observer learns late of what the other server does: by the next page, or when its socket moves there.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, ensure};
use futures_util::future::try_join;
use rand::RngExt;
use rand::rngs::StdRng;
use tokio::time::{Instant, sleep};

use crate::sandbox::{Options, Sandbox, Signal};
use crate::stage::{FrontDesk, Stage, Summary, Trouble, apis};

/// How long a round lasts at most; more would bring a conversation near its limit of 10,000 events.
const ROUND: Duration = Duration::from_secs(45);
/// How long a server is frozen.
const FROZEN_MS: std::ops::Range<u64> = 200..4_000;
/// How long the other one waits before it is started.
const UNSERVED_MS: std::ops::Range<u64> = 0..1_000;
/// How long one serves before it is frozen.
const AWAKE_MS: std::ops::Range<u64> = 50..1_000;
/// How soon one that was overtaken and is awake must have ended, on a machine that is busy.
const ENDS_WITHIN: Duration = Duration::from_secs(30);
/// What it ends with.
const OVERTAKEN: i32 = 3;
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
    ends_overtaken(&mut one).await?;
    let servers: Vec<_> = apis(&[&one, &other]).into_iter().map(|api| api.with_patience(PATIENCE)).collect();
    let ready = one.ready().clone();
    let mut duel = Duel { freezes: 0, summary: Summary::new(plan.seed) };
    let rounds = plan.lasts.div_duration_f64(ROUND).ceil() as u32;
    let mut serving = 1;
    for round in 0..rounds {
        let lasts = plan.lasts / rounds;
        let mut freezer = Freezer { sandboxes: [&mut one, &mut other], serving, lasts, freezes: 0 };
        let held = duel.summary.play(round, &servers, &ready, &mut freezer).await?;
        duel.freezes += freezer.freezes;
        serving = freezer.serving;
        if !held {
            break;
        }
    }
    Ok(duel)
}

async fn ends_overtaken(server: &mut Sandbox) -> anyhow::Result<()> {
    let code = server.exit_code(ENDS_WITHIN).await.context("an overtaken server goes on")?;
    ensure!(code == OVERTAKEN, "an overtaken server ended with {code}");
    Ok(())
}

/// The one who freezes.
struct Freezer<'a> {
    sandboxes: [&'a mut Sandbox; 2],
    /// Which of them runs.
    serving: usize,
    lasts: Duration,
    freezes: u32,
}

impl Trouble for Freezer<'_> {
    async fn befall(&mut self, stage: &Stage, _desk: &FrontDesk, random: &mut StdRng) -> anyhow::Result<()> {
        let begun = Instant::now();
        stage.go_anywhere();
        while begun.elapsed() < self.lasts {
            sleep(Duration::from_millis(random.random_range(AWAKE_MS))).await;
            let [one, other] = &mut self.sandboxes;
            let (frozen, next) = if self.serving == 0 { (one, other) } else { (other, one) };
            let unserved = Duration::from_millis(random.random_range(UNSERVED_MS));
            let frozen_for = Duration::from_millis(random.random_range(FROZEN_MS));
            frozen.signal(Signal::STOP)?;
            let taking_over = async {
                sleep(unserved).await;
                next.restart().await
            };
            let waking = async {
                sleep(frozen_for).await;
                frozen.signal(Signal::CONT).context("a frozen server ended")
            };
            try_join(taking_over, waking).await?;
            ends_overtaken(frozen).await?;
            self.serving = 1 - self.serving;
            self.freezes += 1;
        }
        stage.stay_on(self.serving);
        Ok(())
    }

    fn alone(&self) -> Option<usize> {
        Some(self.serving)
    }

    async fn finish(&mut self, _stage: &Stage) -> anyhow::Result<()> {
        Ok(())
    }

    fn keep_folders(&mut self) -> Vec<PathBuf> {
        self.sandboxes.iter_mut().map(|sandbox| sandbox.keep_folder()).collect()
    }
}
