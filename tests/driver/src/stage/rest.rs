//! Clients by REST: one that sends, and one that follows a log by long polls.

use std::time::Duration;

use anyhow::{Context, bail};
use rand::RngExt;
use rand::rngs::StdRng;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::reading::{head, seen};
use super::{Stage, words};
use crate::answer::Answer;
use crate::clients::Visitor;

/// How long the server may need to come back and answer. Passing it is a failure of its own: a message that is
/// repeated for ever is no better than one that is lost.
pub(super) const COMEBACK: Duration = Duration::from_secs(60);
/// Between two attempts.
pub(super) const PAUSE: Duration = Duration::from_millis(20);
/// So that a sender does not reach the limit of a log within its round.
pub(super) const THINKING_MS_MAX: u64 = 20;

/// Repeats a call, which must be one that may be repeated, until its outcome is known.
pub(super) async fn insist(
    what: &str,
    call: impl AsyncFn() -> anyhow::Result<Answer>,
) -> anyhow::Result<Answer> {
    let begun = Instant::now();
    loop {
        let open = match call().await {
            Ok(answer) if !answer.is_unknown() && answer.status != 429 => return Ok(answer),
            Ok(answer) => answer.to_string(),
            Err(error) => format!("{error:#}"),
        };
        if begun.elapsed() > COMEBACK {
            bail!("{what}: not answered within {COMEBACK:?}, the last time: {open}");
        }
        sleep(PAUSE).await;
    }
}

/// Has an agent take a conversation.
pub(super) async fn accept(stage: &Stage, token: &str, conversation: &str) -> anyhow::Result<()> {
    let begun = Instant::now();
    loop {
        let accept = async || stage.api().accept(token, conversation).await;
        let answer = insist("the accept", accept).await?;
        // One of several servers may remember for 30 s what the agent gave back on another, or not know that they are
        // there.
        let passes = matches!(answer.code(), "CAPACITY_EXCEEDED" | "AGENT_OFFLINE");
        if !passes || !stage.has_several_servers() || begun.elapsed() > COMEBACK {
            return answer.expect(200).map(drop);
        }
        sleep(PAUSE).await;
    }
}

/// Sends a visitor's messages, one after the other, until the curtain falls.
pub(super) async fn write(
    stage: Stage,
    who: Visitor,
    conversation: String,
    mut random: StdRng,
) -> anyhow::Result<()> {
    let mut sent = 0;
    while !stage.is_ending() {
        sent += 1;
        let client_id = format!("rest-{sent}");
        let text = words::text(&client_id, &mut random);
        send(&stage, &who, &conversation, &client_id, &text).await?;
        sleep(Duration::from_millis(random.random_range(0..THINKING_MS_MAX))).await;
    }
    Ok(())
}

async fn send(
    stage: &Stage,
    who: &Visitor,
    conversation: &str,
    client_id: &str,
    text: &str,
) -> anyhow::Result<()> {
    let begun = Instant::now();
    loop {
        let open = match send_once(stage, who, conversation, client_id, text).await {
            Ok(answer) if is_acknowledgement(&answer) => return Ok(()),
            Ok(answer) if answer.is_unknown() || answer.status == 429 => answer.to_string(),
            Ok(answer) => bail!("{client_id} was refused: {answer}"),
            Err(error) => format!("{error:#}"),
        };
        if begun.elapsed() > COMEBACK {
            bail!("{client_id} was not acknowledged within {COMEBACK:?}, the last time: {open}");
        }
        sleep(PAUSE).await;
    }
}

/// Sends it, and enters what came of it. An error means that there was no answer.
pub(super) async fn send_once(
    stage: &Stage,
    who: &Visitor,
    conversation: &str,
    client_id: &str,
    text: &str,
) -> anyhow::Result<Answer> {
    let attempt = stage.recorder.send(conversation, &who.visitor_id, client_id, text);
    let sent = stage.api().post_message(&who.token, conversation, client_id, text).await;
    match &sent {
        Ok(answer) if is_acknowledgement(answer) => {
            let (message_id, seq) = acknowledgement(&answer.body)?;
            stage.recorder.acknowledged(attempt, message_id, seq);
        }
        Ok(answer) if !answer.is_unknown() => stage.recorder.refused(attempt, answer.code()),
        Ok(_) | Err(_) => stage.recorder.unknown(attempt),
    }
    sent
}

/// Whether it says that a message is stored, now or since an earlier attempt.
pub(crate) fn is_acknowledgement(answer: &Answer) -> bool {
    matches!(answer.status, 200 | 201)
}

/// The message's name and place, from a `201` or a `sent`.
pub(super) fn acknowledgement(body: &Value) -> anyhow::Result<(&str, u64)> {
    let both = body["message_id"].as_str().zip(body["seq"].as_u64());
    both.with_context(|| format!("an acknowledgement without message_id and seq: {body}"))
}

/// Follows a log, and after the curtain has fallen up to its head.
pub(super) async fn follow(
    stage: Stage,
    token: String,
    conversation: String,
    name: String,
) -> anyhow::Result<()> {
    let (mut position, mut goal) = (0, None);
    let mut progress = Instant::now();
    while goal.is_none_or(|goal| position < goal) {
        if goal.is_none() && stage.is_ending() {
            goal = Some(head(&stage, &token, &conversation).await?);
        }
        let query = format!("after={position}&limit=100&wait_s=1");
        stage.recorder.resumed(&name, &conversation, Some(position));
        let open = match stage.api().events(&token, &conversation, &query).await {
            Ok(answer) if answer.status == 200 => {
                for event in events(&answer.body)? {
                    let event = seen(event)?;
                    position = event.seq;
                    progress = Instant::now();
                    stage.recorder.observed(&name, &conversation, event);
                }
                None
            }
            Ok(answer) if answer.is_unknown() || answer.status == 429 => Some(answer.to_string()),
            Ok(answer) => bail!("{name} may not follow: {answer}"),
            Err(error) => Some(format!("{error:#}")),
        };
        if open.is_some() {
            sleep(PAUSE).await;
        }
        if progress.elapsed() > COMEBACK {
            bail!("{name} saw nothing new after {position} within {COMEBACK:?}, the last time: {open:?}");
        }
    }
    Ok(())
}

/// The events of a page.
pub(super) fn events(page: &Value) -> anyhow::Result<&Vec<Value>> {
    page["data"].as_array().with_context(|| format!("a page without data: {page}"))
}
