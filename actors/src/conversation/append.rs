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
    let (lanes, generation) = (Arc::clone(&node.lanes), node.generation());
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

#[cfg(test)]
mod tests {
    use domain::{Conversation, Seq, Timestamp};
    use ractor::{Actor, ActorProcessingErr};
    use store::faulty::FaultyLog;
    use store::memory::{MemoryRecords, MemoryStore};
    use store::{Clock, EventLog, Generation, Incarnation, Store};
    use uuid::Uuid;

    use super::*;
    use crate::conversation::draft::Draft;
    use crate::conversation::tests::{key, post, start_request};
    use crate::runtime::{self, Authority, Custody, Settings};

    /// Takes what came of an append, and does nothing with it.
    struct Sink;

    impl Actor for Sink {
        type Msg = ConversationMessage;
        type State = ();
        type Arguments = ();

        async fn pre_start(&self, _: ActorRef<Self::Msg>, (): ()) -> Result<(), ActorProcessingErr> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn an_append_is_on_its_way_before_its_task_has_run() {
        let memory = Arc::new(MemoryStore::default());
        let log = FaultyLog::scripted(memory.clone());
        let lanes = log.open(Incarnation(Uuid::nil())).await.unwrap();
        let now = Timestamp::from_ms(1);
        let started = Conversation::start(&start_request(), now).unwrap();
        let conversation = Conversation::replay(&started).unwrap();
        let (generation, head) = (Generation(1), conversation.head());
        let group = Group { key: key(), generation, before: None, events: &started, head };
        assert_eq!(lanes.append(group).await.unwrap(), Append::Applied);

        let store = Store {
            log: Arc::new(log.clone()),
            heads: memory.clone(),
            records: Arc::new(MemoryRecords::default()),
            series: memory.clone(),
        };
        let authority = Authority { lanes: Arc::clone(&lanes), custody: Custody::since(generation) };
        let (node, _notices) =
            runtime::start(store, Clock::by_hand(now), authority, Settings::default()).await.unwrap();
        let (sink, _) = Sink::spawn(None, Sink, ()).await.unwrap();
        let mut draft = Draft::new(conversation);
        draft.stage(draft.conversation().decide(&post("m", "hello"), now).unwrap().events);
        let held = log.hold();
        begin(&node, key(), draft.take_group().unwrap(), sink);
        assert_eq!(lanes.settled(key()).now_or_never(), None);
        held.release();
        lanes.settled(key()).await;
        assert_eq!(memory.read(key(), Seq(1), 9).await.unwrap().len(), 1);
    }
}
