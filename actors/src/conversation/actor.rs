//! The actor of one conversation: the log's one writer. It decides on the draft, appends in groups, answers and publishes. It
//! waits for nothing inside a handler; an append's outcome comes back as a message.

use std::sync::Arc;

use domain::Conversation;
use ractor::{Actor, ActorProcessingErr, ActorRef};
use store::ConversationKey;

use super::live::LiveConversation;
use crate::mail::{Activity, Asked, ConversationMessage};
use crate::runtime::Context;

/// A conversation in memory, ready to be an actor.
pub(super) struct Loaded {
    pub(super) node: Arc<Context>,
    pub(super) key: ConversationKey,
    pub(super) conversation: Conversation,
    pub(super) activity: Arc<Activity>,
}

pub(super) struct ConversationActor;

impl Actor for ConversationActor {
    type Msg = ConversationMessage;
    type State = LiveConversation;
    type Arguments = Loaded;

    async fn pre_start(
        &self,
        _: ActorRef<Self::Msg>,
        loaded: Loaded,
    ) -> Result<LiveConversation, ActorProcessingErr> {
        let Loaded { node, key, conversation, activity } = loaded;
        Ok(LiveConversation::new(node, key, conversation, activity))
    }

    async fn handle(
        &self,
        myself: ActorRef<Self::Msg>,
        message: ConversationMessage,
        live: &mut LiveConversation,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            ConversationMessage::Execute(Asked { ask, reply, permit }) => {
                live.execute(&ask.request, false, reply, permit);
            }
            ConversationMessage::Probe(Asked { ask, reply, permit }) => {
                live.execute(&ask.request, true, reply, permit);
            }
            ConversationMessage::Settle(Asked { reply, permit, .. }) => live.settle(reply, permit),
            ConversationMessage::Subscribe(asked) => live.subscribe(&myself, asked),
            ConversationMessage::Viewing(asked) => {
                let answer = live.view(asked.ask);
                asked.answer(answer);
            }
            ConversationMessage::Typing(asked) => {
                let answer = live.set_typing(&myself, asked.ask.clone());
                asked.answer(answer);
            }
            ConversationMessage::Read(asked) => live.read(&myself, asked),
            ConversationMessage::Unsubscribe(listener) => live.listeners.remove(listener),
            ConversationMessage::Appended(appended) => live.appended(*appended),
            ConversationMessage::LanesEnded => live.leave(),
            ConversationMessage::MarksWritten => live.marks_written(&myself),
            ConversationMessage::TypingDue => live.typing_due(&myself),
            ConversationMessage::Passivate { only_idle } => live.passivate(only_idle),
            #[cfg(any(test, feature = "testing"))]
            ConversationMessage::Inspect(reply) => {
                let _ = reply.send(live.draft.conversation().clone());
            }
        }
        live.publish_presence();
        live.flush_when_idle(&myself);
        live.stop_when_settled(&myself);
        Ok(())
    }
}
