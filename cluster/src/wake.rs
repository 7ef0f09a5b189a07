//! Reads the live index: it finds after a crash what nobody would wake otherwise, and ends what is idle.

use std::collections::HashMap;
use std::time::Duration;

use actors::{ExecuteError, Node, TeamKey, WeakNode};
use domain::{Command, Principal, Reason, Rejection, Request, Team, TeamId, WorkspaceId};
use store::{LiveRow, StoreError};
use tokio::time::{Instant, MissedTickBehavior};

/// How often the live index is read; first right after the start, since what the last boot left must not wait.
const EVERY: Duration = Duration::from_secs(30);
/// Live conversations read at once.
const PAGE: usize = 500;
const MINUTE_MS: u64 = 60_000;

/// Reads it again and again until the node ends.
pub(crate) async fn run(node: WeakNode) {
    let mut interval = tokio::time::interval(EVERY);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        let Some(node) = node.upgrade().filter(|node| !node.is_over()) else { return };
        if let Err(error) = sweep(&node).await {
            tracing::warn!(%error, "the live index was not swept");
        }
    }
}

/// Reads the live index once: wakes the routers of those who wait and the actors of those who hold, who may be of an
/// earlier boot; and ends what is idle.
async fn sweep(node: &Node) -> Result<(), StoreError> {
    let begun = Instant::now();
    let mut idle_end: HashMap<TeamKey, Option<u64>> = HashMap::new();
    let (mut count, mut after) = (0, None);
    loop {
        let page = node.store().heads.live(after, PAGE).await?;
        after = page.last().map(|row| row.key);
        let full = page.len() == PAGE;
        count += page.len();
        for row in &page {
            wake(node, row).await;
            let team = TeamKey { workspace: row.key.workspace, team: row.team };
            let idle_end_ms = match idle_end.get(&team) {
                Some(known) => *known,
                None => {
                    let read = idle_end_ms(node, team.workspace, team.team).await?;
                    idle_end.insert(team, read);
                    read
                }
            };
            let silent_ms = node.clock().now().ms_since(row.last_event_at);
            if idle_end_ms.is_some_and(|max| silent_ms >= max) {
                end_idle(node, row).await?;
            }
        }
        if !full {
            node.swept(count, begun.elapsed());
            return Ok(());
        }
    }
}

async fn wake(node: &Node, row: &LiveRow) {
    match node.wake(row).await {
        Ok(()) => {}
        // An agent who was removed holds what they held until somebody takes it over.
        Err(ExecuteError::Rejected(rejection)) => {
            tracing::debug!(conversation = %row.key.conversation, %rejection, "no actor was woken");
        }
        Err(error) => tracing::warn!(conversation = %row.key.conversation, %error, "no actor was woken"),
    }
}

async fn idle_end_ms(node: &Node, workspace: WorkspaceId, team: TeamId) -> Result<Option<u64>, StoreError> {
    let team = store::get::<Team>(&*node.store().records, workspace, &team.to_string()).await?;
    Ok(team.map(|team| u64::from(team.document.idle_end_min) * MINUTE_MS))
}

/// Ends a conversation in which nothing was said for long, unless its visitor is there.
async fn end_idle(node: &Node, row: &LiveRow) -> Result<(), StoreError> {
    let heads = &node.store().heads;
    let Some(head) = heads.get(row.key).await? else {
        return match node.generation() {
            Some(generation) => heads.remove_ghost(row.key, generation).await,
            None => Ok(()),
        };
    };
    if node.visitor_is_there(row.key.workspace, head.visitor.id) {
        return Ok(());
    }
    let reason = Reason::parse("idle").expect("a short word");
    let command = Command::EndIdle { last_seq: head.last_seq, reason };
    let request = Request { by: Principal::System, client_id: None, command };
    match node.execute(row.key, request).await {
        Ok(_) => tracing::debug!(conversation = %row.key.conversation, "ended, since it was idle"),
        Err(ExecuteError::Rejected(Rejection::Conflict(_) | Rejection::ConversationEnded)) => {}
        // The next sweep tries again.
        Err(error) => tracing::warn!(conversation = %row.key.conversation, %error, "not ended yet"),
    }
    Ok(())
}
