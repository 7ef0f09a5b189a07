//! Messages to a running server: how soon they are acknowledged, how soon an agent sees them, and what they cost.

use std::net::SocketAddr;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, bail};
use driver::{Api, process};
use serde::Serialize;

use crate::agent::{Agent, Position, SUBSCRIPTIONS_MAX};
use crate::latency::{Latencies, Percentiles};
use crate::on_runtime;
use crate::schedule::Schedule;
use crate::visitor::{Sent, Visitor};

/// What one log takes, less what is not a message.
const MESSAGES_PER_CONVERSATION_MAX: u64 = 9_900;
/// A thread holds little; there may be a thousand.
const STACK_BYTES: usize = 256 * 1024;
/// The kernel may wake a sleeper late by its slack, 50 us by default, which would be measured as the server's.
const TIMER_SLACK_NS: NonZeroU64 = NonZeroU64::new(1_000).expect("it is not 0");

/// What to send, and to whom. The server's limits on visitors must be lifted, or they are what is measured:
/// `SWITCHBOARD_LIMITS__VISITOR_SEND_BURST=0`, and the others of `driver::Options::unlimited`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Plan {
    /// Where the server is: http://ADDRESS:PORT
    #[arg(long)]
    pub(crate) url: String,
    /// The site's public key
    #[arg(long)]
    pub(crate) site_key: String,
    /// An agent of the site's team
    #[arg(long)]
    pub(crate) agent_email: String,
    /// His password
    #[arg(long)]
    pub(crate) agent_password: String,
    /// Messages a second, whether or not the server keeps up; 0: each visitor sends when he is answered
    #[arg(long, default_value_t = 0)]
    pub(crate) rate: u32,
    /// How long is measured
    #[arg(long, default_value_t = 10)]
    pub(crate) seconds: u32,
    /// How long it runs before
    #[arg(long, default_value_t = 1)]
    pub(crate) warm_up_seconds: u32,
    /// Visitors, each with a connection of his own
    #[arg(long, default_value_t = 64)]
    pub(crate) visitors: usize,
    /// Conversations of a visitor, written to in turn; a log takes 10,000 events
    #[arg(long, default_value_t = 1)]
    pub(crate) conversations: usize,
    /// Bytes of a text
    #[arg(long, default_value_t = 120)]
    pub(crate) text_bytes: usize,
    /// The server's process, to measure its CPU
    #[arg(long)]
    pub(crate) pid: Option<u32>,
}

/// What was measured.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    rate: u32,
    visitors: usize,
    seconds: u32,
    /// Messages that were due; absent in a closed loop.
    #[serde(skip_serializing_if = "Option::is_none")]
    due: Option<u64>,
    acknowledged: usize,
    delivered: usize,
    refused: u64,
    /// Due and not sent before the end, so that the latencies below are lower bounds.
    unsent: u64,
    /// Acknowledged in the measured time, whenever due.
    messages_per_s: f64,
    acknowledge: Percentiles,
    deliver: Percentiles,
    #[serde(skip_serializing_if = "Option::is_none")]
    server_cpu_us_per_message: Option<f64>,
    /// Cores kept busy.
    #[serde(skip_serializing_if = "Option::is_none")]
    server_cores: Option<f64>,
    load_cores: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_refusal: Option<String>,
}

/// Those who take part.
struct Cast {
    visitors: Vec<Visitor>,
    agents: Vec<Agent>,
}

/// Carries it out.
pub(crate) fn run(plan: &Plan) -> anyhow::Result<Report> {
    plan.check()?;
    let authority = plan.url.strip_prefix("http://").context("the url must begin with http://")?;
    let address: SocketAddr =
        authority.trim_end_matches('/').parse().context("the url must name an address")?;
    rustix::thread::set_current_timer_slack(Some(TIMER_SLACK_NS))?; // The threads inherit it.
    let Cast { visitors, agents } = assemble(plan, address)?;

    let stop = Arc::new(AtomicBool::new(false));
    let (warm, measured) = (plan.warm_up_seconds.into(), plan.seconds.into());
    let schedule =
        Arc::new(Schedule::new(plan.rate, Duration::from_secs(warm), Duration::from_secs(measured)));
    let agents: Vec<_> = agents
        .into_iter()
        .map(|agent| {
            let (schedule, stop) = (Arc::clone(&schedule), Arc::clone(&stop));
            start(move || agent.look_on(&schedule, &stop))
        })
        .collect::<anyhow::Result<_>>()?;
    let text_bytes = plan.text_bytes;
    let visitors: Vec<_> = visitors
        .into_iter()
        .map(|visitor| {
            let schedule = Arc::clone(&schedule);
            start(move || visitor.send(address, &schedule, text_bytes))
        })
        .collect::<anyhow::Result<_>>()?;

    let server_cpu = || plan.pid.map(process::cpu).transpose();
    schedule.sleep_until_warm();
    let before = (server_cpu()?, process::own_cpu());
    schedule.sleep_until_end();
    let after = (server_cpu()?, process::own_cpu());
    let sent = join(visitors)?;
    stop.store(true, Ordering::Relaxed);
    let delivered = Latencies::merge(join(agents)?);

    let server_cpu = after.0.zip(before.0).map(|(after, before)| after.saturating_sub(before));
    let load_cpu = after.1.saturating_sub(before.1);
    Ok(plan.report(&schedule, sent, delivered, server_cpu, load_cpu))
}

impl Plan {
    fn check(&self) -> anyhow::Result<()> {
        if self.visitors == 0 || self.conversations == 0 || self.seconds == 0 {
            bail!("visitors, conversations and seconds must not be 0");
        }
        let messages = u64::from(self.rate) * u64::from(self.seconds + self.warm_up_seconds);
        let conversations = (self.visitors * self.conversations) as u64;
        if messages > conversations * MESSAGES_PER_CONVERSATION_MAX {
            bail!(
                "{messages} messages do not fit into {conversations} conversations: give more --conversations"
            );
        }
        Ok(())
    }

    fn report(
        &self,
        schedule: &Schedule,
        sent: Vec<Sent>,
        delivered: Latencies,
        server_cpu: Option<Duration>,
        load_cpu: Duration,
    ) -> Report {
        let refused = sent.iter().map(|sent| sent.refused).sum();
        let carried: u64 = sent.iter().map(|sent| sent.carried).sum();
        let first_refusal = sent.iter().find_map(|sent| sent.first_refusal.clone());
        let acknowledged = Latencies::merge(sent.into_iter().map(|sent| sent.acknowledged));
        let (answered, seconds) = (acknowledged.len() as u64 + refused, f64::from(self.seconds));
        let per_message = |cpu: Duration| cpu.as_secs_f64() * 1e6 / carried.max(1) as f64;
        let due = schedule.asked();
        Report {
            rate: self.rate,
            visitors: self.visitors,
            seconds: self.seconds,
            due,
            acknowledged: acknowledged.len(),
            delivered: delivered.len(),
            refused,
            unsent: due.map_or(0, |due| due.saturating_sub(answered)),
            messages_per_s: carried as f64 / seconds,
            server_cpu_us_per_message: server_cpu.map(per_message),
            server_cores: server_cpu.map(|cpu| cpu.as_secs_f64() / seconds),
            load_cores: load_cpu.as_secs_f64() / seconds,
            acknowledge: acknowledged.percentiles(),
            deliver: delivered.percentiles(),
            first_refusal,
        }
    }
}

/// Makes the visitors and their conversations, and has the agent look on, with one socket for each 200 of them.
fn assemble(plan: &Plan, address: SocketAddr) -> anyhow::Result<Cast> {
    let (visitors, positions, token) = on_runtime(async {
        let api = Api::new(address);
        let mut visitors = Vec::new();
        let mut positions: Vec<Position> = Vec::new();
        for _ in 0..plan.visitors {
            let visitor = api.visitor(&plan.site_key).await?;
            let mut conversations = Vec::new();
            for number in 0..plan.conversations {
                let (client_id, text) = (format!("start-{number}"), Some("Hello"));
                let body = api.start_conversation(&visitor.token, &client_id, text).await?.expect(201)?;
                let conversation = &body["conversation"];
                let (id, last_seq) = (conversation["id"].as_str(), conversation["last_seq"].as_u64());
                let position = id.zip(last_seq).with_context(|| format!("no conversation: {body}"))?;
                conversations.push(position.0.to_owned());
                positions.push((position.0.to_owned(), position.1));
            }
            visitors.push(Visitor { token: visitor.token, conversations });
        }
        let agent = api.login(&plan.agent_email, &plan.agent_password).await?;
        anyhow::Ok((visitors, positions, agent.token))
    })?;
    let agents = positions
        .chunks(SUBSCRIPTIONS_MAX)
        .map(|positions| Agent::subscribe(address, &token, positions))
        .collect::<anyhow::Result<_>>()?;
    Ok(Cast { visitors, agents })
}

fn start<T: Send + 'static>(
    work: impl FnOnce() -> anyhow::Result<T> + Send + 'static,
) -> anyhow::Result<JoinHandle<anyhow::Result<T>>> {
    Ok(thread::Builder::new().stack_size(STACK_BYTES).spawn(work)?)
}

fn join<T>(threads: Vec<JoinHandle<anyhow::Result<T>>>) -> anyhow::Result<Vec<T>> {
    threads.into_iter().map(|thread| thread.join().expect("no thread panics")).collect()
}
