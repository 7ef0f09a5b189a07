//! An agent's status, as the agent's record keeps it.

use domain::{Agent, Rejection, Status};
use store::RecordError;

use crate::runtime::Context;
use crate::words::{AgentKey, ExecuteError};

/// Keeps what the agent wants to be taken for; of two writers the last wins.
///
/// # Errors
/// [`ExecuteError::Unknown`]: it may have been written; the same again is safe.
pub(crate) async fn write_status(node: &Context, key: AgentKey, status: Status) -> Result<(), ExecuteError> {
    let (records, id, now) = (&*node.store.records, key.agent.to_string(), node.clock.now());
    let set = |agent: &mut Agent| std::mem::replace(&mut agent.status, status) != status;
    match store::change(records, key.workspace, &id, now, set).await {
        Ok(Some(_)) => Ok(()),
        Ok(None) => Err(Rejection::NotFound.into()),
        Err(RecordError::Store(error)) => Err(error.into()),
        // The same again is what the agent wants, so the caller may ask again.
        Err(RecordError::Unknown | RecordError::Changed) => Err(ExecuteError::Unknown),
        Err(RecordError::Taken(key)) => {
            Err(store::StoreError::Corrupt(format!("{key} is taken from its owner")).into())
        }
    }
}
