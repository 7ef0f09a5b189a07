//! How many conversations a team's router assigns a second.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, bail};
use driver::{Frame, Options, Socket};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

use super::Effort;
use super::office::{Office, Trouble};

/// How long all of them together may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// What the middle round took.
pub(super) struct Assignments {
    pub(super) agents: usize,
    pub(super) waiting: usize,
    /// From the moment the team was told to assign by itself, to the last agent's `assigned` frame.
    pub(super) took: Duration,
    pub(super) server_cpu: Duration,
}

/// How many are still to be told of.
#[derive(Default)]
struct Count {
    left: AtomicUsize,
    none_left: Notify,
    trouble: Trouble,
}

/// Lets so many wait, has the team assign by itself, and ends them; as often as there are rounds.
pub(super) async fn measure(effort: &Effort) -> anyhow::Result<Assignments> {
    let Effort { agents, waiting, rounds, .. } = *effort;
    let office = Office::open(Options::default()).await?;
    let count = Arc::new(Count::default());
    // Twice what is needed: no agent is passed over because a place of theirs is not free yet.
    for socket in office.agents(agents, 2 * waiting.div_ceil(agents)).await? {
        let count = Arc::clone(&count);
        tokio::spawn(async move {
            let error = look_on(socket, &count).await;
            count.trouble.tell(error);
            count.none_left.notify_one();
        });
    }
    let mut measured = Vec::new();
    for _ in 0..rounds {
        let talks = office.talks(waiting).await?;
        count.left.store(waiting, Ordering::Relaxed);
        let (begun, cpu) = (Instant::now(), office.sandbox.cpu()?);
        office.set_mode("auto").await?;
        timeout(PATIENCE, count.none_left.notified()).await.context("not all were assigned")?;
        let took = begun.elapsed();
        let server_cpu = office.sandbox.cpu()?.saturating_sub(cpu);
        count.trouble.check()?;
        measured.push(Assignments { agents, waiting, took, server_cpu });
        office.set_mode("manual").await?;
        office.end(&talks).await?;
    }
    measured.sort_by_key(|round| round.took);
    let middle = measured.len() / 2;
    if measured.is_empty() {
        bail!("there must be a round");
    }
    Ok(measured.swap_remove(middle))
}

/// Counts what the agent is given, until their socket ends; returns why it ended.
async fn look_on(mut socket: Socket, count: &Count) -> anyhow::Error {
    loop {
        match socket.next_within(PATIENCE).await {
            Ok(Some(Frame::Json(frame))) if frame["type"] == "assigned" => {
                if count.left.fetch_sub(1, Ordering::Relaxed) == 1 {
                    count.none_left.notify_one();
                }
            }
            Ok(Some(Frame::Json(_)) | None) => {}
            Ok(Some(Frame::Closed { code, reason })) => {
                return anyhow::anyhow!("an agent's socket was closed: {code:?} {reason}");
            }
            Err(error) => return error,
        }
    }
}
