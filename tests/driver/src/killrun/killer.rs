//! The one who kills.

use std::time::Duration;

use rand::RngExt;
use rand::rngs::StdRng;
use tokio::time::sleep;

use crate::sandbox::Sandbox;

/// Kills the server `kills` times, each at a random moment, and leaves it running.
pub(super) async fn kill_at_random(
    sandbox: &mut Sandbox,
    kills: u32,
    random: &mut StdRng,
) -> anyhow::Result<()> {
    let mut left = kills;
    while left > 0 {
        sleep(Duration::from_millis(random.random_range(30..1_000))).await;
        sandbox.kill()?;
        left -= 1;
        // Now and then it is killed again while it starts, in the middle of its recovery.
        while left > 0 && random.random_ratio(1, 4) {
            sandbox.restart_unready()?;
            sleep(Duration::from_millis(random.random_range(0..100))).await;
            sandbox.kill()?;
            left -= 1;
        }
        sandbox.restart().await?;
    }
    Ok(())
}
