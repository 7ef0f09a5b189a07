//! The store goes and comes back, again and again, while visitors and agents are talking to one server that goes on.
//! While it is away nothing may be acknowledged, and everybody is told to come again; soon after it is back all goes on
//! by itself; and the checker says whether the delivery contract held.

mod witness;

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::bail;
use rand::RngExt;
use rand::rngs::StdRng;
use tokio::time::{Instant, sleep};

use crate::cql::{Proxy, Ring};
use crate::sandbox::{Options, Sandbox};
use crate::stage::{FrontDesk, Stage, Summary, Trouble, apis};
pub(crate) use witness::Witness;

/// How soon after it is back a message must be acknowledged, and the server be ready.
pub const RECOVERY_MAX: Duration = Duration::from_secs(5);
/// How soon after it went the server must say so.
const NOTICE_MAX: Duration = Duration::from_secs(5);
/// After which a server that does not recover is given up.
const GIVEN_UP: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(50);

/// What to do.
#[derive(Clone, Debug)]
pub struct Plan {
    /// How long the store is away each time, at least.
    pub away: Vec<Duration>,
    /// What the moments, the texts and the turns are drawn from.
    pub seed: u64,
    /// How the server is started, beside having no limits: on the store that goes.
    pub options: Options,
}

/// How the store goes.
#[derive(Debug)]
pub enum Store<'a> {
    /// All its nodes are killed, and started again on their data.
    Killed(&'a Ring),
    /// Its connections end, and new ones are refused.
    Refused(&'a mut Proxy),
}

/// What came of it.
#[derive(Debug)]
pub struct Outages {
    /// How long it took each time after the store was back until a message was acknowledged and the server was ready.
    pub recovered: Vec<Duration>,
    /// How often a message was refused with a word when to come again while the store was away.
    pub refused: u32,
    /// What was said and seen meanwhile.
    pub summary: Summary,
}

impl fmt::Display for Outages {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "recovered within {:.1?}, {} refusals; {}", self.recovered, self.refused, self.summary)
    }
}

/// Carries out `plan` on a sandbox of its own. An error means that the run itself could not go on, or that a server
/// without its store did not do what it must.
pub async fn run(plan: Plan, store: Store<'_>) -> anyhow::Result<Outages> {
    let mut sandbox = Sandbox::start(Options::unlimited().and(plan.options)).await?;
    let (servers, ready) = (apis(&[&sandbox]), sandbox.ready().clone());
    let mut summary = Summary::new(plan.seed);
    let mut outage = Outage {
        sandbox: &mut sandbox,
        store,
        away: plan.away,
        recovered: Vec::new(),
        refused: 0,
        witness: None,
    };
    summary.play(0, &servers, &ready, &mut outage).await?;
    let Outage { recovered, refused, .. } = outage;
    Ok(Outages { recovered, refused, summary })
}

struct Outage<'a> {
    sandbox: &'a mut Sandbox,
    store: Store<'a>,
    away: Vec<Duration>,
    recovered: Vec<Duration>,
    refused: u32,
    witness: Option<Witness>,
}

impl Trouble for Outage<'_> {
    async fn befall(&mut self, stage: &Stage, _desk: &FrontDesk, random: &mut StdRng) -> anyhow::Result<()> {
        let mut witness = Witness::arrive(stage).await?;
        for away in std::mem::take(&mut self.away) {
            sleep(Duration::from_millis(random.random_range(500..2_000))).await;
            self.store.go().await?;
            let gone = Instant::now();
            await_notice(&mut witness).await?;
            while gone.elapsed() < away {
                witness.expect_refusal().await?;
                self.refused += 1;
                sleep(PAUSE).await;
            }
            self.store.come_back().await?;
            self.recovered.push(recovery(&mut witness).await?);
        }
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

impl Store<'_> {
    async fn go(&mut self) -> anyhow::Result<()> {
        match self {
            Self::Killed(ring) => ring.kill_all().await,
            Self::Refused(proxy) => proxy.refuse().await,
        }
    }

    /// Until it serves.
    async fn come_back(&mut self) -> anyhow::Result<()> {
        match self {
            Self::Killed(ring) => ring.restart(&ring.all()).await,
            Self::Refused(proxy) => proxy.accept(),
        }
    }
}

/// Until the server says that it is not ready. A message is refused from the beginning on.
async fn await_notice(witness: &mut Witness) -> anyhow::Result<()> {
    let begun = Instant::now();
    loop {
        witness.expect_refusal().await?;
        if !witness.is_ready().await? {
            return Ok(());
        }
        if begun.elapsed() > NOTICE_MAX {
            bail!("the server was still ready {NOTICE_MAX:?} after its store had gone");
        }
        sleep(PAUSE).await;
    }
}

/// How long it takes from now on until a message is acknowledged and the server says that it is ready.
pub(crate) async fn recovery(witness: &mut Witness) -> anyhow::Result<Duration> {
    let begun = Instant::now();
    loop {
        if witness.is_acknowledged().await? && witness.is_ready().await? {
            return Ok(begun.elapsed());
        }
        if begun.elapsed() > GIVEN_UP {
            bail!("the server did not recover within {GIVEN_UP:?} after its store was back");
        }
        sleep(PAUSE).await;
    }
}
