//! An agent's will, as his record keeps it.

use std::sync::Arc;

use domain::{Agent, Rejection, Status};
use store::RecordError;

use super::AgentKey;
use crate::ExecuteError;
use crate::node::Shared;

/// Keeps what the agent wants to be taken for; of two who set it the last wins.
pub(crate) async fn write_status(node: &Shared, key: AgentKey, status: Status) -> Result<(), ExecuteError> {
    let (records, id, now) = (&*node.store.records, key.agent.to_string(), node.clock.now());
    let set = |agent: &mut Agent| std::mem::replace(&mut agent.status, status) != status;
    match store::change(records, key.workspace, &id, now, set).await {
        Ok(Some(_)) => Ok(()),
        Ok(None) => Err(Rejection::NotFound.into()),
        Err(RecordError::Store(error)) => Err(error.into()),
        // The same again is what he wants, so who asks may ask again.
        Err(RecordError::Unknown | RecordError::Changed) => Err(ExecuteError::Unknown),
        Err(RecordError::Taken(key)) => {
            Err(store::StoreError::Corrupt(format!("{key} is taken from its owner")).into())
        }
    }
}

/// Keeps that he does not answer; his actor knows it already.
pub(super) fn keep_away(node: &Arc<Shared>, key: AgentKey) {
    let node = Arc::clone(node);
    tokio::spawn(async move {
        if let Err(error) = write_status(&node, key, Status::Away).await {
            tracing::warn!(agent = %key.agent, %error, "he did not answer, and is online again after a restart");
        }
    });
}
