//! Cold activation: the first message to a conversation that is not in memory, next to the second one.

use driver::{Options, Sandbox, Visitor};
use futures_util::stream::{self, StreamExt, TryStreamExt};
use tokio::time::Instant;

use super::SERVER_CORE;
use crate::latency::{Latencies, Percentiles};

/// Conversations that are filled at once.
const AT_ONCE: usize = 16;
const TEXT: &str = "Hello, my order has not arrived yet";

/// What the first and the second message took.
pub(super) struct Cold {
    /// Events that the log had.
    pub(super) events: usize,
    pub(super) conversations: usize,
    pub(super) first: Percentiles,
    pub(super) second: Percentiles,
}

/// The same as [`measure_in`], of a server that `options` say where to keep its data.
pub(super) async fn measure(logs: &[(usize, usize)], options: Options) -> anyhow::Result<Vec<Cold>> {
    measure_in(&mut start(options).await?, logs).await
}

/// A server that keeps its data where `options` say.
pub(super) async fn start(options: Options) -> anyhow::Result<Sandbox> {
    Sandbox::start(Options::unlimited().core(SERVER_CORE).and(options)).await
}

/// Fills `conversations` logs with so many events each, restarts the server, so that all of them are cold, and writes
/// twice to each, one after the other.
pub(super) async fn measure_in(sandbox: &mut Sandbox, logs: &[(usize, usize)]) -> anyhow::Result<Vec<Cold>> {
    let mut filled = Vec::new();
    for (events, conversations) in logs {
        eprintln!("cold activation: {conversations} logs of {events} events");
        let fill = |_| fill(sandbox, *events);
        let all: Vec<_> =
            stream::iter(0..*conversations).map(fill).buffer_unordered(AT_ONCE).try_collect().await?;
        filled.push((*events, all));
    }
    sandbox.terminate().await?;
    sandbox.restart().await?;
    let api = sandbox.api();
    let mut measured = Vec::new();
    for (events, all) in filled {
        let (mut first, mut second) = (Latencies::default(), Latencies::default());
        for (visitor, conversation) in &all {
            // A read wakes nobody; after it the server knows the visitor again, and the connection is open.
            api.conversation(&visitor.token, conversation).await?.expect(200)?;
            for (client_id, latencies) in [("first", &mut first), ("second", &mut second)] {
                let begun = Instant::now();
                api.post_message(&visitor.token, conversation, client_id, TEXT).await?.expect(201)?;
                latencies.add(begun.elapsed());
            }
        }
        let (first, second) = (first.percentiles(), second.percentiles());
        measured.push(Cold { events, conversations: all.len(), first, second });
    }
    Ok(measured)
}

/// Starts a conversation and writes to it until its log has this many events.
async fn fill(sandbox: &Sandbox, events: usize) -> anyhow::Result<(Visitor, String)> {
    let api = sandbox.api();
    let visitor = api.visitor(&sandbox.ready().site_key).await?;
    let started = api.start_conversation(&visitor.token, "start", None).await?.expect(201)?;
    let conversation = started["conversation"]["id"].as_str().unwrap_or_default().to_owned();
    for number in 1..events {
        let client_id = number.to_string();
        api.post_message(&visitor.token, &conversation, &client_id, TEXT).await?.expect(201)?;
    }
    Ok((visitor, conversation))
}
