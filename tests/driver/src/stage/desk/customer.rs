//! A visitor of the front desk: they start a conversation, wait until it is over, and start the next.

use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, bail};
use rand::RngExt;
use rand::rngs::StdRng;
use serde_json::json;
use tokio::time::sleep;

use super::{FrontDesk, Started, conversation_of};
use crate::stage::Stage;
use crate::stage::rest::insist;
use crate::stage::scene::arrive;

/// Until the curtain falls.
pub(super) async fn come(stage: Stage, desk: Rc<FrontDesk>, mut random: StdRng) -> anyhow::Result<()> {
    let visitor = arrive(&stage).await?;
    let mut count = 0;
    while !stage.is_ending() {
        count += 1;
        let turn = desk.turnstile.read().await;
        let body = json!({
            "client_id": format!("desk-{count}"), "text": "Is anybody there?", "team_id": desk.team_id,
        });
        let start = async || {
            stage.api().post("/api/v1/chat/conversations").bearer(&visitor.token).json(&body).send().await
        };
        let answer = insist("a conversation at the desk", start).await?;
        if !matches!(answer.status, 200 | 201) {
            bail!("no conversation at the desk: {answer}");
        }
        let conversation = answer.body["conversation"]["id"].as_str().context("a conversation without id")?;
        let started = Started { conversation: conversation.to_owned(), visitor_token: visitor.token.clone() };
        let (_, last_seq) = conversation_of(&answer)?;
        desk.enter(&stage, started.clone(), last_seq);
        drop(turn);
        wait(&stage, &desk, &started, &mut random).await?;
    }
    Ok(())
}

/// Waits until the conversation is over; now and then the visitor ends it after some time.
async fn wait(stage: &Stage, desk: &FrontDesk, started: &Started, random: &mut StdRng) -> anyhow::Result<()> {
    loop {
        sleep(Duration::from_millis(random.random_range(50..300))).await;
        if stage.is_ending() || desk.book.borrow().ended.contains(&started.conversation) {
            return Ok(());
        }
        if random.random_ratio(1, 40) {
            let _turn = desk.turnstile.read().await;
            desk.end(stage, started).await?;
        }
    }
}
