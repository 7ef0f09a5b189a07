//! Answers that rest on no append: a refusal, that there is nothing to change, or the place from which a listener is pushed
//! everything. A node whose lanes were sealed may not know it, and without an append no fence stops it; so it confirms that
//! they are open before it answers.

use std::sync::Arc;

use domain::Seq;
use ractor::ActorRef;
use store::Lanes;

use super::draft::Waiter;
use crate::mail::{Asked, ConversationMessage, Refusal};
use crate::runtime::Context;
use crate::words::{ExecuteError, Subscribe};

/// Answers `waiter` if this node's lanes are open; otherwise [`ExecuteError::Moved`].
pub(super) fn answer_if_open(node: &Context, waiter: Waiter) {
    let lanes = Arc::clone(&node.lanes);
    tokio::spawn(async move {
        match confirm(&*lanes).await {
            Ok(()) => waiter.answer(),
            Err(error) => waiter.refuse(Refusal::Error(error)),
        }
    });
}

/// Subscribes a caller whose position is ahead of ours, if this node's lanes are open; otherwise [`ExecuteError::Moved`].
pub(super) fn subscribe_if_open(
    node: &Context,
    mut asked: Asked<Subscribe>,
    actor: ActorRef<ConversationMessage>,
) {
    let lanes = Arc::clone(&node.lanes);
    tokio::spawn(async move {
        match confirm(&*lanes).await {
            Ok(()) => {
                asked.ask.after = Seq::ZERO;
                // An actor that ended drops the reply, which the caller takes for a crash.
                let _ = actor.cast(ConversationMessage::Subscribe(asked));
            }
            // The caller may be gone; the answer is for nobody else.
            Err(error) => drop(asked.answer(Err(Refusal::Error(error)))),
        }
    });
}

async fn confirm(lanes: &dyn Lanes) -> Result<(), ExecuteError> {
    if lanes.confirm().await? { Ok(()) } else { Err(ExecuteError::Moved) }
}
