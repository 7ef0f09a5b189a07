//! One append, in a task of its own, whose outcome always comes back to the actor: if the task dies, as unknown.

use std::sync::Arc;
use std::time::Duration;

use ractor::ActorRef;
use store::{Append, Claim, Store};
use tokio::time::Instant;

use super::draft::Group;
use crate::mail::{Appended, ConversationMessage};

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

pub(super) fn spawn(store: &Store, claim: Arc<Claim>, group: Group, actor: ActorRef<ConversationMessage>) {
    let log = Arc::clone(&store.log);
    tokio::spawn(async move {
        let Group { tail, events, head } = group;
        let appended = Appended { events, head, outcome: Ok(Append::Unknown), took: Duration::ZERO };
        let mut report = Report { actor, appended: Some(appended) };
        let Some(appended) = report.appended.as_mut() else { return };
        let started = Instant::now();
        appended.outcome = log.append(&claim, tail, &appended.events, &appended.head).await;
        appended.took = started.elapsed();
    });
}
