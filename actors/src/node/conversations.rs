//! Conversations, as this node sees them.

use std::sync::Arc;
use std::time::Duration;

use domain::{Request, State};
use store::{ConversationKey, LiveRow};
use tokio::time::{Instant, timeout};

use super::ask::Address;
use super::local::Node;
use crate::conversation;
use crate::mail::{ConversationHandle, ConversationMessage};
use crate::words::{AgentKey, Execute, ExecuteError, Outcome, TeamKey};

impl Node {
    /// Starts a conversation, or answers as before when `request` did already. Durable when answered.
    ///
    /// # Errors
    /// As [`Node::ask`].
    pub async fn create(&self, key: ConversationKey, request: Request) -> Result<Outcome, ExecuteError> {
        let mut created: Option<Outcome> = None;
        let made = self.context.conversations.get_or_start(key, || async {
            let (handle, outcome) = conversation::create(&self.context, key, &request).await?;
            created = outcome;
            Ok::<_, ExecuteError>(handle)
        });
        // An append that was given up is carried out all the same, and the next one to look waits for it.
        timeout(self.context.settings.deadline, made).await.map_err(|_| ExecuteError::Unknown)??;
        match created {
            Some(outcome) => Ok(outcome),
            None => self.execute(key, request).await,
        }
    }

    /// Asks the conversation to [`Execute`] the request.
    ///
    /// # Errors
    /// As [`Node::ask`].
    pub async fn execute(&self, key: ConversationKey, request: Request) -> Result<Outcome, ExecuteError> {
        self.ask(key, Execute { request: Arc::new(request) }).await
    }

    /// Starts what a live conversation needs: the router of one that waits, the actor of the agent who has it.
    ///
    /// # Errors
    /// As the start of an actor: [`Rejection::NotFound`] for an agent who was removed.
    pub async fn wake(&self, row: &LiveRow) -> Result<(), ExecuteError> {
        let workspace = row.key.workspace;
        match (row.state, row.assignee) {
            (State::Queued, _) => TeamKey { workspace, team: row.team }.reach(self).await.map(drop),
            (State::Assigned, Some(agent)) => AgentKey { workspace, agent }.reach(self).await.map(drop),
            (State::Assigned | State::Bot | State::Ended, _) => Ok(()),
        }
    }

    /// Lets every conversation finish what is in flight and leave memory, at most for `within`; says how many remain.
    pub async fn drain(&self, within: Duration) -> usize {
        let until = Instant::now() + within;
        let mut leaving: Vec<ConversationHandle> = Vec::new();
        for (_, handle) in self.context.conversations.living() {
            // An actor that ended has left already.
            handle.tell(ConversationMessage::Passivate { only_idle: false });
            leaving.push(handle);
        }
        for handle in &leaving {
            let rest = until.saturating_duration_since(Instant::now());
            if handle.actor.wait(Some(rest)).await.is_err() {
                break;
            }
        }
        leaving.iter().filter(|handle| handle.actor.get_status() < ractor::ActorStatus::Stopped).count()
    }
}
