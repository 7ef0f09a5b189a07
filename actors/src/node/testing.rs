//! What tests do to a node.

use ractor::ActorCell;
use store::ConversationKey;
use tokio::sync::oneshot;

use super::ask::Address;
use super::local::Node;
use crate::mail::ConversationMessage;
use crate::words::AgentKey;

impl Node {
    /// Ends all actors at once, in the middle of whatever they do.
    pub fn kill_all(&self) {
        self.actors().iter().for_each(|(_, actor)| actor.kill());
    }

    /// Ends one actor, whichever `n` falls on; says what it was.
    pub fn kill_one(&self, n: usize) -> Option<String> {
        let mut all = self.actors();
        let (name, actor) = all.swap_remove(n.checked_rem(all.len())?);
        actor.kill();
        Some(name)
    }

    fn actors(&self) -> Vec<(String, ActorCell)> {
        let context = &self.context;
        let conversations = context.conversations.living().into_iter();
        let conversations = conversations.map(|(key, handle)| (format!("{key:?}"), handle.actor.get_cell()));
        let agents = context.agents.living().into_iter();
        let agents = agents.map(|(key, handle)| (format!("{key:?}"), handle.actor.get_cell()));
        let teams = context.teams.living().into_iter();
        let teams = teams.map(|(key, handle)| (format!("{key:?}"), handle.actor.get_cell()));
        conversations.chain(agents).chain(teams).collect()
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
