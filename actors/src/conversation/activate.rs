//! How a conversation comes to life: claimed, then its log folded; or made, with its first events.

use std::sync::Arc;

use domain::{Conversation, Event, Head, Rejection, Request, Seq, Side, State};
use ractor::Actor;
use store::{Claim, ClaimError, ConversationKey, Created, PAGE_MAX, StoreError};

use super::actor::{ConversationActor, Loaded};
use crate::mail::{Activity, ConversationHandle};
use crate::runtime::{Context, LastTold, Stats};
use crate::words::{ExecuteError, Joined, Notice, Outcome, TeamKey};

/// How often a create whose outcome is unknown is asked again before the caller is told.
const CREATES_MAX: usize = 3;

/// Claims the log and reads it. The claim comes first: what is read after it is all that earlier owners will ever have
/// written.
///
/// # Errors
/// [`Rejection::NotFound`] when there is no such log; otherwise nothing was done, and the caller may ask again.
pub(crate) async fn activate(
    node: &Arc<Context>,
    key: ConversationKey,
) -> Result<ConversationHandle, ExecuteError> {
    // A look that writes nothing, so that guessing ids costs no write.
    if node.store.log.peek(key).await?.is_none() {
        return Err(Rejection::NotFound.into());
    }
    let claim = node.store.log.claim(key, &node.owner, None).await.map_err(|error| match error {
        ClaimError::Missing => Rejection::NotFound.into(),
        // Nothing was asked of the log yet, so trying again is safe.
        ClaimError::Lost => ExecuteError::Overloaded,
        ClaimError::Store(error) => error.into(),
    })?;
    let told = node.unsettled.get(&key);
    let (mut conversation, events) = fold(node, key, told.map(|told| told.last_seq)).await?;
    // What an earlier owner left undone: it may have died right after an append.
    node.store.heads.restore(&claim, conversation.head()).await?;
    if let Some(head) = node.store.heads.get(key).await? {
        conversation.mark(Side::Visitor, head.read.visitor);
        conversation.mark(Side::Agent, head.read.agent);
    }
    if told.is_none() {
        notify_if_queued(node, key, conversation.head());
    }
    spawn(node, claim, conversation, told.map(|told| (told, events))).await
}

/// Perhaps its router has not heard of it yet.
fn notify_if_queued(node: &Context, key: ConversationKey, head: &Head) {
    if head.state == State::Queued {
        let team = TeamKey { workspace: key.workspace, team: head.team };
        let joined = Box::new(Joined::of(key.conversation, head, None));
        node.outbox.put(Notice::Joined { team, joined });
    }
}

/// The conversation as its log says, and the events after `told`; none: no events.
async fn fold(
    node: &Context,
    key: ConversationKey,
    told: Option<Seq>,
) -> Result<(Conversation, Vec<Event>), ExecuteError> {
    let mut folded: Option<Conversation> = None;
    let mut rest = Vec::new();
    loop {
        let after = folded.as_ref().map_or(Seq::ZERO, |conversation| conversation.head().last_seq);
        let page = node.store.log.read(key, after, PAGE_MAX).await?;
        let full = page.len() == PAGE_MAX;
        for event in page {
            match &mut folded {
                Some(conversation) => conversation.apply(&event),
                None => folded = Conversation::begin(&event),
            }
            if told.is_some_and(|told| event.seq > told) {
                rest.push(event);
            }
        }
        if !full {
            let nameless = || StoreError::Corrupt(format!("the log of {} does not begin", key.conversation));
            return Ok((folded.ok_or_else(nameless)?, rest));
        }
    }
}

/// Makes the conversation that `request` starts. None: there is one already, which has to answer.
///
/// # Errors
/// [`ExecuteError::Unknown`] when the store's answers stayed away; the same request again tells.
pub(crate) async fn create(
    node: &Arc<Context>,
    key: ConversationKey,
    request: &Request,
) -> Result<Option<(ConversationHandle, Outcome)>, ExecuteError> {
    let events = Conversation::start(request, node.clock.now()).ok_or(Rejection::NotFound)?;
    let conversation = Conversation::replay(&events).ok_or(Rejection::NotFound)?;
    for _ in 0..CREATES_MAX {
        match node.store.log.create(key, &node.owner, &events, conversation.head()).await? {
            Created::New(claim) => {
                let outcome = Outcome {
                    answer: conversation.start_answer(),
                    head: Some(Arc::new(conversation.head().clone())),
                };
                Stats::add(&node.stats.events, events.len() as u64);
                let head = Arc::new(conversation.head().clone());
                node.watchers.changed(key, (head.team, None), &head);
                notify_if_queued(node, key, &head);
                return Ok(Some((spawn(node, claim, conversation, None).await?, outcome)));
            }
            Created::Exists => return Ok(None),
            Created::Unknown => {}
        }
    }
    Err(ExecuteError::Unknown)
}

async fn spawn(
    node: &Arc<Context>,
    claim: Claim,
    conversation: Conversation,
    unsettled: Option<(LastTold, Vec<Event>)>,
) -> Result<ConversationHandle, ExecuteError> {
    let activity = Arc::new(Activity::default());
    activity.used_ms.store(node.uptime_ms(), std::sync::atomic::Ordering::Relaxed);
    let loaded =
        Loaded { node: Arc::clone(node), claim, conversation, activity: Arc::clone(&activity), unsettled };
    let supervisor = node.supervisor.get_cell();
    let (actor, _) = ConversationActor::spawn_linked(None, ConversationActor, loaded, supervisor)
        .await
        .map_err(|error| {
            tracing::warn!(%error, "a conversation was not started");
            ExecuteError::Overloaded
        })?;
    Stats::add(&node.stats.activations, 1);
    Ok(ConversationHandle::new(actor, node.settings.mailbox_places, activity))
}
