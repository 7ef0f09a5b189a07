//! Who talks in a round, and about what.

use anyhow::bail;
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde_json::json;

use super::rest::{self, acknowledgement, insist};
use super::talker::{Manner, Talker};
use super::{Stage, reading};
use crate::answer::Answer;
use crate::clients::{Agent, Visitor};
use crate::sandbox::AgentLogin;

/// Within the capacity of one agent, who holds them all.
const TALKS: usize = 4;

/// A conversation and its visitor.
#[derive(Clone, Debug)]
pub(crate) struct Talk {
    pub(super) visitor: Visitor,
    pub(super) conversation: String,
}

impl Talk {
    /// A new visitor starts a conversation.
    pub(crate) async fn begin(stage: &Stage) -> anyhow::Result<Self> {
        let visitor = arrive(stage).await?;
        let conversation = start(stage, &visitor).await?;
        Ok(Self { visitor, conversation })
    }

    /// Its visitor sends a message, once. An error means that there was no answer.
    pub(crate) async fn send_once(
        &self,
        stage: &Stage,
        client_id: &str,
        text: &str,
    ) -> anyhow::Result<Answer> {
        rest::send_once(stage, &self.visitor, &self.conversation, client_id, text).await
    }

    /// Its visitor reads the whole log.
    pub(crate) async fn read(&self, stage: &Stage, reader: &str) -> anyhow::Result<()> {
        reading::forwards(stage, reader, &self.visitor.token, self, 200).await
    }

    /// Its visitor ends it.
    pub(crate) async fn end(&self, stage: &Stage) -> anyhow::Result<()> {
        let end = async || stage.api().end(&self.visitor.token, &self.conversation).await;
        let body = insist("the end", end).await?.expect(200)?;
        if body["conversation"]["state"] != json!("ended") {
            bail!("not ended: {body}");
        }
        Ok(())
    }
}

/// Everybody.
pub(super) struct Scene {
    pub(super) talks: Vec<Talk>,
    /// Holds all the conversations.
    pub(super) assignee: Agent,
    /// Of the same team; looks on and writes notes.
    pub(super) colleague: Agent,
}

/// Makes the visitors and their conversations, and has the first agent accept them; the server may be killed meanwhile.
pub(super) async fn build(stage: &Stage) -> anyhow::Result<Scene> {
    let [first, second, ..] = stage.ready.agents.as_slice() else { bail!("the demo has two agents") };
    let assignee = login(stage, first).await?;
    let colleague = login(stage, second).await?;
    let set_status = async || stage.api().set_status(&assignee.token, "online").await;
    insist("the status", set_status).await?.expect(200)?;
    let mut talks = Vec::new();
    for _ in 0..TALKS {
        let talk = Talk::begin(stage).await?;
        rest::accept(stage, &assignee.token, &talk.conversation).await?;
        talks.push(talk);
    }
    Ok(Scene { talks, assignee, colleague })
}

async fn login(stage: &Stage, who: &AgentLogin) -> anyhow::Result<Agent> {
    let login = async || stage.api().try_login(&who.email, &who.password).await;
    Agent::from_body(&insist("the log-in", login).await?.expect(200)?)
}

/// A new visitor.
pub(super) async fn arrive(stage: &Stage) -> anyhow::Result<Visitor> {
    let arrive = async || stage.api().try_visitor(&stage.ready.site_key).await;
    Visitor::from_body(&insist("a new visitor", arrive).await?.expect(201)?)
}

/// A conversation's id is made from its `client_id`, but only the answer tells it; so its first message enters the
/// history once there is an id to enter it under.
async fn start(stage: &Stage, visitor: &Visitor) -> anyhow::Result<String> {
    let (client_id, text) = ("start", "The first message comes with the conversation.");
    let start = async || stage.api().start_conversation(&visitor.token, client_id, Some(text)).await;
    let answer = insist("a new conversation", start).await?;
    // A repeat of one whose answer was lost is a 200.
    if !matches!(answer.status, 200 | 201) {
        bail!("no conversation: {answer}");
    }
    let Some(conversation) = answer.body["conversation"]["id"].as_str() else { bail!("no id: {answer}") };
    let attempt = stage.recorder.send(conversation, &visitor.visitor_id, client_id, text);
    let (message_id, seq) = acknowledgement(&answer.body["message"])?;
    stage.recorder.acknowledged(attempt, message_id, seq);
    Ok(conversation.to_owned())
}

impl Scene {
    /// All that talk and look on until the curtain falls.
    pub(super) fn clients(
        &self,
        stage: &Stage,
        random: &mut StdRng,
    ) -> Vec<LocalBoxFuture<'static, anyhow::Result<()>>> {
        let mut clients = Vec::new();
        for (number, talk) in self.talks.iter().enumerate() {
            let (stage, who, conversation) = (stage.clone(), talk.visitor.clone(), talk.conversation.clone());
            if number % 2 == 0 {
                let (name, token) = (format!("long poll of visitor {number}"), who.token.clone());
                clients.push(rest::follow(stage.clone(), token, conversation.clone(), name).boxed_local());
                clients.push(rest::write(stage, who, conversation, StdRng::from_rng(random)).boxed_local());
            } else {
                let name = format!("socket of visitor {number}");
                let (id, token, talks) = (who.visitor_id, who.token, vec![conversation]);
                let talker = Talker::new(stage, name, id, token, talks, Manner::Messages);
                clients.push(talker.talk(StdRng::from_rng(random)).boxed_local());
            }
        }
        let talks: Vec<String> = self.talks.iter().map(|talk| talk.conversation.clone()).collect();
        for (agent, name, manner) in [
            (&self.assignee, "socket of the assignee", Manner::Messages),
            (&self.colleague, "socket of the colleague", Manner::Notes),
        ] {
            let (id, token) = (agent.agent_id.clone(), agent.token.clone());
            let talker = Talker::new(stage.clone(), name.to_owned(), id, token, talks.clone(), manner);
            clients.push(talker.talk(StdRng::from_rng(random)).boxed_local());
        }
        clients
    }

    /// Ends the conversations, so that the next round's find room with the agent.
    pub(super) async fn end(&self, stage: &Stage) -> anyhow::Result<()> {
        for talk in &self.talks {
            talk.end(stage).await?;
        }
        Ok(())
    }
}
