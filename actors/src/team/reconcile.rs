//! What the router reads: its team's records, and the queue as the store has it. A notice may have been lost; what the
//! store says stands, for all that did not move while it was asked.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use domain::{Agent, ConversationId, Team};
use store::{HeadFilter, HeadView, StoreError};

use super::router::Router;
use crate::mail::{Roster, TeamMessage};
use crate::runtime::Context;
use crate::words::{Joined, Notice, OfferEnd, TeamKey};

/// After a failure. A router asks a store that is away no oftener.
const AGAIN: Duration = Duration::from_secs(1);
/// Waiting conversations read at once.
const PAGE: usize = 200;

impl Router {
    /// Reads the records of the team and of its agents.
    pub(super) fn load(&mut self) {
        self.loads_soon = false;
        let (node, key, myself) = (Arc::clone(&self.node), self.key, self.myself.clone());
        tokio::spawn(async move {
            let loaded = read_team(&node, key).await;
            // A router that ended reads no more.
            let _ = myself.cast(TeamMessage::Loaded(Box::new(loaded)));
        });
    }

    pub(super) fn loaded(&mut self, loaded: Result<Roster, StoreError>) {
        match loaded {
            Ok(Roster { team, agents }) => {
                let first = self.team.is_none();
                let newcomers = self.members.set(&agents);
                self.team = team;
                if first || newcomers {
                    self.node.outbox.put(Notice::CallOut { team: self.key });
                }
                if first {
                    self.reconcile();
                }
                self.route_soon();
            }
            Err(error) => {
                tracing::warn!(team = %self.key.team, %error, "a team was not read; once more soon");
                if !std::mem::replace(&mut self.loads_soon, true) {
                    self.soon(TeamMessage::Reload);
                }
            }
        }
    }

    /// After something that failed, or that this router does not understand; once for all that does meanwhile.
    pub(super) fn reconcile_soon(&mut self) {
        if !std::mem::replace(&mut self.reconciles_soon, true) {
            self.soon(TeamMessage::Reconcile);
        }
    }

    fn soon(&self, message: TeamMessage) {
        let myself = self.myself.clone();
        tokio::spawn(async move {
            tokio::time::sleep(AGAIN).await;
            // A router that ended has nothing to do.
            let _ = myself.cast(message);
        });
    }

    pub(super) fn reconcile(&mut self) {
        self.reconciles_soon = false;
        let began = self.moves;
        let (node, key, myself) = (Arc::clone(&self.node), self.key, self.myself.clone());
        tokio::spawn(async move {
            match read_queue(&node, key).await {
                // A router that ended compares nothing.
                Ok(listed) => drop(myself.cast(TeamMessage::Listed { began, listed })),
                Err(error) => {
                    tracing::debug!(team = %key.team, %error, "its queue was not read");
                    let _ = myself.cast(TeamMessage::Unread);
                }
            }
        });
    }

    pub(super) fn compare(&mut self, began: u64, listed: Vec<Joined>) {
        // A reading that began before one that was heeded already is old.
        if began < self.heeded {
            return;
        }
        self.heeded = began;
        let moved = |id: &ConversationId| self.moved.get(id).is_some_and(|at| *at > began);
        let found: HashSet<ConversationId> = listed.iter().map(|joined| joined.conversation).collect();
        let stayed: Vec<Joined> = listed.into_iter().filter(|joined| !moved(&joined.conversation)).collect();
        let gone: Vec<ConversationId> = self
            .queue
            .iter()
            .map(|waiting| waiting.conversation)
            .filter(|id| !found.contains(id) && !moved(id))
            .collect();
        for conversation in gone {
            if let Some(waiting) = self.queue.remove(conversation) {
                self.drop_step(&waiting, OfferEnd::Taken);
                self.visitors_due = true;
            }
        }
        for joined in stayed {
            self.joined(joined);
        }
        self.moved.retain(|_, at| *at > began);
        self.gone.retain(|conversation, _| self.moved.contains_key(conversation));
        self.read = true;
        self.answer_questions();
        self.route_soon();
    }
}

async fn read_team(node: &Context, key: TeamKey) -> Result<Roster, StoreError> {
    let records = &*node.store.records;
    let team = store::get::<Team>(records, key.workspace, &key.team.to_string()).await?;
    let mut agents = Vec::new();
    for id in team.iter().flat_map(|team| &team.document.agents) {
        let agent = store::get::<Agent>(records, key.workspace, &id.to_string()).await?;
        agents.extend(agent.map(|agent| agent.document));
    }
    Ok(Roster { team: team.map(|team| team.document), agents })
}

async fn read_queue(node: &Context, key: TeamKey) -> Result<Vec<Joined>, StoreError> {
    let (view, filter) = (HeadView::Queue(Some(vec![key.team])), HeadFilter::default());
    let (mut listed, mut after) = (Vec::new(), None);
    loop {
        let page = node.store.heads.list(key.workspace, &view, &filter, after, PAGE).await?;
        after = page.last().map(|row| row.position);
        let full = page.len() == PAGE;
        listed.extend(page.iter().map(|row| Joined::of(row.conversation, &row.head, None)));
        if !full {
            return Ok(listed);
        }
    }
}
