//! Conversations whose owner gave up without knowing what became of his last append. What was written, others were not
//! told; the next owner reads it and tells them. Nobody may ever ask for him, so he is started as soon as the store
//! answers.

use std::sync::{Arc, Weak};
use std::time::Duration;

use dashmap::DashMap;
use futures_util::stream::{StreamExt, TryStreamExt, iter};
use store::{ConversationKey, StoreError};

use crate::ExecuteError;
use crate::conversation::Told;
use crate::node::{Node, Shared};

/// How often it is looked whether the store answers.
const LOOK: Duration = Duration::from_secs(1);
/// How many are started at once: everybody else comes back at the same time.
const AT_ONCE: usize = 16;

/// One for each conversation at most.
#[derive(Default)]
pub(crate) struct Untold {
    told: DashMap<ConversationKey, Told>,
}

impl Untold {
    pub(crate) fn put(&self, key: ConversationKey, told: Told) {
        self.told.insert(key, told);
    }

    pub(crate) fn get(&self, key: &ConversationKey) -> Option<Told> {
        self.told.get(key).map(|told| *told)
    }

    pub(crate) fn forget(&self, key: &ConversationKey) {
        self.told.remove(key);
    }

    fn keys(&self) -> Vec<ConversationKey> {
        self.told.iter().map(|entry| *entry.key()).collect()
    }
}

/// Until the node ends.
pub(crate) async fn run(shared: Weak<Shared>) {
    loop {
        tokio::time::sleep(LOOK).await;
        let Some(shared) = shared.upgrade() else { return };
        let starts = iter(shared.untold.keys()).map(|key| start(&shared, key));
        // The first that the store does not answer ends this round.
        if let Err(error) = starts.buffer_unordered(AT_ONCE).try_collect::<()>().await {
            tracing::debug!(%error, "what became of some appends is not known yet");
        }
    }
}

async fn start(shared: &Arc<Shared>, key: ConversationKey) -> Result<(), StoreError> {
    match Node::of(shared).conversation(key).await {
        Ok(_) => {}
        Err(ExecuteError::Store(error)) => return Err(error),
        // Another node has it, and tells its own; the sweeps find the rest.
        Err(error) => tracing::debug!(conversation = %key.conversation, %error, "not started"),
    }
    shared.untold.forget(&key);
    Ok(())
}

#[cfg(test)]
mod tests;
