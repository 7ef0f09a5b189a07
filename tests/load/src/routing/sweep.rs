//! What it costs to go through all open conversations, as every node does every 30 s.

use std::time::Duration;

use anyhow::bail;
use driver::Options;
use tokio::time::{Instant, sleep};

use super::Effort;
use super::office::Office;

const SAMPLE: Duration = Duration::from_millis(500);
/// Of a server without conversations.
const IDLE_SAMPLES: usize = 20;
/// The sweep is told of when it is over; its router's look at the queue comes with it.
const SAMPLES_BEFORE: usize = 4;
const SAMPLES_AFTER: usize = 4;
/// More than the 30 s between two sweeps.
const PATIENCE: Duration = Duration::from_secs(45);

pub(super) struct Sweep {
    pub(super) open: usize,
    /// Whether the conversations were in memory.
    pub(super) alive: bool,
    /// CPU of a second in which nothing is swept: of the server without conversations, and with them.
    pub(super) idle_empty: Duration,
    pub(super) idle: Duration,
    /// CPU beyond that of so many idle seconds.
    pub(super) sweep_cpu: Duration,
    /// From the sweep's begin to its end.
    pub(super) took: Duration,
}

/// Starts so many, lets them wait, and looks on at the server until it has swept them.
pub(super) async fn measure(effort: &Effort) -> anyhow::Result<Sweep> {
    let office = Office::open(Options::default()).await?;
    let mut samples = Vec::new();
    for _ in 0..IDLE_SAMPLES {
        samples.push(sample(&office).await?.0);
    }
    let idle_empty = middle(&samples);

    office.talks(effort.open).await?;
    if let Some(seconds) = effort.passivation_s {
        sleep(Duration::from_secs(seconds)).await;
    }
    let seconds = async || office.metric("switchboard_sweep_seconds_total").await;
    let (_, swept) = sample(&office).await?;
    let (begun, spent) = (Instant::now(), seconds().await?);
    let mut samples = Vec::new();
    let seen = loop {
        let (cpu, sweeps) = sample(&office).await?;
        samples.push(cpu);
        if sweeps > swept && samples.len() > SAMPLES_BEFORE {
            break samples.len();
        }
        if begun.elapsed() > PATIENCE {
            bail!("nothing was swept within {PATIENCE:?}");
        }
    };
    let took = Duration::from_secs_f64(seconds().await? - spent);
    for _ in 0..SAMPLES_AFTER {
        samples.push(sample(&office).await?.0);
    }
    let open = office.metric("switchboard_conversations_open").await? as usize;
    if open != effort.open {
        bail!("{open} conversations were swept instead of {}", effort.open);
    }
    let idle = middle(&samples);
    let around = &samples[seen - SAMPLES_BEFORE..];
    let sweep_cpu = around.iter().map(|sample| sample.saturating_sub(idle)).sum();
    let a_second = (Duration::from_secs(1).as_millis() / SAMPLE.as_millis()) as u32;
    let alive = effort.passivation_s.is_none();
    Ok(Sweep { open, alive, idle_empty: idle_empty * a_second, idle: idle * a_second, sweep_cpu, took })
}

/// The server's CPU over [`SAMPLE`], and how often it has swept; asking for that is part of every sample's CPU.
async fn sample(office: &Office) -> anyhow::Result<(Duration, f64)> {
    let before = office.sandbox.cpu()?;
    sleep(SAMPLE).await;
    let sweeps = office.metric("switchboard_sweeps_total").await?;
    // A thread that ended took its time along.
    Ok((office.sandbox.cpu()?.saturating_sub(before), sweeps))
}

fn middle(samples: &[Duration]) -> Duration {
    let mut sorted = samples.to_vec();
    sorted.sort_unstable();
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}
