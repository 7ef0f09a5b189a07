//! Answers that rest on no append: a refusal, that there is nothing to change, or the place from which a listener is pushed
//! everything. An owner whose claim was superseded may not know it, and without an append no fence stops it; so it confirms
//! its claim before it answers.

use std::sync::Arc;

use domain::Seq;
use ractor::ActorRef;
use store::{Claim, EventLog, Store};

use super::draft::Waiter;
use crate::mail::{Asked, ConversationMessage, Refusal, Subscribe};

/// Answers `waiter` if this claim is still the log's; otherwise `Moved`.
pub(super) fn answer_if_owner(
    store: &Store,
    claim: Arc<Claim>,
    waiter: Waiter,
    actor: ActorRef<ConversationMessage>,
) {
    let log = Arc::clone(&store.log);
    tokio::spawn(async move {
        match confirm(&*log, &claim, &actor).await {
            Ok(()) => waiter.answer(),
            Err(refusal) => waiter.refuse(refusal),
        }
    });
}

/// Subscribes a caller whose position is ahead of ours, if this claim is still the log's; otherwise answers `Moved`.
pub(super) fn subscribe_if_owner(
    store: &Store,
    claim: Arc<Claim>,
    mut asked: Asked<Subscribe>,
    actor: ActorRef<ConversationMessage>,
) {
    let log = Arc::clone(&store.log);
    tokio::spawn(async move {
        match confirm(&*log, &claim, &actor).await {
            Ok(()) => {
                asked.ask.after = Seq::ZERO;
                // An actor that ended drops the reply, which the caller takes for a crash.
                let _ = actor.cast(ConversationMessage::Subscribe(asked));
            }
            // The caller may be gone; the answer is for nobody else.
            Err(refusal) => drop(asked.answer(Err(refusal))),
        }
    });
}

/// Refuses when this claim is the log's no longer; the actor hears of it first.
async fn confirm(
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
