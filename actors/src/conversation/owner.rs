//! Answers that rest on no append: a refusal, or that there is nothing to change. Whoever was overtaken by another owner
//! may not know it, and without an append no fence tells him; so he looks before he answers.

use std::sync::Arc;

use ractor::ActorRef;
use store::{Claim, Store};

use super::draft::Waiter;
use super::{ConversationMessage, Refusal};

/// Has `waiter` told if this claim is still the log's; else he is to ask again, and the actor hears of it first.
pub(super) fn tell_if_owner(
    store: &Store,
    claim: Arc<Claim>,
    waiter: Waiter,
    actor: ActorRef<ConversationMessage>,
) {
    let log = Arc::clone(&store.log);
    tokio::spawn(async move {
        match log.peek(claim.key).await {
            Ok(Some(peek)) if peek.epoch == claim.epoch => waiter.tell(),
            Ok(_) => {
                // An actor that ended knows it already.
                let _ = actor.cast(ConversationMessage::Overtaken);
                waiter.refuse(Refusal::Moved);
            }
            Err(error) => waiter.refuse(Refusal::Error(error.into())),
        }
    });
}
