//! A client by socket: it sends, it looks on, and after each loss of its connection it goes on where it was.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Context, bail};
use checker::Attempt;
use rand::RngExt;
use rand::rngs::StdRng;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::reading::{head, seen};
use super::rest::{COMEBACK, PAUSE, THINKING_MS_MAX, accept, acknowledgement};
use super::{Stage, words};
use crate::socket::{Frame, Socket};

/// What it sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    Messages,
    /// As an agent beside the conversation.
    Notes,
}

/// One sender on one socket at a time.
pub(super) struct Talker {
    stage: Stage,
    /// As an observer.
    name: String,
    /// As a sender.
    id: String,
    token: String,
    manner: Manner,
    /// The last event it has seen, by conversation.
    positions: HashMap<String, u64>,
    /// What it must see before it ends, by conversation; empty while the play goes on.
    goals: HashMap<String, u64>,
    /// What it sends, until it is acknowledged.
    pending: Option<Pending>,
    sent: u64,
    /// When it last saw an event or an acknowledgement.
    progress: Instant,
}

struct Pending {
    conversation: String,
    client_id: String,
    text: String,
}

/// Why a connection is over.
enum Over {
    /// Everything was sent and seen.
    Done,
    /// It broke off, or the server closed it.
    Lost(String),
}

impl Talker {
    pub(super) fn new(
        stage: Stage,
        name: String,
        id: String,
        token: String,
        conversations: Vec<String>,
        manner: Manner,
    ) -> Self {
        let positions = conversations.into_iter().map(|conversation| (conversation, 0)).collect();
        Self {
            stage,
            name,
            id,
            token,
            manner,
            positions,
            goals: HashMap::new(),
            pending: None,
            sent: 0,
            progress: Instant::now(),
        }
    }

    /// Until the curtain has fallen, the last message is acknowledged, and every head is seen.
    pub(super) async fn talk(mut self, mut random: StdRng) -> anyhow::Result<()> {
        loop {
            let lost = match self.connect().await {
                Ok(socket) => match self.converse(socket, &mut random).await? {
                    Over::Done => return Ok(()),
                    Over::Lost(why) => why,
                },
                Err(error) => format!("{error:#}"),
            };
            if self.progress.elapsed() > COMEBACK {
                bail!("{} got nowhere within {COMEBACK:?}, the last time: {lost}", self.name);
            }
            sleep(PAUSE).await;
        }
    }

    async fn connect(&self) -> anyhow::Result<Socket> {
        let mut socket = Socket::open(self.stage.api()).await?;
        let resume: Vec<(&str, Option<u64>)> = self
            .positions
            .iter()
            .map(|(conversation, after)| (conversation.as_str(), Some(*after)))
            .collect();
        for (conversation, after) in &resume {
            self.stage.recorder.resumed(&self.name, conversation, *after);
        }
        socket.hello(&self.token, &resume).await?;
        Ok(socket)
    }

    async fn converse(&mut self, mut socket: Socket, random: &mut StdRng) -> anyhow::Result<Over> {
        loop {
            if self.pending.is_none() && !self.stage.is_ending() {
                self.pending = Some(self.think(random));
            }
            if let Some(pending) = self.pending.take() {
                let lost = self.send(&mut socket, &pending).await?;
                for push in socket.take_pushes() {
                    self.take(&push)?;
                }
                match lost {
                    Attempted::Acknowledged => {}
                    Attempted::Refused => self.pending = Some(pending),
                    Attempted::Lost(why) => {
                        self.pending = Some(pending);
                        return Ok(Over::Lost(why));
                    }
                }
            }
            if self.pending.is_none() && self.has_seen_all().await? {
                return Ok(Over::Done);
            }
            if let Some(lost) = self.look_on(&mut socket, random).await? {
                return Ok(Over::Lost(lost));
            }
            if self.stage.moves_on() {
                return Ok(Over::Lost("gone on elsewhere".to_owned()));
            }
            if self.progress.elapsed() > COMEBACK {
                bail!("{} saw nothing new within {COMEBACK:?}", self.name);
            }
        }
    }

    fn think(&mut self, random: &mut StdRng) -> Pending {
        let turn = random.random_range(0..self.positions.len());
        let mut conversations: Vec<&String> = self.positions.keys().collect();
        conversations.sort_unstable();
        self.sent += 1;
        let client_id = format!("socket-{}", self.sent);
        let text = words::text(&client_id, random);
        Pending { conversation: conversations[turn].clone(), client_id, text }
    }

    /// Whether the curtain has fallen and it has seen every log up to where it stood then.
    async fn has_seen_all(&mut self) -> anyhow::Result<bool> {
        if !self.stage.is_ending() {
            return Ok(false);
        }
        if self.goals.is_empty() {
            for conversation in self.positions.keys() {
                let head = head(&self.stage, &self.token, conversation).await?;
                self.goals.insert(conversation.clone(), head);
            }
        }
        Ok(self.goals.iter().all(|(conversation, goal)| self.positions[conversation] >= *goal))
    }

    /// Takes what comes, for a moment. Gives the reason when the connection is over.
    async fn look_on(&mut self, socket: &mut Socket, random: &mut StdRng) -> anyhow::Result<Option<String>> {
        let until = Instant::now() + Duration::from_millis(random.random_range(1..THINKING_MS_MAX));
        loop {
            match socket.next_within(until.saturating_duration_since(Instant::now())).await? {
                Some(Frame::Json(frame)) => self.take(&frame)?,
                Some(Frame::Closed { code, reason }) => {
                    return Ok(Some(format!("closed: {code:?} {reason}")));
                }
                None => return Ok(None),
            }
            if Instant::now() >= until {
                return Ok(None);
            }
        }
    }

    /// Enters what was pushed, and moves on.
    fn take(&mut self, frame: &Value) -> anyhow::Result<()> {
        let recorder = &self.stage.recorder;
        let number = |field: &str| frame[field].as_u64().with_context(|| format!("no {field}: {frame}"));
        let Some(conversation) = frame["conversation_id"].as_str() else { return Ok(()) };
        let position = match frame["type"].as_str() {
            Some("event") => {
                let event = seen(&frame["event"])?;
                let seq = event.seq;
                recorder.observed(&self.name, conversation, event);
                seq
            }
            Some("gap") => {
                let (from, to) = (number("from")?, number("to")?);
                recorder.gap(&self.name, conversation, from, to);
                to
            }
            Some("caught_up") => {
                let seq = number("seq")?;
                recorder.caught_up(&self.name, conversation, seq);
                seq
            }
            Some("unsubscribed") => bail!("{} lost its sight: {frame}", self.name),
            Some(_) | None => return Ok(()),
        };
        self.positions.insert(conversation.to_owned(), position);
        self.progress = Instant::now();
        Ok(())
    }

    async fn send(&mut self, socket: &mut Socket, message: &Pending) -> anyhow::Result<Attempted> {
        let Pending { conversation, client_id, text } = message;
        let mut frame = json!({
            "type": "send", "conversation_id": conversation, "client_id": client_id, "text": text,
        });
        if self.manner == Manner::Notes {
            frame["note"] = true.into();
        }
        let attempt = self.stage.recorder.send(conversation, &self.id, client_id, text);
        match socket.request(frame).await {
            Ok(reply) if reply["type"] == "sent" => {
                let (message_id, seq) = acknowledgement(&reply)?;
                self.stage.recorder.acknowledged(attempt, message_id, seq);
                self.progress = Instant::now();
                Ok(Attempted::Acknowledged)
            }
            Ok(reply) => self.not_sent(attempt, conversation, &reply).await,
            Err(error) => {
                self.stage.recorder.unknown(attempt);
                Ok(Attempted::Lost(format!("{error:#}")))
            }
        }
    }

    /// Enters an `error` frame, and does what it asks for.
    async fn not_sent(
        &self,
        attempt: Attempt,
        conversation: &str,
        reply: &Value,
    ) -> anyhow::Result<Attempted> {
        let code =
            reply["error"]["code"].as_str().with_context(|| format!("neither sent nor error: {reply}"))?;
        match code {
            "UNAVAILABLE" | "INTERNAL" | "REQUEST_TIMEOUT" | "STORAGE_FULL" => {
                self.stage.recorder.unknown(attempt)
            }
            "OVERLOADED" => self.stage.recorder.refused(attempt, code),
            // It was thought absent while the server was away, and the conversation was queued again.
            "STALE_ASSIGNMENT" => {
                self.stage.recorder.refused(attempt, code);
                accept(&self.stage, &self.token, conversation).await?;
            }
            _ => bail!("{} was refused: {reply}", self.name),
        }
        Ok(Attempted::Refused)
    }
}

/// What came of one attempt.
enum Attempted {
    Acknowledged,
    /// Not acknowledged, and the socket lives: to be repeated.
    Refused,
    Lost(String),
}
