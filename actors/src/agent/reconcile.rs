//! What an agent's actor reads: what the agent holds and which teams they are in. A notice may have been lost; what the store
//! says stands, for all that did not move while it was asked.

use std::sync::Arc;
use std::time::Duration;

use domain::{ConversationId, ReleaseReason, Team, TeamId};
use ractor::ActorRef;
use store::{HeadFilter, HeadView, StoreError};
use tokio::time::Instant;

use super::live::LiveAgent;
use crate::mail::AgentMessage;
use crate::runtime::Context;
use crate::words::AgentKey;

/// After a failure. An actor asks a store that is away no oftener.
const AGAIN: Duration = Duration::from_secs(1);
/// So much a list may be behind ([`store::Heads::list`]).
const LISTS_ARE_BEHIND: Duration = Duration::from_secs(1);
/// An agent without sockets who asked for nothing during this time leaves memory.
const IDLE_FOR: Duration = Duration::from_secs(600);

impl LiveAgent {
    /// After something that failed, once for all that does meanwhile.
    pub(super) fn reconcile_soon(&mut self, myself: &ActorRef<AgentMessage>) {
        if std::mem::replace(&mut self.reconciles_soon, true) {
            return;
        }
        let myself = myself.clone();
        tokio::spawn(async move {
            tokio::time::sleep(AGAIN).await;
            // An actor that ended reconciles no more.
            let _ = myself.cast(AgentMessage::Reconcile);
        });
    }

    /// Reads the heads again, for a notice may have been lost; and leaves memory when nobody needs this actor.
    pub(super) fn reconcile(&mut self, myself: &ActorRef<AgentMessage>) {
        self.reconciles_soon = false;
        let idle = !self.presence.holds_on(self.node.uptime_ms(), IDLE_FOR);
        if idle && self.reservations == 0 && self.load.count() == 0 && self.offers.is_empty() {
            self.node.agents.forget(&self.key, &self.presence);
            // An actor that is ending already cannot be drained again.
            let _ = myself.drain();
            return;
        }
        // A report to a router may have been lost.
        self.report_again(None);
        self.offers.drop_old(self.node.clock.now());
        self.read_teams(myself);
        let asked_at = Instant::now();
        let before: Vec<(ConversationId, u64)> = self.load.held_since().collect();
        let (node, key, myself) = (Arc::clone(&self.node), self.key, myself.clone());
        tokio::spawn(async move {
            match held_by(&node, key).await {
                // An actor that ended compares nothing.
                Ok(listed) => drop(myself.cast(AgentMessage::Held { asked_at, before, listed })),
                Err(error) => {
                    tracing::debug!(agent = %key.agent, %error, "what the agent holds was not read");
                    let _ = myself.cast(AgentMessage::Failed);
                }
            }
        });
    }

    pub(super) fn read_teams(&self, myself: &ActorRef<AgentMessage>) {
        let (node, key, myself) = (Arc::clone(&self.node), self.key, myself.clone());
        tokio::spawn(async move {
            match teams_of(&node, key).await {
                // An actor that ended has no teams.
                Ok(teams) => drop(myself.cast(AgentMessage::Teams(teams))),
                Err(error) => {
                    tracing::debug!(agent = %key.agent, %error, "the agent's teams were not read");
                    let _ = myself.cast(AgentMessage::Failed);
                }
            }
        });
    }

    /// What the agent held before the store was read, at `asked_at`, and the store does not list, is gone; what came since then
    /// stands, and what was lost since then is not held again because it was still listed.
    pub(super) fn compare(
        &mut self,
        asked_at: Instant,
        before: &[(ConversationId, u64)],
        listed: &[(ConversationId, u64)],
    ) {
        self.lost.retain(|(at, ..)| *at + LISTS_ARE_BEHIND >= asked_at);
        for &(conversation, epoch) in before {
            if !listed.iter().any(|(other, _)| *other == conversation) {
                self.load.drop_held(conversation, epoch);
            }
        }
        let gone = self.why_gone();
        for &(conversation, epoch) in listed {
            if self.lost.iter().any(|(_, other, lost)| *other == conversation && *lost >= epoch) {
                continue;
            }
            if !self.load.holds(conversation) && self.hold(conversation, epoch) {
                self.surplus.insert(conversation);
            }
            // Perhaps for the second time: the notice may have been lost.
            let over = self.surplus.contains(&conversation).then_some(ReleaseReason::OverCapacity);
            if let Some(reason) = gone.or(over) {
                self.give_back(conversation, epoch, reason);
            }
        }
        let load = &self.load;
        self.surplus.retain(|conversation| load.holds(*conversation));
    }
}

/// The conversations that name the agent, each with its assignment's epoch, the newest first.
pub(super) async fn held_by(node: &Context, key: AgentKey) -> Result<Vec<(ConversationId, u64)>, StoreError> {
    const PAGE: usize = 200;
    let (view, filter) = (HeadView::HeldBy(key.agent), HeadFilter::default());
    let mut held = Vec::new();
    let mut after = None;
    loop {
        let page = node.store.heads.list(key.workspace, &view, &filter, after, PAGE).await?;
        after = page.last().map(|row| row.position);
        let full = page.len() == PAGE;
        held.extend(page.into_iter().map(|row| (row.conversation, row.head.assignment_epoch)));
        if !full {
            return Ok(held);
        }
    }
}

/// The teams that list the agent.
pub(super) async fn teams_of(node: &Context, key: AgentKey) -> Result<Vec<TeamId>, StoreError> {
    let teams = store::all::<Team>(&*node.store.records, key.workspace).await?;
    let of_agent = teams.into_iter().filter(|team| team.document.agents.contains(&key.agent));
    Ok(of_agent.map(|team| team.document.id).collect())
}
