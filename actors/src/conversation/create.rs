//! How a conversation is made: with its first events.

use std::sync::Arc;

use domain::{Conversation, Rejection, Request, Seq};
use store::{Append, ConversationKey, Group};

use super::activate::{activate, notify_if_queued, start};
use crate::mail::ConversationHandle;
use crate::runtime::{Context, Stats};
use crate::words::{ExecuteError, Outcome};

/// Makes the conversation that `request` starts. No outcome: there is one already, which has to answer.
///
/// # Errors
/// [`ExecuteError::Unknown`] when it may have been made; the same request again tells. The others: nothing was written.
pub(crate) async fn create(
    node: &Arc<Context>,
    key: ConversationKey,
    request: &Request,
) -> Result<(ConversationHandle, Option<Outcome>), ExecuteError> {
    let generation = node.may_start()?;
    node.lanes.settled(key).await;
    if !node.store.log.read(key, Seq::ZERO, 1).await?.is_empty() {
        return Ok((activate(node, key).await?, None));
    }
    let events = Conversation::start(request, node.clock.now()).ok_or(Rejection::NotFound)?;
    let conversation = Conversation::replay(&events).ok_or(Rejection::NotFound)?;
    let head = Arc::new(conversation.head().clone());
    let group = Group { key, generation, before: None, events: &events, head: &head };
    match node.lanes.append(group).await? {
        Append::Applied => {}
        Append::Fenced => return Err(ExecuteError::Moved),
        Append::Unknown => return Err(ExecuteError::Unknown),
    }
    Stats::add(&node.stats.events, events.len() as u64);
    node.hub.lists.changed(key, (head.team, None), &head);
    notify_if_queued(node, key, &head);
    let outcome = Outcome { answer: conversation.start_answer(), head: Some(head) };
    Ok((start(node, key, conversation).await?, Some(outcome)))
}
