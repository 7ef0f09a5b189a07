//! One coarse tick for the whole node, instead of a timer in each actor; and the sweep, which finds what nobody told of.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use domain::{Command, Principal, Reason, Rejection, Request, State, Team, TeamId, WorkspaceId};
use store::{LiveRow, StoreError};
use tokio::time::{Instant, MissedTickBehavior};

use super::{Node, Shared};
use crate::agent::AgentMessage;
use crate::conversation::ConversationMessage;
use crate::team::{TeamKey, TeamMessage};
use crate::{AgentKey, ExecuteError};

/// How exact timers are.
const TICK: Duration = Duration::from_millis(250);
/// How often the node looks for what is idle.
const IDLE_TICKS: u64 = 4;
/// How often agents and routers compare what they know with the store.
const SWEEP_TICKS: u64 = 120;
/// How often the live index is read, at first: what the last boot left must not wait for long.
const FIRST_SWEEP_TICKS: u64 = 1;
/// Live conversations read at once.
const PAGE: usize = 500;
const MINUTE_MS: u64 = 60_000;

pub(super) async fn run(shared: Weak<Shared>) {
    let mut interval = tokio::time::interval(TICK);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut ticks: u64 = 0;
    loop {
        interval.tick().await;
        let Some(shared) = shared.upgrade() else { return };
        ticks += 1;
        // What an actor that ended is not told, it finds when it starts again.
        for (_, handle) in shared.teams.living() {
            let _ = handle.actor.cast(TeamMessage::Tick);
        }
        for (_, handle) in shared.agents.living() {
            if handle.presence.moved(shared.uptime_ms(), shared.settings.agent_grace) {
                let _ = handle.actor.cast(AgentMessage::PresenceMoved);
            }
        }
        if ticks.is_multiple_of(IDLE_TICKS) {
            passivate_idle(&shared);
            revive_routers(&shared).await;
            shared.crashes.sweep();
        }
        if ticks.is_multiple_of(SWEEP_TICKS) || ticks == FIRST_SWEEP_TICKS {
            shared.visitors.sweep(shared.uptime_ms());
            for (_, handle) in shared.agents.living() {
                let _ = handle.actor.cast(AgentMessage::Sweep);
            }
            for (_, handle) in shared.teams.living() {
                // Its records too: a command beside this server may have changed them.
                let _ = handle.actor.cast(TeamMessage::Reload);
                let _ = handle.actor.cast(TeamMessage::Sweep);
            }
            let node = Node { shared };
            tokio::spawn(async move {
                if let Err(error) = node.sweep().await {
                    tracing::warn!(%error, "the live index was not swept");
                }
            });
        }
    }
}

fn passivate_idle(shared: &Shared) {
    let idle_since = shared.uptime_ms().saturating_sub(shared.settings.passivate_after.as_millis() as u64);
    for (_, handle) in shared.conversations.living() {
        let activity = &handle.activity;
        if activity.used_ms.load(Ordering::Relaxed) < idle_since
            && activity.subscribers.load(Ordering::Relaxed) == 0
        {
            // An actor that ended has left already.
            let _ = handle.actor.cast(ConversationMessage::Passivate { only_idle: true });
        }
    }
    shared.conversations.sweep();
    shared.agents.sweep();
}

/// A router that crashed is missed by nobody who asks: those who wait only wait.
async fn revive_routers(shared: &Arc<Shared>) {
    for (key, handle) in shared.teams.living() {
        if !crate::registry::Handle::lives(&handle)
            && let Err(error) = Node::of(shared).team_handle(key).await
        {
            tracing::warn!(team = %key.team, %error, "a router was not started again");
        }
    }
}

impl Node {
    /// Reads the live index once: wakes the routers of those who wait and the actors of those who hold, who may be of an
    /// earlier boot; and ends what is idle. Says how many conversations are open.
    pub async fn sweep(&self) -> Result<usize, StoreError> {
        let begun = Instant::now();
        let mut idle_end: HashMap<TeamKey, Option<u64>> = HashMap::new();
        let (mut count, mut after) = (0, None);
        loop {
            let page = self.shared.store.heads.live(after, PAGE).await?;
            after = page.last().map(|row| row.key);
            let full = page.len() == PAGE;
            count += page.len();
            for row in &page {
                self.wake(row).await;
                let team = TeamKey { workspace: row.key.workspace, team: row.team };
                let idle_end_ms = match idle_end.get(&team) {
                    Some(known) => *known,
                    None => {
                        let read = self.idle_end_ms(team.workspace, team.team).await?;
                        idle_end.insert(team, read);
                        read
                    }
                };
                let silent_ms = self.shared.clock.now().ms_since(row.last_event_at);
                if idle_end_ms.is_some_and(|max| silent_ms >= max) {
                    self.end_idle(row).await?;
                }
            }
            if !full {
                self.shared.stats.swept(count, begun.elapsed());
                return Ok(count);
            }
        }
    }

    async fn wake(&self, row: &LiveRow) {
        let workspace = row.key.workspace;
        let woken = match (row.state, row.assignee) {
            (State::Queued, _) => {
                let team = TeamKey { workspace, team: row.team };
                self.team_handle(team).await.map(drop)
            }
            (State::Assigned, Some(agent)) => {
                self.agent_handle(AgentKey { workspace, agent }).await.map(drop)
            }
            (State::Assigned | State::Bot | State::Ended, _) => Ok(()),
        };
        match woken {
            Ok(()) => {}
            // An agent who was removed holds what he held until somebody takes it over.
            Err(ExecuteError::Rejected(rejection)) => {
                tracing::debug!(conversation = %row.key.conversation, %rejection, "nobody was woken");
            }
            Err(error) => tracing::warn!(conversation = %row.key.conversation, %error, "nobody was woken"),
        }
    }

    async fn idle_end_ms(&self, workspace: WorkspaceId, team: TeamId) -> Result<Option<u64>, StoreError> {
        let team = store::get::<Team>(&*self.shared.store.records, workspace, &team.to_string()).await?;
        Ok(team.map(|team| u64::from(team.document.idle_end_min) * MINUTE_MS))
    }

    /// Ends a conversation in which nothing was said for long, unless its visitor is there.
    async fn end_idle(&self, row: &LiveRow) -> Result<(), StoreError> {
        let Some(head) = self.shared.store.heads.get(row.key).await? else {
            return self.shared.store.heads.remove_ghost(row.key).await;
        };
        if self.shared.visitors.is_there(row.key.workspace, head.visitor.id, self.shared.uptime_ms()) {
            return Ok(());
        }
        let reason = Reason::parse("idle").expect("a short word");
        let command = Command::EndIdle { last_seq: head.last_seq, reason };
        let request = Request { by: Principal::System, client_id: None, command };
        match self.execute(row.key, request).await {
            Ok(_) => tracing::debug!(conversation = %row.key.conversation, "ended, for it was idle"),
            Err(ExecuteError::Rejected(Rejection::Conflict(_) | Rejection::ConversationEnded)) => {}
            // The next sweep tries again.
            Err(error) => tracing::warn!(conversation = %row.key.conversation, %error, "not ended yet"),
        }
        Ok(())
    }
}
