//! Agents with their dashboards open: what it costs the server to show every message of a team's conversations to all of
//! the team.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, ensure};
use driver::{Frame, Options, Socket, process};
use futures_util::stream::{self, StreamExt, TryStreamExt};
use serde_json::json;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use super::office::{Office, Talk, Trouble, accept};

/// What a dashboard shows.
const LISTS: [&str; 3] = ["queue", "team", "mine"];
/// Agents who are made at once: each costs the server two hashes of a password.
const AT_ONCE: usize = 4;
const PATIENCE: Duration = Duration::from_secs(60);
/// Messages are sent for so long before any counts.
const WARM_UP_S: u32 = 2;
/// After the last message, until the last dashboard shows it; it is measured as well.
const SETTLE: Duration = Duration::from_secs(1);
const TEXT: &str = "Hello, my order has not arrived yet";

/// A server, conversations of its team, of which agents hold every second one, and those agents with their sockets.
pub(crate) struct Dashboards {
    office: Office,
    talks: Vec<Talk>,
    /// One of each agent whose dashboard is closed yet.
    closed: Vec<oneshot::Sender<()>>,
    open: usize,
    sent: AtomicUsize,
    board: Arc<Board>,
}

/// What was measured.
pub(crate) struct Shown {
    pub(crate) messages_per_s: f64,
    /// Conversations as they are now, to all dashboards together. Where changes come fast, one may tell of several.
    pub(crate) frames_per_message: f64,
    pub(crate) server_cpu_us_per_message: f64,
    pub(crate) server_cores: f64,
    pub(crate) load_cores: f64,
}

#[derive(Default)]
struct Board {
    opened: AtomicUsize,
    frames: AtomicU64,
    trouble: Trouble,
}

impl Dashboards {
    /// All that is needed; every dashboard is closed.
    pub(crate) async fn set(options: Options, agents: usize, conversations: usize) -> anyhow::Result<Self> {
        process::raise_file_limit()?;
        let office = Office::open(options).await?;
        let talks = office.talks(conversations).await?;
        let board = Arc::new(Board::default());
        let hire = async |number: usize| {
            let mut socket = office.agent(number, 2).await?;
            // The first agents hold one each: every second conversation.
            if let Some(talk) = talks.get(2 * number) {
                accept(&mut socket, talk).await?;
            }
            let (open, told) = oneshot::channel();
            let board = Arc::clone(&board);
            tokio::spawn(async move {
                let error = look_on(socket, told, &board).await;
                board.trouble.tell(error);
            });
            anyhow::Ok(open)
        };
        let closed = stream::iter(0..agents).map(hire).buffer_unordered(AT_ONCE).try_collect().await?;
        Ok(Self { office, talks, closed, open: 0, sent: AtomicUsize::new(0), board })
    }

    /// Opens more dashboards, until so many are open.
    pub(crate) async fn open(&mut self, count: usize) -> anyhow::Result<()> {
        let begun = Instant::now();
        while self.open < count {
            let agent = self.closed.pop().context("there are fewer agents")?;
            ensure!(agent.send(()).is_ok(), "an agent's socket has ended");
            self.open += 1;
            while self.board.opened.load(Ordering::Relaxed) < self.open {
                self.board.trouble.check()?;
                ensure!(begun.elapsed() < PATIENCE, "the dashboards do not open within {PATIENCE:?}");
                sleep(Duration::from_millis(1)).await;
            }
        }
        Ok(())
    }

    /// Sends so many messages a second to the conversations in turn, for so long.
    pub(crate) async fn measure(&self, rate: u32, seconds: u32) -> anyhow::Result<Shown> {
        self.send(rate, WARM_UP_S * rate).await?;
        sleep(SETTLE).await;
        let frames = || self.board.frames.load(Ordering::Relaxed);
        let cpu = || anyhow::Ok((self.office.sandbox.cpu()?, process::own_cpu()));
        let (begun, frames_before, cpu_before) = (Instant::now(), frames(), cpu()?);
        let messages = rate * seconds;
        self.send(rate, messages).await?;
        let sent_s = begun.elapsed().as_secs_f64();
        sleep(SETTLE).await;
        let (took_s, cpu) = (begun.elapsed().as_secs_f64(), cpu()?);
        self.board.trouble.check()?;
        let server_s = cpu.0.saturating_sub(cpu_before.0).as_secs_f64();
        let load_s = cpu.1.saturating_sub(cpu_before.1).as_secs_f64();
        Ok(Shown {
            messages_per_s: f64::from(messages) / sent_s,
            frames_per_message: (frames() - frames_before) as f64 / f64::from(messages),
            server_cpu_us_per_message: server_s * 1e6 / f64::from(messages),
            server_cores: server_s / took_s,
            load_cores: load_s / took_s,
        })
    }

    /// At this pace, whether or not they are answered; returns when all are.
    async fn send(&self, rate: u32, messages: u32) -> anyhow::Result<()> {
        let mut pace = interval(Duration::from_secs(1) / rate);
        pace.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let mut under_way = JoinSet::new();
        for _ in 0..messages {
            pace.tick().await;
            let number = self.sent.fetch_add(1, Ordering::Relaxed);
            let talk = &self.talks[number % self.talks.len()];
            let (api, token) = (self.office.api.clone(), talk.visitor.token.clone());
            let (conversation, client_id) = (talk.conversation.clone(), format!("m{number}"));
            under_way.spawn(async move {
                api.post_message(&token, &conversation, &client_id, TEXT).await?.expect(201).map(drop)
            });
            while let Some(answered) = under_way.try_join_next() {
                answered??;
            }
        }
        while let Some(answered) = under_way.join_next().await {
            answered??;
        }
        Ok(())
    }
}

/// Opens the dashboard when it is told to, and counts what it shows until the socket ends; returns why it ended.
async fn look_on(mut socket: Socket, mut told: oneshot::Receiver<()>, board: &Board) -> anyhow::Error {
    let mut open = false;
    loop {
        let frame = tokio::select! {
            told = &mut told, if !open => {
                open = true;
                let opened = match told {
                    Ok(()) => watch(&mut socket).await,
                    Err(gone) => Err(gone.into()),
                };
                if let Err(error) = opened {
                    return error;
                }
                board.opened.fetch_add(1, Ordering::Relaxed);
                continue;
            }
            frame = socket.next_within(PATIENCE) => frame,
        };
        match frame {
            Ok(Some(Frame::Json(frame))) if frame["type"] == "conversation" => {
                board.frames.fetch_add(1, Ordering::Relaxed);
            }
            Ok(Some(Frame::Json(_)) | None) => {}
            Ok(Some(Frame::Closed { code, reason })) => {
                return anyhow::anyhow!("an agent's socket was closed: {code:?} {reason}");
            }
            Err(error) => return error,
        }
    }
}

async fn watch(socket: &mut Socket) -> anyhow::Result<()> {
    for list in LISTS {
        let reply = socket.request(json!({ "type": "watch", "view": list })).await?;
        ensure!(reply["type"] == "ok", "not watched: {reply}");
    }
    Ok(())
}
