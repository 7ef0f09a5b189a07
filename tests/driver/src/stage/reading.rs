//! Reading whole logs, in every way in which a client can.

use std::collections::HashSet;

use anyhow::{Context, bail};
use checker::{Digest, Entry, History, Message, Seen};
use serde_json::Value;

use super::Stage;
use super::rest::{events, insist};
use super::scene::{Scene, Talk};
use crate::socket::{Frame, Socket};

/// A resume further behind than 1,000 events is a gap; this is near enough to be replayed.
const REPLAYED: u64 = 900;

/// An event of the API as the checker takes it.
pub(super) fn seen(event: &Value) -> anyhow::Result<Seen> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let parsed = || {
        let (seq, kind) = (event["seq"].as_u64()?, text(&event["kind"])?);
        let message = match kind.as_str() {
            "message" | "note" => Some(Message {
                sender: text(&event["by"]["id"])?,
                client_id: text(&event["client_id"])?,
                message_id: text(&event["message_id"])?,
                digest: Digest::of(event["text"].as_str()?),
            }),
            _ => None,
        };
        Some(Seen { seq, kind, message })
    };
    parsed().with_context(|| format!("not an event of the contract: {event}"))
}

/// Reads the log of each conversation: as its visitor and as two agents, forwards and backwards, in pages of several
/// sizes, as the last events of the conversation, and as a replay on a socket.
pub(super) async fn read_all(stage: &Stage, scene: &Scene) -> anyhow::Result<()> {
    for talk in &scene.talks {
        forwards(stage, "visitor, forwards", &talk.visitor.token, talk, 200).await?;
        forwards(stage, "assignee, forwards", &scene.assignee.token, talk, 37).await?;
        let head = backwards(stage, "colleague, backwards", &scene.colleague.token, talk, 100).await?;
        last_events(stage, "visitor, last events", &talk.visitor.token, talk).await?;
        replay(stage, "colleague, replay", &scene.colleague.token, talk, head).await?;
    }
    Ok(())
}

async fn page(stage: &Stage, token: &str, talk: &Talk, query: &str) -> anyhow::Result<Value> {
    let answer =
        insist("a page", async || stage.api().events(token, &talk.conversation, query).await).await?;
    answer.expect(200)
}

pub(super) async fn forwards(
    stage: &Stage,
    reader: &str,
    token: &str,
    talk: &Talk,
    limit: u32,
) -> anyhow::Result<()> {
    stage.recorder.read_began(reader, &talk.conversation);
    let mut log: Vec<Seen> = Vec::new();
    loop {
        let after = log.last().map_or(0, |event| event.seq);
        let page = page(stage, token, talk, &format!("after={after}&limit={limit}")).await?;
        let events = events(&page)?;
        for event in events {
            log.push(seen(event)?);
        }
        if page["has_more"] != true {
            break;
        }
        if events.is_empty() {
            bail!("{reader}: an empty page that has more: {page}");
        }
    }
    stage.recorder.read(reader, &talk.conversation, log);
    Ok(())
}

/// Gives the log's head.
async fn backwards(stage: &Stage, reader: &str, token: &str, talk: &Talk, limit: u32) -> anyhow::Result<u64> {
    stage.recorder.read_began(reader, &talk.conversation);
    let head = head(stage, token, &talk.conversation).await?;
    let mut newest_first: Vec<Seen> = Vec::new();
    loop {
        let before = newest_first.last().map_or(head + 1, |event| event.seq);
        let page = page(stage, token, talk, &format!("before={before}&limit={limit}")).await?;
        let events = events(&page)?;
        for event in events.iter().rev() {
            newest_first.push(seen(event)?);
        }
        if page["has_more"] != true {
            break;
        }
        if events.is_empty() {
            bail!("{reader}: an empty page that has more: {page}");
        }
    }
    newest_first.reverse();
    stage.recorder.read(reader, &talk.conversation, newest_first);
    Ok(head)
}

async fn last_events(stage: &Stage, observer: &str, token: &str, talk: &Talk) -> anyhow::Result<()> {
    let read = async || stage.api().conversation(token, &talk.conversation).await;
    let body = insist("the last events", read).await?.expect(200)?;
    let events = body["events"].as_array().with_context(|| format!("no events: {body}"))?;
    let events = events.iter().map(seen).collect::<anyhow::Result<Vec<Seen>>>()?;
    let first = events.first().context("a log without events")?.seq;
    stage.recorder.resumed(observer, &talk.conversation, Some(first - 1));
    for event in events {
        stage.recorder.observed(observer, &talk.conversation, event);
    }
    let last_seq =
        body["conversation"]["last_seq"].as_u64().with_context(|| format!("no last_seq: {body}"))?;
    stage.recorder.caught_up(observer, &talk.conversation, last_seq);
    Ok(())
}

async fn replay(stage: &Stage, observer: &str, token: &str, talk: &Talk, head: u64) -> anyhow::Result<()> {
    let after = head.saturating_sub(REPLAYED);
    let mut socket = Socket::open(stage.api()).await?;
    stage.recorder.resumed(observer, &talk.conversation, Some(after));
    socket.hello(token, &[(talk.conversation.as_str(), Some(after))]).await?;
    loop {
        match socket.next().await? {
            Frame::Json(frame) if frame["type"] == "event" => {
                stage.recorder.observed(observer, &talk.conversation, seen(&frame["event"])?);
            }
            Frame::Json(frame) if frame["type"] == "caught_up" => {
                let seq = frame["seq"].as_u64().with_context(|| format!("no seq: {frame}"))?;
                stage.recorder.caught_up(observer, &talk.conversation, seq);
                return Ok(());
            }
            Frame::Json(frame) if frame["type"] == "gap" => {
                bail!("{observer}: a gap within {REPLAYED}: {frame}")
            }
            Frame::Json(_) => {}
            Frame::Closed { code, reason } => {
                bail!("{observer}: closed ({code:?} {reason}) while it is replayed")
            }
        }
    }
}

/// A log's last `seq`.
pub(super) async fn head(stage: &Stage, token: &str, conversation: &str) -> anyhow::Result<u64> {
    let read = async || stage.api().events(token, conversation, "after=0&limit=1").await;
    let page = insist("the head", read).await?.expect(200)?;
    page["last_seq"].as_u64().with_context(|| format!("a page without last_seq: {page}"))
}

/// What a history holds.
#[derive(Default)]
pub(super) struct Counts {
    pub(super) messages: usize,
    pub(super) acknowledged: usize,
    pub(super) attempts: usize,
    pub(super) unknown: usize,
    pub(super) events: usize,
}

pub(super) fn count(history: &History) -> Counts {
    let mut counts = Counts::default();
    let (mut sent, mut acknowledged) = (HashSet::new(), HashSet::new());
    for entry in &history.entries {
        match entry {
            Entry::Send { conversation, sender, client_id, .. } => {
                counts.attempts += 1;
                sent.insert((conversation, sender, client_id));
            }
            Entry::Acknowledged { message_id, .. } => {
                acknowledged.insert(message_id);
            }
            Entry::Observed { .. } => counts.events += 1,
            Entry::Read { log, .. } => counts.events += log.len(),
            Entry::Unknown { .. } => counts.unknown += 1,
            Entry::Refused { .. }
            | Entry::Resumed { .. }
            | Entry::Gap { .. }
            | Entry::CaughtUp { .. }
            | Entry::ReadBegan { .. } => {}
        }
    }
    counts.messages = sent.len();
    counts.acknowledged = acknowledged.len();
    counts
}
