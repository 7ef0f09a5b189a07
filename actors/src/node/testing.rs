//! What tests do to a node.

use domain::Load;
use ractor::{ActorCell, ActorStatus};
use store::ConversationKey;
use tokio::sync::oneshot;

use super::ask::Address;
use super::local::Node;
use crate::mail::{AgentMessage, ConversationMessage};
use crate::words::{AgentKey, TeamKey};

/// An actor that lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Living {
    /// A conversation's.
    Conversation(ConversationKey),
    /// An agent's.
    Agent(AgentKey),
    /// A team's router.
    Team(TeamKey),
}

impl Node {
    /// Ends all actors at once, in the middle of whatever they do.
    pub fn kill_all(&self) {
        self.actors().iter().for_each(|(_, actor)| actor.kill());
    }

    /// The actors that live now.
    pub fn living(&self) -> Vec<Living> {
        self.actors().into_iter().map(|(living, _)| living).collect()
    }

    /// Ends this actor, if it still lives.
    pub fn kill(&self, living: Living) {
        let actors = self.actors().into_iter().filter(|(other, _)| *other == living);
        actors.for_each(|(_, actor)| actor.kill());
    }

    fn actors(&self) -> Vec<(Living, ActorCell)> {
        let context = &self.context;
        let conversations = context.conversations.living().into_iter();
        let conversations =
            conversations.map(|(key, handle)| (Living::Conversation(key), handle.actor.get_cell()));
        let agents = context.agents.living().into_iter();
        let agents = agents.map(|(key, handle)| (Living::Agent(key), handle.actor.get_cell()));
        let teams = context.teams.living().into_iter();
        let teams = teams.map(|(key, handle)| (Living::Team(key), handle.actor.get_cell()));
        let all = conversations.chain(agents).chain(teams);
        all.filter(|(_, actor)| actor.get_status() < ActorStatus::Draining).collect()
    }

    /// What the agent carries, as their actor has it; none: it does not live.
    pub async fn inspect_agent(&self, key: AgentKey) -> Option<Load> {
        let (reply, answer) = oneshot::channel();
        self.context.agents.get(&key)?.tell(AgentMessage::Inspect(reply));
        answer.await.ok()
    }

    /// The state as if all that is staged were written.
    ///
    /// # Panics
    /// Without a conversation.
    pub async fn inspect(&self, key: ConversationKey) -> domain::Conversation {
        let (reply, answer) = oneshot::channel();
        let handle = key.reach(self).await.expect("the test has started it");
        assert!(handle.tell(ConversationMessage::Inspect(reply)), "the test has started it");
        answer.await.expect("the test has started it")
    }

    /// Ends the conversation's actor as a crash would.
    ///
    /// # Panics
    /// Without a conversation.
    pub async fn end_conversation(&self, key: ConversationKey) {
        let actor = key.reach(self).await.expect("the test has made it").actor;
        actor.kill();
        actor.wait(None).await.expect("it ends");
    }

    /// Ends the agent's actor as a crash would.
    ///
    /// # Panics
    /// Without an agent.
    pub async fn end_agent(&self, key: AgentKey) {
        let actor = key.reach(self).await.expect("the test has made them").actor;
        actor.kill();
        actor.wait(None).await.expect("it ends");
    }
}
