//! The one who kills.

use std::time::Duration;

use rand::RngExt;
use rand::rngs::StdRng;
use tokio::time::sleep;

use crate::sandbox::Sandbox;

/// After every so many restarts the front desk is looked at: not after all, so that it also lives through two in a row.
const RESTARTS_PER_LOOK: u32 = 2;

/// Kills the server `kills` times, each at a random moment, and leaves it running. `killed` is told of each, and
/// `look` says after some whether to go on.
pub(super) async fn kill_at_random(
    sandbox: &mut Sandbox,
    kills: u32,
    random: &mut StdRng,
    killed: impl Fn(),
    look: impl AsyncFn() -> anyhow::Result<bool>,
) -> anyhow::Result<()> {
    let (mut left, mut restarts) = (kills, 0_u32);
    while left > 0 {
        sleep(Duration::from_millis(random.random_range(30..1_000))).await;
        sandbox.kill()?;
        killed();
        left -= 1;
        // Now and then it is killed again while it starts, in the middle of its recovery.
        while left > 0 && random.random_ratio(1, 4) {
            sandbox.restart_unready()?;
            sleep(Duration::from_millis(random.random_range(0..100))).await;
            sandbox.kill()?;
            killed();
            left -= 1;
        }
        sandbox.restart().await?;
        restarts += 1;
        if restarts.is_multiple_of(RESTARTS_PER_LOOK) && !look().await? {
            break;
        }
    }
    Ok(())
}
