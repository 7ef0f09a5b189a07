//! One append beside the actor, whose outcome always comes back to it: if the task dies, as unknown.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use ractor::ActorRef;
use store::{Append, ConversationKey, Group};
use tokio::task::unconstrained;
use tokio::time::Instant;

use super::draft::DraftedGroup;
use crate::mail::{Appended, ConversationMessage};
use crate::runtime::Context;

/// Reports when it is dropped, so that no way out of the task is silent.
struct Report {
    actor: ActorRef<ConversationMessage>,
    appended: Option<Appended>,
}

impl Drop for Report {
    fn drop(&mut self) {
        if let Some(appended) = self.appended.take() {
            // An actor that is gone has dropped its state; its waiters know.
            let _ = self.actor.cast(ConversationMessage::Appended(Box::new(appended)));
        }
    }
}

/// The append is on its way when this returns: an actor that takes this one's place waits for it.
pub(super) fn begin(
    node: &Context,
    key: ConversationKey,
    group: DraftedGroup,
    actor: ActorRef<ConversationMessage>,
) {
    let (lanes, generation) = (Arc::clone(&node.lanes), node.generation);
    let mut appending = Box::pin(async move {
        let DraftedGroup { before, events, head } = group;
        let appended = Appended { events, head, outcome: Ok(Append::Unknown), took: Duration::ZERO };
        let mut report = Report { actor, appended: Some(appended) };
        let Some(appended) = report.appended.as_mut() else { return };
        let begun = Instant::now();
        let (events, head) = (&appended.events, &appended.head);
        let group = Group { key, generation, before: Some(&before), events, head };
        appended.outcome = lanes.append(group).await;
        appended.took = begun.elapsed();
    });
    // `Lanes::settled` knows of an append from its first poll on; a task of its own polls it at some later time.
    if unconstrained(appending.as_mut()).now_or_never().is_none() {
        tokio::spawn(appending);
    }
}
