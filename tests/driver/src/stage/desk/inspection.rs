//! A look at the whole desk while everybody holds still: read through the API alone, again until the dust has settled.

use std::time::Duration;

use anyhow::{Context, bail};
use checker::{AgentAtRest, ConversationAtRest, Desk, Listed, Move, State, Step, check_desk};
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::{CLERKS, FrontDesk};
use crate::clients::Agent;
use crate::stage::Stage;
use crate::stage::rest::{events, insist};

const AGAIN: Duration = Duration::from_millis(50);

impl FrontDesk {
    /// Waits until nobody asks for anything and the dust has settled, and enters what is wrong even then. Says whether
    /// all is as it must be.
    pub(crate) async fn inspect(&self, stage: &Stage) -> anyhow::Result<bool> {
        let _still = self.turnstile.write().await;
        let begun = Instant::now();
        let (desk, violations) = loop {
            let is_over = begun.elapsed() > self.settles;
            let connected = self.book.borrow().connected.len();
            // Once the curtain has fallen the agents are there by what they ask.
            if connected < CLERKS && !stage.is_ending() && !is_over {
                sleep(AGAIN).await;
                continue;
            }
            let desk = self.read(stage).await?;
            let violations = check_desk(&desk);
            if violations.is_empty() || is_over {
                break (desk, violations);
            }
            sleep(AGAIN).await;
        };
        let mut book = self.book.borrow_mut();
        let is_good = violations.is_empty();
        book.outcome.inspections += 1;
        book.outcome.settled_max = book.outcome.settled_max.max(begun.elapsed());
        book.outcome.assignments =
            desk.conversations.iter().map(|conversation| conversation.assignment_epoch as usize).sum();
        if !is_good {
            book.outcome.violations.extend(violations);
            book.outcome.wrong = Some(desk);
        }
        Ok(is_good)
    }

    async fn read(&self, stage: &Stage) -> anyhow::Result<Desk> {
        let started: Vec<String> =
            self.book.borrow().started.iter().map(|started| started.conversation.clone()).collect();
        let mut conversations = Vec::new();
        for id in started {
            conversations.push(self.conversation(stage, &id).await?);
        }
        let mut agents = Vec::new();
        for clerk in &self.clerks {
            agents.push(agent(stage, clerk).await?);
        }
        let queue = list(stage, &self.admin, &format!("view=queue&team_id={}", self.team_id)).await?;
        let ended = list(stage, &self.admin, &format!("view=ended&team_id={}", self.team_id)).await?;
        Ok(Desk {
            agents,
            conversations,
            queue: queue.iter().map(listed).collect::<anyhow::Result<_>>()?,
            ended: ended.iter().map(|row| text(&row["id"])).collect::<anyhow::Result<_>>()?,
            deeds: self.book.borrow().deeds.clone(),
        })
    }

    /// One that was over is not read again, but by the last look, which reads everything.
    async fn conversation(&self, stage: &Stage, id: &str) -> anyhow::Result<ConversationAtRest> {
        if !stage.is_ending()
            && let Some(closed) = self.book.borrow().closed.get(id)
        {
            return Ok(closed.clone());
        }
        let token = &self.admin.token;
        let read = async || stage.api().conversation(token, id).await;
        let head = insist("a look at the desk", read).await?.expect(200)?["conversation"].take();
        let conversation = ConversationAtRest {
            id: text(&head["id"])?,
            state: match head["state"].as_str() {
                Some("queued") => State::Queued,
                Some("assigned") => State::Assigned,
                Some("ended") => State::Ended,
                _ => bail!("a state that no conversation of the desk has: {head}"),
            },
            assignee: head["assignee"]["agent_id"].as_str().map(str::to_owned),
            assignment_epoch: number(&head["assignment_epoch"])?,
            queue_position: head["queue_position"].as_u64(),
            log: log(stage, token, id).await?,
        };
        if conversation.state == State::Ended {
            self.book.borrow_mut().closed.insert(id.to_owned(), conversation.clone());
        }
        Ok(conversation)
    }
}

async fn log(stage: &Stage, token: &str, conversation: &str) -> anyhow::Result<Vec<Step>> {
    let (mut steps, mut after) = (Vec::new(), 0);
    loop {
        let query = format!("after={after}&limit=200");
        let read = async || stage.api().events(token, conversation, &query).await;
        let page = insist("a log of the desk", read).await?.expect(200)?;
        for event in events(&page)? {
            after = number(&event["seq"])?;
            if let Some(what) = step(event)? {
                steps.push(Step { seq: after, by: event["by"]["id"].as_str().map(str::to_owned), what });
            }
        }
        if page["has_more"] != true {
            return Ok(steps);
        }
    }
}

/// None: it does not change who has the conversation.
fn step(event: &Value) -> anyhow::Result<Option<Move>> {
    let agent = || text(&event["agent"]["agent_id"]);
    Ok(match event["kind"].as_str() {
        Some("assigned") => Some(Move::Assigned {
            agent: agent()?,
            epoch: number(&event["assignment_epoch"])?,
            reason: text(&event["reason"])?,
        }),
        Some("released") => Some(Move::Released { agent: agent()? }),
        Some("transferred") => {
            Some(Move::Transferred { agent: event["to"]["agent_id"].as_str().map(str::to_owned) })
        }
        Some("ended") => Some(Move::Ended),
        Some(_) => None,
        None => bail!("an event without a kind: {event}"),
    })
}

async fn agent(stage: &Stage, who: &Agent) -> anyhow::Result<AgentAtRest> {
    let read = async || stage.api().get("/api/v1/chat/agent/status").bearer(&who.token).send().await;
    let status = insist("a clerk's status", read).await?.expect(200)?;
    let holds = status["conversation_ids"].as_array().with_context(|| format!("no status: {status}"))?;
    let mine = list(stage, who, "view=mine").await?;
    Ok(AgentAtRest {
        agent: who.agent_id.clone(),
        gets_offers: status["status"] == "online" && status["present"] == true,
        capacity: number(&status["capacity"])?,
        load: number(&status["load"])?,
        holds: holds.iter().map(text).collect::<anyhow::Result<_>>()?,
        mine: mine.iter().map(|row| text(&row["id"])).collect::<anyhow::Result<_>>()?,
    })
}

fn listed(row: &Value) -> anyhow::Result<Listed> {
    Ok(Listed {
        id: text(&row["id"])?,
        queued_at: text(&row["queued_at"])?,
        queue_position: row["queue_position"].as_u64(),
        offered_to: row["offered_to"].as_str().map(str::to_owned),
    })
}

/// All pages of a list.
async fn list(stage: &Stage, who: &Agent, query: &str) -> anyhow::Result<Vec<Value>> {
    let (mut rows, mut cursor) = (Vec::new(), String::new());
    loop {
        let path = format!("/api/v1/chat/agent/conversations?{query}&limit=200{cursor}");
        let read = async || stage.api().get(path.clone()).bearer(&who.token).send().await;
        let mut page = insist("a list of the desk", read).await?.expect(200)?;
        rows.append(page["data"].as_array_mut().context("a list without data")?);
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return Ok(rows),
        }
    }
}

fn text(value: &Value) -> anyhow::Result<String> {
    value.as_str().map(str::to_owned).with_context(|| format!("{value} where a text should be"))
}

fn number(value: &Value) -> anyhow::Result<u64> {
    value.as_u64().with_context(|| format!("{value} where a number should be"))
}
