//! A visitor who does nothing but look whether the server takes messages.

use anyhow::{Context, ensure};

use crate::answer::Answer;
use crate::stage::{Stage, Talk, is_acknowledgement};

/// A visitor who writes in a conversation of their own.
pub(crate) struct Witness {
    stage: Stage,
    talk: Talk,
    /// How many messages they have sent; the last one again and again until it is acknowledged.
    sent: u64,
    /// Whether the last one was.
    acknowledged: bool,
}

impl Witness {
    /// Comes in and starts the conversation.
    pub(crate) async fn arrive(stage: &Stage) -> anyhow::Result<Self> {
        let talk = Talk::begin(stage).await?;
        Ok(Self { stage: stage.clone(), talk, sent: 0, acknowledged: true })
    }

    /// Whether the server says that it is ready.
    pub(crate) async fn is_ready(&self) -> anyhow::Result<bool> {
        let answer = self.stage.api().get("/readyz").send().await?;
        ensure!(matches!(answer.status, 200 | 503), "neither ready nor not: {answer}");
        Ok(answer.status == 200)
    }

    /// Sends, and must be told to come again.
    pub(crate) async fn expect_refusal(&mut self) -> anyhow::Result<()> {
        let answer = self.send().await?;
        let says_when = answer.header("retry-after").parse::<u32>().is_ok_and(|seconds| seconds > 0);
        let refused = answer.status == 503 && answer.code() == "UNAVAILABLE" && says_when;
        ensure!(refused, "503 and a word when to come again were expected without a store: {answer}");
        Ok(())
    }

    /// Sends, and says whether it was acknowledged.
    pub(crate) async fn is_acknowledged(&mut self) -> anyhow::Result<bool> {
        let answer = self.send().await?;
        ensure!(self.acknowledged || answer.is_unknown() || answer.status == 429, "refused: {answer}");
        Ok(self.acknowledged)
    }

    /// Reads the conversation as the checker wants it, and ends it.
    pub(crate) async fn leave(self, stage: &Stage) -> anyhow::Result<()> {
        self.talk.read(stage, "witness").await?;
        self.talk.end(stage).await
    }

    async fn send(&mut self) -> anyhow::Result<Answer> {
        if self.acknowledged {
            self.sent += 1;
            self.acknowledged = false;
        }
        let (client_id, text) =
            (format!("witness-{}", self.sent), format!("Is anybody there, {}?", self.sent));
        let answer = self.talk.send_once(&self.stage, &client_id, &text).await;
        let answer = answer.context("a server without its store answers all the same")?;
        self.acknowledged = is_acknowledgement(&answer);
        Ok(answer)
    }
}
