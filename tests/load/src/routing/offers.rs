//! How soon a conversation that starts is offered.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::bail;
use driver::{Frame, Options, Socket};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use super::Effort;
use super::office::{Office, Trouble};
use crate::latency::{Latencies, Percentiles};

const AGENTS: usize = 20;
/// Between two starts: slow enough that none waits for another.
const EVERY: Duration = Duration::from_millis(10);
/// How long the last offers may take.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) struct Offers {
    pub(super) agents: usize,
    pub(super) per_s: f64,
    pub(super) count: usize,
    /// From the visitor's 201 to the agent's `offer`; one that came before the 201 took nothing.
    pub(super) after_answer: Percentiles,
    /// From the visitor's request to the agent's `offer`.
    pub(super) after_request: Percentiles,
}

#[derive(Default)]
struct Board {
    /// When each conversation was first offered.
    offered: Mutex<HashMap<String, Instant>>,
    trouble: Trouble,
}

/// Starts conversations one by one, at an even pace, for agents who are all free.
pub(super) async fn measure(effort: &Effort) -> anyhow::Result<Offers> {
    let office = Office::open(Options::default()).await?;
    office.set_mode("offer").await?;
    let board = Arc::new(Board::default());
    // An offer counts as load, and none is answered.
    for socket in office.agents(AGENTS, effort.starts.min(1_000)).await? {
        let board = Arc::clone(&board);
        tokio::spawn(async move { board.trouble.tell(look_on(socket, &board).await) });
    }
    let mut pace = interval(EVERY);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut started = Vec::new();
    for visitor in office.visitors(effort.starts).await? {
        pace.tick().await;
        let asked = Instant::now();
        let talk = office.start(visitor).await?;
        started.push((talk.conversation, asked, Instant::now()));
    }
    let until = Instant::now() + PATIENCE;
    while board.offered.lock().expect("nobody panics while holding it").len() < started.len() {
        board.trouble.check()?;
        if Instant::now() > until {
            bail!("not all were offered within {PATIENCE:?}");
        }
        sleep(EVERY).await;
    }
    let offered = board.offered.lock().expect("nobody panics while holding it");
    let (mut after_answer, mut after_request) = (Latencies::default(), Latencies::default());
    for (conversation, asked, answered) in &started {
        let at = offered[conversation];
        after_answer.add(at.saturating_duration_since(*answered));
        after_request.add(at - *asked);
    }
    Ok(Offers {
        agents: AGENTS,
        per_s: 1.0 / EVERY.as_secs_f64(),
        count: started.len(),
        after_answer: after_answer.percentiles(),
        after_request: after_request.percentiles(),
    })
}

/// Notes when something is offered, until the socket ends; gives why.
async fn look_on(mut socket: Socket, board: &Board) -> anyhow::Error {
    loop {
        match socket.next_within(PATIENCE).await {
            Ok(Some(Frame::Json(frame))) if frame["type"] == "offer" => {
                let now = Instant::now();
                let conversation = frame["conversation"]["id"].as_str().unwrap_or_default().to_owned();
                let mut offered = board.offered.lock().expect("nobody panics while holding it");
                offered.entry(conversation).or_insert(now);
            }
            Ok(Some(Frame::Json(_)) | None) => {}
            Ok(Some(Frame::Closed { code, reason })) => {
                return anyhow::anyhow!("an agent's socket was closed: {code:?} {reason}");
            }
            Err(error) => return error,
        }
    }
}
