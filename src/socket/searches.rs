//! Searches for the owners of conversations that lost theirs.

use std::sync::Arc;

use cluster::{ExecuteError, Subscription};
use domain::{ConversationId, Principal};
use tokio::task::JoinSet;

/// The searches under way.
pub(super) type Searches = JoinSet<Found>;

/// What a search came to.
pub(super) struct Found {
    pub(super) conversation: ConversationId,
    /// The person that was subscribed: the caller as of then.
    pub(super) who: Arc<Principal>,
    /// The new owner knows that the agent has the conversation open.
    pub(super) viewing: bool,
    pub(super) subscription: Result<Subscription, ExecuteError>,
}
