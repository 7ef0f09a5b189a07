//! Messages to a running server: how soon they are acknowledged, how soon an agent sees them, and what they cost.

use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::bail;
use driver::process;
use serde::Serialize;

use crate::cast::{Cast, Size, Target};
use crate::latency::{Latencies, Percentiles};
use crate::schedule::Schedule;
use crate::visitor::Sent;

/// What one log takes, less what is not a message.
const MESSAGES_PER_CONVERSATION_MAX: u64 = 9_900;
/// A thread holds little; there may be a thousand.
const STACK_BYTES: usize = 256 * 1024;
/// The kernel may wake a sleeper late by its slack, 50 us by default, which would be measured as the server's.
const TIMER_SLACK_NS: NonZeroU64 = NonZeroU64::new(1_000).expect("it is not 0");

/// What to send, and to which server. The server's limits on visitors must be lifted, or they are what is measured:
/// `SWITCHBOARD_LIMITS__VISITOR_SEND_BURST=0`, and the others of `driver::Options::unlimited`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Plan {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    size: Size,
    #[command(flatten)]
    load: Load,
    /// The server's process, to measure its CPU
    #[arg(long)]
    pid: Option<u32>,
}

/// What is sent, by any kind of sender.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Load {
    /// Messages a second, whether or not the server keeps up; 0: each visitor sends when the last message is answered
    #[arg(long, default_value_t = 0)]
    pub(crate) rate: u32,
    /// How long is measured
    #[arg(long, default_value_t = 10)]
    pub(crate) seconds: u32,
    /// How long it runs before
    #[arg(long, default_value_t = 1)]
    pub(crate) warm_up_seconds: u32,
    /// Bytes of a text
    #[arg(long, default_value_t = 120)]
    pub(crate) text_bytes: usize,
}

/// What was measured.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) rate: u32,
    pub(crate) visitors: usize,
    pub(crate) seconds: u32,
    /// Messages that were due; absent in a closed loop.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) due: Option<u64>,
    pub(crate) acknowledged: usize,
    pub(crate) delivered: usize,
    pub(crate) refused: u64,
    /// Due and not sent before the end, so that the latencies below are lower bounds.
    pub(crate) unsent: u64,
    /// Acknowledged in the measured time, whenever due.
    pub(crate) messages_per_s: f64,
    pub(crate) acknowledge: Percentiles,
    pub(crate) deliver: Percentiles,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) server_cpu_us_per_message: Option<f64>,
    /// Cores kept busy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) server_cores: Option<f64>,
    /// Of all the store's servers together, where they were watched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) store_cpu_us_per_message: Option<f64>,
    pub(crate) load_cores: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) first_refusal: Option<String>,
}

/// CPU time that was used.
#[derive(Clone, Copy)]
struct Cpu {
    server: Option<Duration>,
    /// None: nobody asked for it.
    store: Option<Duration>,
    load: Duration,
}

impl Cpu {
    /// So far. The store is a JVM, whose threads come and go.
    fn of(server: Option<u32>, store: &[u32]) -> anyhow::Result<Self> {
        let store = (!store.is_empty())
            .then(|| store.iter().map(|pid| process::cpu_of_all_threads(*pid)).sum::<std::io::Result<_>>());
        Ok(Self {
            server: server.map(process::cpu).transpose()?,
            store: store.transpose()?,
            load: process::own_cpu(),
        })
    }

    fn since(self, before: Self) -> Self {
        let since = |after: Option<Duration>, before: Option<Duration>| {
            after.zip(before).map(|(after, before)| after.saturating_sub(before))
        };
        Self {
            server: since(self.server, before.server),
            store: since(self.store, before.store),
            load: self.load.saturating_sub(before.load),
        }
    }
}

/// Carries it out.
pub(crate) fn run(plan: &Plan) -> anyhow::Result<Report> {
    plan.check()?;
    plan.load.measure(Cast::of_switchboard(&plan.target, plan.size)?, plan.pid, &[])
}

impl Plan {
    fn check(&self) -> anyhow::Result<()> {
        let Self { size, load, .. } = self;
        if size.visitors == 0 || size.conversations == 0 || load.seconds == 0 {
            bail!("visitors, conversations and seconds must not be 0");
        }
        let messages = u64::from(load.rate) * u64::from(load.seconds + load.warm_up_seconds);
        let conversations = (size.visitors * size.conversations) as u64;
        if messages > conversations * MESSAGES_PER_CONVERSATION_MAX {
            bail!(
                "{messages} messages do not fit into {conversations} conversations: give more --conversations"
            );
        }
        Ok(())
    }
}

impl Load {
    /// Has these visitors send it, and the agents look on. `server` and `store`: the processes whose CPU is measured.
    pub(crate) fn measure(&self, cast: Cast, server: Option<u32>, store: &[u32]) -> anyhow::Result<Report> {
        rustix::thread::set_current_timer_slack(Some(TIMER_SLACK_NS))?; // The threads inherit it.
        let Cast { address, visitors, agents } = cast;
        let visitor_count = visitors.len();
        let stop = Arc::new(AtomicBool::new(false));
        let (warm, measured) = (self.warm_up_seconds.into(), self.seconds.into());
        let schedule =
            Arc::new(Schedule::new(self.rate, Duration::from_secs(warm), Duration::from_secs(measured)));
        let agents: Vec<_> = agents
            .into_iter()
            .map(|agent| {
                let (schedule, stop) = (Arc::clone(&schedule), Arc::clone(&stop));
                start(move || agent.look_on(&schedule, &stop))
            })
            .collect::<anyhow::Result<_>>()?;
        let text_bytes = self.text_bytes;
        let visitors: Vec<_> = visitors
            .into_iter()
            .map(|visitor| {
                let schedule = Arc::clone(&schedule);
                start(move || visitor.send(address, &schedule, text_bytes))
            })
            .collect::<anyhow::Result<_>>()?;

        schedule.sleep_until_warm();
        let before = Cpu::of(server, store)?;
        schedule.sleep_until_end();
        let cpu = Cpu::of(server, store)?.since(before);
        let sent = join(visitors)?;
        stop.store(true, Ordering::Relaxed);
        let delivered = Latencies::merge(join(agents)?);

        Ok(self.report(visitor_count, schedule.asked(), sent, delivered, cpu))
    }

    fn report(
        &self,
        visitors: usize,
        due: Option<u64>,
        sent: Vec<Sent>,
        delivered: Latencies,
        cpu: Cpu,
    ) -> Report {
        let refused = sent.iter().map(|sent| sent.refused).sum();
        let carried: u64 = sent.iter().map(|sent| sent.carried).sum();
        let first_refusal = sent.iter().find_map(|sent| sent.first_refusal.clone());
        let acknowledged = Latencies::merge(sent.into_iter().map(|sent| sent.acknowledged));
        let (answered, seconds) = (acknowledged.len() as u64 + refused, f64::from(self.seconds));
        let per_message = |cpu: Duration| cpu.as_secs_f64() * 1e6 / carried.max(1) as f64;
        Report {
            rate: self.rate,
            visitors,
            seconds: self.seconds,
            due,
            acknowledged: acknowledged.len(),
            delivered: delivered.len(),
            refused,
            unsent: due.map_or(0, |due| due.saturating_sub(answered)),
            messages_per_s: carried as f64 / seconds,
            server_cpu_us_per_message: cpu.server.map(per_message),
            server_cores: cpu.server.map(|cpu| cpu.as_secs_f64() / seconds),
            store_cpu_us_per_message: cpu.store.map(per_message),
            load_cores: cpu.load.as_secs_f64() / seconds,
            acknowledge: acknowledged.percentiles(),
            deliver: delivered.percentiles(),
            first_refusal,
        }
    }
}

fn start<T: Send + 'static>(
    work: impl FnOnce() -> anyhow::Result<T> + Send + 'static,
) -> anyhow::Result<JoinHandle<anyhow::Result<T>>> {
    Ok(thread::Builder::new().stack_size(STACK_BYTES).spawn(work)?)
}

fn join<T>(threads: Vec<JoinHandle<anyhow::Result<T>>>) -> anyhow::Result<Vec<T>> {
    threads.into_iter().map(|thread| thread.join().expect("no thread panics")).collect()
}
