//! What a socket holds while it listens: dropped, it listens no more.

use std::sync::Arc;

use domain::{Principal, Seq};
use ractor::{ActorRef, ActorStatus};
use store::ConversationKey;

use super::local::Node;
use crate::hub::PushSender;
use crate::mail::{AgentMessage, Attach, ConversationMessage, Subscribe};
use crate::words::{AgentKey, AgentView, ExecuteError, ListenerId};

/// The right to be pushed what happens in a conversation; it ends when this is dropped.
pub struct Subscription {
    id: ListenerId,
    actor: ActorRef<ConversationMessage>,
    /// The last durable event when it began: what comes after is pushed.
    pub last_seq: Seq,
}

impl Subscription {
    /// Names it to the conversation.
    pub fn id(&self) -> ListenerId {
        self.id
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        // An actor that ended has no subscribers left.
        let _ = self.actor.cast(ConversationMessage::Unsubscribe(self.id));
    }
}

/// An agent's open socket; the agent's actor counts it until this is dropped.
pub struct Attachment {
    actor: ActorRef<AgentMessage>,
    session: u64,
    /// The agent as the socket begins.
    pub view: AgentView,
}

impl Attachment {
    /// The agent's actor knows of the socket; otherwise attach anew.
    pub fn lives(&self) -> bool {
        self.actor.get_status() < ActorStatus::Draining
    }
}

impl Drop for Attachment {
    fn drop(&mut self) {
        // An actor that ended has no sessions left.
        let _ = self.actor.cast(AgentMessage::Detach { session: self.session });
    }
}

impl Node {
    /// Pushes all that is durable after the subscription's `last_seq` to `sender`, while the subscription is kept.
    /// `after`: the last event that the listener has, or claims to have.
    ///
    /// # Errors
    /// As [`Node::ask`]; after [`ExecuteError::Unknown`] nothing is pushed.
    pub async fn subscribe(
        &self,
        key: ConversationKey,
        who: Arc<Principal>,
        sender: PushSender,
        after: Seq,
    ) -> Result<Subscription, ExecuteError> {
        let id = ListenerId(self.context.next_id());
        let (last_seq, handle) = self.ask_which(key, Subscribe { listener: id, who, sender, after }).await?;
        Ok(Subscription { id, actor: handle.actor, last_seq })
    }

    /// Counts a socket of the agent's as open while the attachment is kept; `sender` is pushed what concerns the agent.
    ///
    /// # Errors
    /// As [`Node::ask`].
    pub async fn attach(&self, key: AgentKey, sender: PushSender) -> Result<Attachment, ExecuteError> {
        let session = self.context.next_id();
        let (view, handle) = self.ask_which(key, Attach { session, sender }).await?;
        Ok(Attachment { actor: handle.actor, session, view })
    }
}
