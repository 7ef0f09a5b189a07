//! What an agent's actor reads: what he holds and which teams he is in. A notice may have been lost; what the store says
//! stands, for all that did not move while it was asked.

use std::sync::Arc;
use std::time::Duration;

use domain::{ConversationId, ReleaseReason, Team, TeamId};
use ractor::ActorRef;
use store::{HeadFilter, HeadView, StoreError};

use super::{AgentKey, AgentMessage, Desk, IDLE_FOR};
use crate::node::Shared;

/// After a failure. An agent who is in memory asks the store no oftener while that is away.
const AGAIN: Duration = Duration::from_secs(1);

impl Desk {
    /// After something that failed, once for all that does meanwhile.
    pub(super) fn sweep_soon(&mut self, myself: &ActorRef<AgentMessage>) {
        if std::mem::replace(&mut self.sweeps_soon, true) {
            return;
        }
        let myself = myself.clone();
        tokio::spawn(async move {
            tokio::time::sleep(AGAIN).await;
            // An actor that ended sweeps no more.
            let _ = myself.cast(AgentMessage::Sweep);
        });
    }

    /// Looks at the heads again, for a notice may have been lost; and leaves memory when nobody needs him.
    pub(super) fn sweep(&mut self, myself: &ActorRef<AgentMessage>) {
        self.sweeps_soon = false;
        let idle = !self.presence.holds_on(self.node.uptime_ms(), IDLE_FOR);
        if idle && self.reservations == 0 && self.load.count() == 0 && self.offers.is_empty() {
            let presence = &self.presence;
            self.node.agents.forget(&self.key, |handle| Arc::ptr_eq(&handle.presence, presence));
            // An actor that is ending already cannot be drained again.
            let _ = myself.drain();
            return;
        }
        // A word to a router may have been lost, or a router's to him.
        self.told.clear();
        self.offers.drop_old(self.node.clock.now());
        self.look_up_teams(myself);
        let before: Vec<(ConversationId, u64)> = self.load.held_since().collect();
        let (node, key, myself) = (Arc::clone(&self.node), self.key, myself.clone());
        tokio::spawn(async move {
            match held_by(&node, key).await {
                // An actor that ended needs no word.
                Ok(listed) => drop(myself.cast(AgentMessage::Swept { before, listed })),
                Err(error) => {
                    tracing::debug!(agent = %key.agent, %error, "what he holds was not read");
                    let _ = myself.cast(AgentMessage::Failed);
                }
            }
        });
    }

    pub(super) fn look_up_teams(&self, myself: &ActorRef<AgentMessage>) {
        let (node, key, myself) = (Arc::clone(&self.node), self.key, myself.clone());
        tokio::spawn(async move {
            match teams_of(&node, key).await {
                // An actor that ended needs no word.
                Ok(teams) => drop(myself.cast(AgentMessage::Teams(teams))),
                Err(error) => {
                    tracing::debug!(agent = %key.agent, %error, "his teams were not read");
                    let _ = myself.cast(AgentMessage::Failed);
                }
            }
        });
    }

    /// What he held before the look and the look did not find is gone; what came since the look stands.
    pub(super) fn swept(&mut self, before: &[(ConversationId, u64)], listed: &[(ConversationId, u64)]) {
        for &(conversation, epoch) in before {
            if !listed.iter().any(|(other, _)| *other == conversation) {
                self.load.drop_held(conversation, epoch);
            }
        }
        let gone = self.why_gone();
        for &(conversation, epoch) in listed {
            if !self.load.holds(conversation) && self.load.hold(conversation, epoch, self.capacity) {
                self.surplus.insert(conversation);
            }
            // Asked for before, maybe: the word may have been lost.
            let over = self.surplus.contains(&conversation).then_some(ReleaseReason::OverCapacity);
            if let Some(reason) = gone.or(over) {
                self.give_back(conversation, epoch, reason);
            }
        }
        let load = &self.load;
        self.surplus.retain(|conversation| load.holds(*conversation));
    }
}

/// The conversations that name him, each with its assignment's epoch.
pub(super) async fn held_by(node: &Shared, key: AgentKey) -> Result<Vec<(ConversationId, u64)>, StoreError> {
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

/// The teams that list him.
pub(super) async fn teams_of(node: &Shared, key: AgentKey) -> Result<Vec<TeamId>, StoreError> {
    let teams = store::all::<Team>(&*node.store.records, key.workspace).await?;
    let his = teams.into_iter().filter(|team| team.document.agents.contains(&key.agent));
    Ok(his.map(|team| team.document.id).collect())
}
