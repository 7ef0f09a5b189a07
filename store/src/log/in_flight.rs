//! Which conversations have an append on its way.

use std::sync::Arc;

use dashmap::DashMap;
use tokio::sync::{Mutex, OwnedMutexGuard};

use crate::ConversationKey;

type Turns = DashMap<ConversationKey, Arc<Mutex<()>>>;

/// One append of each conversation at most; a second one waits.
#[derive(Debug, Default)]
pub(crate) struct InFlight(Arc<Turns>);

/// Kept by what carries the append out, until its outcome is known.
#[derive(Debug)]
pub(crate) struct OnItsWay {
    key: ConversationKey,
    turns: Arc<Turns>,
    /// Taken only when this is dropped.
    turn: Option<OwnedMutexGuard<()>>,
}

impl InFlight {
    /// Waits until nothing of the conversation is on its way; then this is.
    pub(crate) async fn begin(&self, key: ConversationKey) -> OnItsWay {
        let turn = Arc::clone(&self.0.entry(key).or_default());
        OnItsWay { key, turns: Arc::clone(&self.0), turn: Some(turn.lock_owned().await) }
    }

    /// Waits until nothing of the conversation is on its way.
    pub(crate) async fn settled(&self, key: ConversationKey) {
        drop(self.begin(key).await);
    }
}

impl Drop for OnItsWay {
    fn drop(&mut self) {
        drop(self.turn.take());
        // More than the map's own: somebody waits for it, and takes it out afterwards.
        self.turns.remove_if(&self.key, |_, turn| Arc::strong_count(turn) == 1);
    }
}

#[cfg(test)]
mod tests {
    use domain::{ConversationId, WorkspaceId};
    use futures_util::FutureExt;
    use uuid::Uuid;

    use super::*;

    #[tokio::test]
    async fn one_at_a_time_and_nothing_is_left_behind() {
        let key = ConversationKey {
            workspace: WorkspaceId::from_uuid(Uuid::new_v4()),
            conversation: ConversationId::from_uuid(Uuid::new_v4()),
        };
        let in_flight = InFlight::default();
        let first = in_flight.begin(key).await;
        assert_eq!(in_flight.settled(key).now_or_never(), None);
        drop(first);
        assert_eq!(in_flight.settled(key).now_or_never(), Some(()));
        assert!(in_flight.0.is_empty());
    }
}
