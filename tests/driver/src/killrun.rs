//! Kills the server, again and again at random moments, while visitors and agents are talking, and asks the checker
//! whether the delivery contract held. Who talks, and how, stands in [`crate::stage`].

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use rand::RngExt;
use rand::rngs::StdRng;
use tokio::time::sleep;

use crate::sandbox::{Options, Sandbox};
use crate::stage::{FrontDesk, Stage, Summary, Trouble, apis};

/// Of one round; more would bring a conversation near its limit of 10,000 events.
const KILLS_PER_ROUND: u32 = 20;
/// After every so many restarts the front desk is looked at: not after all, so that it also lives through two in a row.
const RESTARTS_PER_LOOK: u32 = 2;

/// What to do.
#[derive(Clone, Debug)]
pub struct Plan {
    /// How often the server is killed.
    pub kills: u32,
    /// What the moments, the texts and the turns are drawn from. The server's own timing is not, so that the same
    /// seed gives a similar run and not the same.
    pub seed: u64,
    /// How the server is started, beside having no limits: on which store.
    pub options: Options,
}

/// What came of it.
#[derive(Debug)]
pub struct Killed {
    /// How often the server was killed.
    pub kills: u32,
    /// What was said and seen meanwhile.
    pub summary: Summary,
}

impl fmt::Display for Killed {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} kills; {}", self.kills, self.summary)
    }
}

/// Carries out `plan` on a sandbox of its own. An error means that the run itself could not go on, as when the server
/// does not come back or refuses what it must take; it tells what was broken until then.
pub async fn run(plan: Plan) -> anyhow::Result<Killed> {
    let mut sandbox = Sandbox::start(Options::unlimited().and(plan.options)).await?;
    let mut killed = Killed { kills: 0, summary: Summary::new(plan.seed) };
    for round in 0..plan.kills.div_ceil(KILLS_PER_ROUND) {
        let kills = KILLS_PER_ROUND.min(plan.kills - killed.kills);
        let (servers, ready) = (apis(&[&sandbox]), sandbox.ready().clone());
        let mut killer = Killer { sandbox: &mut sandbox, kills };
        let held = killed.summary.play(round, &servers, &ready, &mut killer).await?;
        killed.kills += kills;
        if !held {
            break;
        }
    }
    Ok(killed)
}

/// The one who kills.
struct Killer<'a> {
    sandbox: &'a mut Sandbox,
    kills: u32,
}

impl Trouble for Killer<'_> {
    /// Kills it at random moments, all times but the last, and leaves it running.
    async fn befall(&mut self, stage: &Stage, desk: &FrontDesk, random: &mut StdRng) -> anyhow::Result<()> {
        let (mut left, mut restarts) = (self.kills.saturating_sub(1), 0_u32);
        while left > 0 {
            sleep(Duration::from_millis(random.random_range(30..1_000))).await;
            self.sandbox.kill()?;
            desk.lose_all();
            left -= 1;
            // Now and then it is killed again while it starts, in the middle of its recovery.
            while left > 0 && random.random_ratio(1, 4) {
                self.sandbox.restart_unready()?;
                sleep(Duration::from_millis(random.random_range(0..100))).await;
                self.sandbox.kill()?;
                desk.lose_all();
                left -= 1;
            }
            self.sandbox.restart().await?;
            restarts += 1;
            if restarts.is_multiple_of(RESTARTS_PER_LOOK) && !desk.inspect(stage).await? {
                break;
            }
        }
        Ok(())
    }

    /// The last kill hits a server that has answered everybody.
    async fn finish(&mut self, _stage: &Stage) -> anyhow::Result<()> {
        self.sandbox.kill()?;
        self.sandbox.restart().await
    }

    fn keep_folders(&mut self) -> Vec<PathBuf> {
        vec![self.sandbox.keep_folder()]
    }
}
