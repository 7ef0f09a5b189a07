//! Answers that rest on no append: a refusal, that there is nothing to change, or up to where somebody is told of
//! everything. Whoever was overtaken by another owner may not know it, and without an append no fence tells him; so he
//! looks before he answers.

use std::sync::Arc;

use domain::{Principal, Seq};
use ractor::ActorRef;
use store::{Claim, EventLog, Store};

use super::draft::Waiter;
use super::{ConversationMessage, Refusal, Reply, SubscriberId};
use crate::PushSender;
use crate::admission::Permit;

/// Somebody who wants to be told of what comes.
pub(crate) struct Joining {
    pub(crate) id: SubscriberId,
    pub(crate) who: Arc<Principal>,
    pub(crate) sender: PushSender,
    /// The last event that he has, or says that he has.
    pub(crate) after: Seq,
    pub(crate) reply: Reply<Seq>,
    /// Kept until he is told: who waits for the store counts as much as who waits for the actor.
    pub(crate) _permit: Permit,
}

/// Has `waiter` told if this claim is still the log's; else he is to ask again.
pub(super) fn tell_if_owner(
    store: &Store,
    claim: Arc<Claim>,
    waiter: Waiter,
    actor: ActorRef<ConversationMessage>,
) {
    let log = Arc::clone(&store.log);
    tokio::spawn(async move {
        match check(&*log, &claim, &actor).await {
            Ok(()) => waiter.tell(),
            Err(refusal) => waiter.refuse(refusal),
        }
    });
}

/// Has who says that he has later events than this actor join all the same if this claim is still the log's; else he is
/// to ask again.
pub(super) fn join_if_owner(
    store: &Store,
    claim: Arc<Claim>,
    joining: Joining,
    actor: ActorRef<ConversationMessage>,
) {
    let log = Arc::clone(&store.log);
    tokio::spawn(async move {
        match check(&*log, &claim, &actor).await {
            Ok(()) => {
                let joining = Joining { after: Seq::ZERO, ..joining };
                // An actor that ended drops the reply, which whoever asks takes for a crash.
                let _ = actor.cast(ConversationMessage::Subscribe(joining));
            }
            Err(refusal) => {
                // Whoever asked may be gone; the answer is only for him.
                let _ = joining.reply.send(Err(refusal));
            }
        }
    });
}

/// Refuses when this claim is the log's no longer; the actor hears of it first.
async fn check(
    log: &dyn EventLog,
    claim: &Claim,
    actor: &ActorRef<ConversationMessage>,
) -> Result<(), Refusal> {
    match log.peek(claim.key).await {
        Ok(Some(peek)) if peek.epoch == claim.epoch => Ok(()),
        Ok(_) => {
            // An actor that ended knows it already.
            let _ = actor.cast(ConversationMessage::Overtaken);
            Err(Refusal::Moved)
        }
        Err(error) => Err(Refusal::Error(error.into())),
    }
}
