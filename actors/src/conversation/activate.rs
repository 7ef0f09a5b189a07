//! How a conversation comes into memory: by reads alone.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use domain::{Conversation, Event, Head, Rejection, Seq, Side, State};
use futures_util::future::try_join;
use ractor::Actor;
use store::{ConversationKey, PAGE_MAX, StoreError};

use super::actor::{ConversationActor, Loaded};
use crate::mail::{Activity, ConversationHandle};
use crate::runtime::{Context, Stats};
use crate::words::{ExecuteError, Joined, Notice, TeamKey};

/// Waits for appends that are on their way, then reads the log and the read marks, and starts the actor.
///
/// # Errors
/// [`Rejection::NotFound`] when the log has no event; otherwise nothing was done, and the caller may ask again.
pub(crate) async fn activate(
    node: &Arc<Context>,
    key: ConversationKey,
) -> Result<ConversationHandle, ExecuteError> {
    node.may_start()?;
    node.lanes.settled(key).await;
    let first = node.store.log.read(key, Seq::ZERO, PAGE_MAX);
    let (first, head) = try_join(first, node.store.heads.get(key)).await?;
    let mut conversation = fold(node, key, first).await?;
    if let Some(Head { read, .. }) = head {
        conversation.mark(Side::Visitor, read.visitor);
        conversation.mark(Side::Agent, read.agent);
    }
    notify_if_queued(node, key, conversation.head());
    start(node, key, conversation).await
}

/// Perhaps its router was not notified of it yet.
pub(super) fn notify_if_queued(node: &Context, key: ConversationKey, head: &Head) {
    if head.state == State::Queued {
        let team = TeamKey { workspace: key.workspace, team: head.team };
        let joined = Box::new(Joined::of(key.conversation, head, None));
        node.outbox.put(Notice::Joined { team, joined });
    }
}

/// The conversation as its log says, of which `page` is the first one.
async fn fold(
    node: &Context,
    key: ConversationKey,
    mut page: Vec<Event>,
) -> Result<Conversation, ExecuteError> {
    let first = page.first().ok_or(Rejection::NotFound)?;
    let nameless = || StoreError::Corrupt(format!("the log of {} does not begin", key.conversation));
    let mut conversation = Conversation::begin(first).ok_or_else(nameless)?;
    let mut begun = 1;
    loop {
        page.iter().skip(begun).for_each(|event| conversation.apply(event));
        if page.len() < PAGE_MAX {
            return Ok(conversation);
        }
        begun = 0;
        page = node.store.log.read(key, conversation.head().last_seq, PAGE_MAX).await?;
    }
}

/// Starts the actor of a conversation that is as its log says.
pub(super) async fn start(
    node: &Arc<Context>,
    key: ConversationKey,
    conversation: Conversation,
) -> Result<ConversationHandle, ExecuteError> {
    let activity = Arc::new(Activity::default());
    activity.used_ms.store(node.uptime_ms(), Ordering::Relaxed);
    let loaded = Loaded { node: Arc::clone(node), key, conversation, activity: Arc::clone(&activity) };
    let supervisor = node.supervisor.get_cell();
    let (actor, _) = ConversationActor::spawn_linked(None, ConversationActor, loaded, supervisor)
        .await
        .map_err(|error| ExecuteError::not_started(&error))?;
    Stats::add(&node.stats.activations, 1);
    Ok(ConversationHandle::new(actor, node.settings.mailbox_places, activity))
}
