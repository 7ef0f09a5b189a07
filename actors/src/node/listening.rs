//! What a socket holds while it listens: dropped, it listens no more.

use std::sync::Arc;

use domain::{Principal, Seq};
use store::ConversationKey;

use super::local::{Node, WeakNode};
use crate::hub::PushSender;
use crate::mail::{AgentMessage, ConversationMessage};
use crate::words::{AgentKey, AgentView, Attach, ExecuteError, ListenerId, Subscribe};

/// The right to be pushed what happens in a conversation; it ends when this is dropped.
pub struct Subscription {
    entry: Listening,
    /// The last durable event when it began: what comes after is pushed.
    pub last_seq: Seq,
}

impl Subscription {
    /// Names it to the conversation.
    pub fn id(&self) -> ListenerId {
        self.entry.id
    }
}

/// A listener in the hub.
struct Listening {
    node: WeakNode,
    key: ConversationKey,
    id: ListenerId,
}

impl Drop for Listening {
    fn drop(&mut self) {
        let Some(node) = self.node.upgrade() else { return };
        node.context.hub.listeners.leave(self.key, self.id);
        if let Some(handle) = node.context.conversations.get(&self.key) {
            // An actor that ends has no listeners left.
            handle.tell(ConversationMessage::Unsubscribe(self.id));
        }
    }
}

/// An agent's open socket; the agent's actor counts it until this is dropped.
pub struct Attachment {
    entry: Attached,
    /// The agent as the socket begins.
    pub view: AgentView,
}

impl Attachment {
    /// The actor that counts the socket has not ended; otherwise attach anew.
    pub fn lives(&self) -> bool {
        let Attached { node, key, session } = &self.entry;
        node.upgrade().is_some_and(|node| node.context.hub.sessions.has(*key, *session))
    }
}

/// An agent's socket in the hub.
struct Attached {
    node: WeakNode,
    key: AgentKey,
    session: u64,
}

impl Drop for Attached {
    fn drop(&mut self) {
        let Some(node) = self.node.upgrade() else { return };
        node.context.hub.sessions.leave(self.key, self.session);
        // An actor that ended has no sessions left.
        node.tell_agent(self.key, AgentMessage::Detach { session: self.session });
    }
}

impl Node {
    /// Pushes all that is durable after the subscription's `last_seq` to `sender`, while the subscription is kept.
    /// `after`: the last event that the listener has, or claims to have.
    ///
    /// # Errors
    /// As [`Node::ask`]; after an error nothing is pushed.
    pub async fn subscribe(
        &self,
        key: ConversationKey,
        who: Arc<Principal>,
        sender: PushSender,
        after: Seq,
    ) -> Result<Subscription, ExecuteError> {
        let id = ListenerId(self.context.next_id());
        self.context.hub.listeners.enter(key, id, Arc::clone(&who), sender);
        // Leaves whatever happens, also when the caller waits no longer.
        let entry = Listening { node: self.downgrade(), key, id };
        let last_seq = self.ask(key, Subscribe { listener: id, who, after }).await?;
        Ok(Subscription { entry, last_seq })
    }

    /// Counts a socket of the agent's as open while the attachment is kept; `sender` is pushed what concerns the agent.
    ///
    /// # Errors
    /// As [`Node::ask`].
    pub async fn attach(&self, key: AgentKey, sender: PushSender) -> Result<Attachment, ExecuteError> {
        let session = self.context.next_id();
        self.context.hub.sessions.enter(key, session, sender);
        let entry = Attached { node: self.downgrade(), key, session };
        let view = self.ask(key, Attach { session }).await?;
        Ok(Attachment { entry, view })
    }
}
