//! What the idle cost: the server's memory for each socket that is open, and for each conversation that is alive.

use std::time::Duration;

use anyhow::{Context, bail};
use driver::{Frame, Options, Sandbox, Socket, Visitor, process};
use futures_util::stream::{self, StreamExt, TryStreamExt};
use serde::Serialize;
use tokio::time::sleep;

/// Requests under way at once while the scene is set.
const AT_ONCE: usize = 32;
/// So many visitors fill the page cache of the store's writer (32 MiB), whose growth would else be taken for the cost of
/// what is measured.
const FILLERS: usize = 25_000;
/// What the server holds only for the moment goes before its memory is read.
const SETTLE: Duration = Duration::from_secs(3);

/// How many.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Plan {
    /// How many
    #[arg(long)]
    pub(crate) count: usize,
    /// Hold the server on this core
    #[arg(long)]
    pub(crate) core: Option<usize>,
}

/// How many, and for how long.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct ConversationsPlan {
    #[command(flatten)]
    pub(crate) plan: Plan,
    /// How long they are left alone until they have left memory and as many others are begun; the server lets go of
    /// the idle ones after 60 s. Without it there are no others
    #[arg(long)]
    pub(crate) wait_seconds: Option<u64>,
}

/// Memory of the server.
#[derive(Debug, Serialize)]
pub(crate) struct Sockets {
    sockets: usize,
    rss_before_bytes: u64,
    rss_bytes: u64,
    rss_bytes_per_socket: i64,
}

/// Memory of the server.
#[derive(Debug, Serialize)]
pub(crate) struct Conversations {
    conversations: usize,
    rss_before_bytes: u64,
    rss_alive_bytes: u64,
    rss_bytes_per_conversation: i64,
    /// With as many others alive, after the first have left.
    #[serde(skip_serializing_if = "Option::is_none")]
    rss_others_alive_bytes: Option<u64>,
    /// What those others needed beyond what the first had: an allocator keeps what is freed for the next that come, so
    /// this alone tells what one that has left still takes.
    #[serde(skip_serializing_if = "Option::is_none")]
    rss_bytes_per_passive_conversation: Option<i64>,
}

impl Sockets {
    pub(crate) fn bytes_each(&self) -> i64 {
        self.rss_bytes_per_socket
    }
}

impl Conversations {
    pub(crate) fn bytes_each_alive(&self) -> i64 {
        self.rss_bytes_per_conversation
    }

    pub(crate) fn bytes_each_passive(&self) -> Option<i64> {
        self.rss_bytes_per_passive_conversation
    }
}

/// Holds idle sockets, each of a different visitor, on a server with these options beside the plan's.
pub(crate) async fn sockets(plan: &Plan, options: Options) -> anyhow::Result<Sockets> {
    let files = process::raise_file_limit()?;
    if plan.count as u64 + 100 > files {
        bail!("{} sockets do not fit into the limit of {files} open files", plan.count);
    }
    let (sandbox, visitors) = start(plan, options).await?;
    let rss_before_bytes = sandbox.rss_bytes()?;
    let api = sandbox.api();
    let open = |visitor: Visitor| {
        let api = &api;
        async move {
            let mut socket = Socket::open(api).await?;
            socket.hello(&visitor.token, &[]).await?;
            anyhow::Ok(tokio::spawn(hold(socket)))
        }
    };
    let held: Vec<_> = stream::iter(visitors).map(open).buffer_unordered(AT_ONCE).try_collect().await?;
    sleep(SETTLE).await;
    let rss_bytes = sandbox.rss_bytes()?;
    for socket in held {
        if socket.is_finished() {
            socket.await?.context("an idle socket ended")?;
        } else {
            socket.abort();
        }
    }
    let rss_bytes_per_socket = per(rss_before_bytes, rss_bytes, plan.count);
    Ok(Sockets { sockets: plan.count, rss_before_bytes, rss_bytes, rss_bytes_per_socket })
}

/// Reads the socket, which also answers its pings, until it ends.
async fn hold(mut socket: Socket) -> anyhow::Result<()> {
    loop {
        if let Some(Frame::Closed { code, reason }) = socket.next_within(Duration::from_secs(60)).await? {
            bail!("closed: {code:?} {reason}");
        }
    }
}

/// Starts conversations, each of a different visitor, and then leaves them alone, on a server with these options beside
/// the plan's.
pub(crate) async fn conversations(
    plan: &ConversationsPlan,
    options: Options,
) -> anyhow::Result<Conversations> {
    let ConversationsPlan { plan, wait_seconds } = plan;
    let (sandbox, visitors) = start(plan, options).await?;
    let rss_before_bytes = sandbox.rss_bytes()?;
    let rss_alive_bytes = begin_all(&sandbox, &visitors, "first").await?;
    let mut rss_others_alive_bytes = None;
    if let Some(wait_seconds) = wait_seconds {
        sleep(Duration::from_secs(*wait_seconds)).await;
        rss_others_alive_bytes = Some(begin_all(&sandbox, &visitors, "second").await?);
    }
    Ok(Conversations {
        conversations: plan.count,
        rss_before_bytes,
        rss_alive_bytes,
        rss_bytes_per_conversation: per(rss_before_bytes, rss_alive_bytes, plan.count),
        rss_others_alive_bytes,
        rss_bytes_per_passive_conversation: rss_others_alive_bytes
            .map(|others| per(rss_alive_bytes, others, plan.count)),
    })
}

/// One of each visitor; gives the server's memory after it.
async fn begin_all(sandbox: &Sandbox, visitors: &[Visitor], client_id: &str) -> anyhow::Result<u64> {
    let api = sandbox.api();
    let begin = |visitor: &Visitor| {
        let (api, token) = (&api, visitor.token.clone());
        async move { api.start_conversation(&token, client_id, Some("Hello")).await?.expect(201).map(drop) }
    };
    stream::iter(visitors).map(begin).buffer_unordered(AT_ONCE).try_collect::<()>().await?;
    sleep(SETTLE).await;
    sandbox.rss_bytes()
}

async fn start(plan: &Plan, options: Options) -> anyhow::Result<(Sandbox, Vec<Visitor>)> {
    if plan.count == 0 {
        bail!("the count must not be 0");
    }
    let options = Options::unlimited().and(options);
    let sandbox = Sandbox::start(plan.core.map_or(options.clone(), |core| options.core(core))).await?;
    let (api, site_key) = (sandbox.api(), sandbox.ready().site_key.clone());
    let arrive = |_| api.visitor(&site_key);
    let arriving = |count| stream::iter(0..count).map(arrive).buffer_unordered(AT_ONCE);
    arriving(FILLERS).try_for_each(|_| std::future::ready(Ok(()))).await?;
    let visitors = arriving(plan.count).try_collect().await?;
    sleep(SETTLE).await;
    Ok((sandbox, visitors))
}

/// Rounded towards zero; less than zero when memory was given back.
fn per(before: u64, after: u64, count: usize) -> i64 {
    (after as i64 - before as i64) / count as i64
}
