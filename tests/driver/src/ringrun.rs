//! A ring of three nodes loses one, has one frozen, and loses all at once, in rounds, while visitors and agents are
//! talking to one server over it. With one node away all goes on; with all away nothing may be acknowledged, and what
//! was acknowledged before is there when they are back. The checker says whether the delivery contract held.

use std::cell::Cell;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::ensure;
use futures_util::future::try_join;
use rand::RngExt;
use rand::rngs::StdRng;
use tokio::time::{Instant, sleep};

use crate::cql::Ring;
use crate::outage::{Witness, recovery};
use crate::sandbox::{Options, Sandbox};
use crate::stage::{FrontDesk, Stage, Summary, Trouble, apis};

/// Half of them and one more must answer.
const NODES: usize = 3;
/// How long a node is frozen; longer than a connection to it is believed in.
const FROZEN_MS: std::ops::Range<u64> = 1_000..8_000;
/// How long all nodes are there before the next goes.
const WHOLE_MS: std::ops::Range<u64> = 500..3_000;
/// With a node away.
const GIVEN_UP: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(50);

/// What to do.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// In each, one node is killed, one is frozen, and all are killed.
    pub rounds: u32,
    /// What the moments, the nodes and the texts are drawn from.
    pub seed: u64,
}

/// What came of it.
#[derive(Debug)]
pub struct RingRun {
    /// The longest that nobody acknowledged a message while at most one node was away, killed or frozen.
    pub silence_max: Duration,
    /// How long it took, each time after all nodes were back, until a message was acknowledged and the server was ready.
    pub recovered: Vec<Duration>,
    /// What was said and seen meanwhile.
    pub summary: Summary,
}

impl fmt::Display for RingRun {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { silence_max, recovered, summary } = self;
        write!(
            out,
            "{} rounds: with a node away at most {silence_max:.1?} without an acknowledgement; recovered within \
             {recovered:.1?} after all were away; {summary}",
            recovered.len()
        )
    }
}

/// Carries out `plan` on a ring and a sandbox of its own. An error means that the run itself could not go on.
pub async fn run(plan: Plan) -> anyhow::Result<RingRun> {
    let ring = Ring::start(NODES).await?;
    let options = Options::unlimited().on_cql(&ring.contact_points(), "ring");
    let mut sandbox = Sandbox::start(options).await?;
    let mut run =
        RingRun { silence_max: Duration::ZERO, recovered: Vec::new(), summary: Summary::new(plan.seed) };
    for round in 0..plan.rounds {
        let (servers, ready) = (apis(&[&sandbox]), sandbox.ready().clone());
        let mut breaker = Breaker {
            sandbox: &mut sandbox,
            ring: &ring,
            silence_max: Duration::ZERO,
            recovered: None,
            witness: None,
        };
        let held = run.summary.play(round, &servers, &ready, &mut breaker).await?;
        run.silence_max = run.silence_max.max(breaker.silence_max);
        run.recovered.extend(breaker.recovered);
        if !held {
            break;
        }
    }
    Ok(run)
}

/// The one who breaks the ring.
struct Breaker<'a> {
    sandbox: &'a mut Sandbox,
    ring: &'a Ring,
    silence_max: Duration,
    recovered: Option<Duration>,
    witness: Option<Witness>,
}

impl Breaker<'_> {
    /// Has the witness send until `trouble` is over, which they must hardly notice.
    async fn go_on(
        &mut self,
        witness: &mut Witness,
        trouble: impl Future<Output = anyhow::Result<()>>,
    ) -> anyhow::Result<()> {
        let is_over = Cell::new(false);
        let troubling = async {
            trouble.await?;
            is_over.set(true);
            Ok(())
        };
        let looking = async {
            let mut heard = Instant::now();
            loop {
                let was_over = is_over.get();
                if witness.is_acknowledged().await? {
                    self.silence_max = self.silence_max.max(heard.elapsed());
                    heard = Instant::now();
                    if was_over {
                        return Ok(());
                    }
                }
                ensure!(heard.elapsed() < GIVEN_UP, "no message was acknowledged within {GIVEN_UP:?}");
                sleep(PAUSE).await;
            }
        };
        try_join(troubling, looking).await?;
        Ok(())
    }
}

impl Trouble for Breaker<'_> {
    async fn befall(&mut self, stage: &Stage, _desk: &FrontDesk, random: &mut StdRng) -> anyhow::Result<()> {
        let ring = self.ring;
        let mut witness = Witness::arrive(stage).await?;
        let mut whole_ms = || random.random_range(WHOLE_MS);
        let pauses = [whole_ms(), whole_ms(), whole_ms()].map(Duration::from_millis);
        let (killed, frozen) = (random.random_range(1..=NODES), random.random_range(1..=NODES));
        let frozen_for = Duration::from_millis(random.random_range(FROZEN_MS));

        let one_is_killed = async {
            sleep(pauses[0]).await;
            ring.kill(killed).await?;
            ring.restart(&[killed]).await
        };
        self.go_on(&mut witness, one_is_killed).await?;
        let one_is_frozen = async {
            sleep(pauses[1]).await;
            ring.pause(frozen).await?;
            sleep(frozen_for).await;
            ring.resume(frozen).await
        };
        self.go_on(&mut witness, one_is_frozen).await?;

        sleep(pauses[2]).await;
        ring.kill_all().await?;
        for _ in 0..10 {
            witness.expect_refusal().await?;
            sleep(PAUSE).await;
        }
        ring.restart(&ring.all()).await?;
        self.recovered = Some(recovery(&mut witness).await?);
        self.witness = Some(witness);
        Ok(())
    }

    async fn finish(&mut self, stage: &Stage) -> anyhow::Result<()> {
        match self.witness.take() {
            Some(witness) => witness.leave(stage).await,
            None => Ok(()),
        }
    }

    fn keep_folders(&mut self) -> Vec<PathBuf> {
        vec![self.sandbox.keep_folder()]
    }
}
