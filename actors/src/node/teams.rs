//! The way to teams' routers.

use std::time::Duration;

use domain::{Action, ClientId, Explanation, Head, Principal, Rejection, State, TeamId, WorkspaceId, may};
use store::ConversationKey;
use tokio::sync::oneshot;

use super::Node;
use crate::admission::Permit;
use crate::agent::AgentMessage;
use crate::team::{self, Place, TeamHandle, TeamKey, TeamMessage};
use crate::{AgentKey, ExecuteError};

/// Who asks where a conversation stands does without an answer that takes longer.
const PLACE_WITHIN: Duration = Duration::from_millis(200);

/// What is known of a team's queue without asking its router.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueBrief {
    /// Whose it is.
    pub team: TeamId,
    /// How many wait.
    pub waiting: usize,
    /// What the first of them has waited; 0 when nobody waits.
    pub longest_wait_ms: u64,
}

impl Node {
    /// Where a waiting conversation stands; none: it does not wait there, or its router is silent.
    pub async fn place(&self, key: ConversationKey, team: TeamId) -> Option<Place> {
        let conversation = key.conversation;
        let message = |reply, permit| TeamMessage::Place { conversation, reply, permit };
        self.ask_team(key, team, message).await
    }

    /// The same of one that has just come to wait, as `head` has it; its router may be notified in a moment.
    pub async fn place_when_known(&self, key: ConversationKey, head: &Head) -> Option<Place> {
        let team = self.team_handle(TeamKey { workspace: key.workspace, team: head.team }).await.ok()?;
        let (conversation, since) = (key.conversation, (head.queued_at, head.assignment_epoch));
        ask(&team, |reply, permit| TeamMessage::PlaceWhenKnown { conversation, since, reply, permit }).await
    }

    /// What the conversation is shown with has changed, and is not in its head: agents who look on are shown it again,
    /// and so is the agent who is offered it.
    pub async fn touched(&self, key: ConversationKey, head: &Head) {
        let assignee = head.assignee.as_ref().map(|agent| agent.id);
        self.shared.watchers.touch(key, head.team, assignee);
        if head.state != State::Queued {
            return;
        }
        if let Some(agent) = self.place(key, head.team).await.and_then(|place| place.offered_to) {
            let agent = AgentKey { workspace: key.workspace, agent };
            self.tell_agent(agent, AgentMessage::OfferTouched(key.conversation));
        }
    }

    /// How many wait for the team; none: its router does not know, or is silent.
    pub async fn waiting_for(&self, key: TeamKey) -> Option<usize> {
        let team = self.shared.teams.get(&key)?;
        ask(&team, |reply, permit| TeamMessage::Waiting { reply, permit }).await
    }

    /// Where a waiting conversation stands, and why it is offered to whom it is offered, or would be.
    pub async fn explain(&self, key: ConversationKey, team: TeamId) -> Option<(Place, Explanation)> {
        let conversation = key.conversation;
        let message = |reply, permit| TeamMessage::Explain { conversation, reply, permit };
        self.ask_team(key, team, message).await
    }

    /// The agent does not want what he is offered.
    pub async fn decline(
        &self,
        key: ConversationKey,
        by: &Principal,
        client_id: Option<ClientId>,
    ) -> Result<(), ExecuteError> {
        let head = self.shared.store.heads.get(key).await?.ok_or(Rejection::NotFound)?;
        may(head.standing(by, |_| None), Action::Read)?;
        let Principal::Agent { card, .. } = by else { return Err(Rejection::Forbidden.into()) };
        let team = self.team_handle(TeamKey { workspace: key.workspace, team: head.team }).await?;
        let permit = team.admission.enter()?;
        let (reply, answer) = oneshot::channel();
        let (conversation, agent) = (key.conversation, card.id);
        let message = TeamMessage::Decline { conversation, agent, client_id, reply, permit };
        if team.actor.cast(message).is_err() {
            return Err(ExecuteError::Overloaded);
        }
        match tokio::time::timeout(self.shared.settings.deadline, answer).await {
            // A repeat comes before the state, and the router knows repeats.
            Ok(Ok(Err(_))) if head.state == State::Ended => Err(Rejection::ConversationEnded.into()),
            Ok(Ok(answer)) => Ok(answer?),
            Ok(Err(_)) | Err(_) => Err(ExecuteError::Unknown),
        }
    }

    /// The queues whose routers are here, by team; asks nobody.
    pub fn queues(&self) -> Vec<QueueBrief> {
        let now = self.shared.clock.now();
        let living = self.shared.teams.living().into_iter();
        living
            .map(|(key, handle)| QueueBrief {
                team: key.team,
                waiting: handle.queue.waiting(),
                longest_wait_ms: handle.queue.longest_wait_ms(now),
            })
            .collect()
    }

    /// Teams or agents of the workspace were changed, or who is in which.
    pub fn teams_changed(&self, workspace: WorkspaceId) {
        self.reload_teams(workspace);
        for (key, handle) in self.shared.agents.living() {
            if key.workspace == workspace {
                // An actor that ended looks it up when it starts again.
                let _ = handle.actor.cast(AgentMessage::TeamsChanged);
            }
        }
    }

    pub(super) fn reload_teams(&self, workspace: WorkspaceId) {
        for (key, handle) in self.shared.teams.living() {
            if key.workspace == workspace {
                // A router that ended reads them when it starts again.
                let _ = handle.actor.cast(TeamMessage::Reload);
            }
        }
    }

    pub(super) async fn tell_team(&self, key: TeamKey, message: TeamMessage) {
        match self.team_handle(key).await {
            // A router that just ended finds it by its first sweep.
            Ok(handle) => drop(handle.actor.cast(message)),
            Err(error) => tracing::warn!(team = %key.team, %error, "a router was not told"),
        }
    }

    pub(super) async fn team_handle(&self, key: TeamKey) -> Result<TeamHandle, ExecuteError> {
        self.shared.teams.get_or_start(key, || team::start(&self.shared, key)).await
    }

    async fn ask_team<T>(
        &self,
        key: ConversationKey,
        team: TeamId,
        message: impl FnOnce(oneshot::Sender<Option<T>>, Permit) -> TeamMessage,
    ) -> Option<T> {
        let team = self.shared.teams.get(&TeamKey { workspace: key.workspace, team })?;
        ask(&team, message).await
    }
}

async fn ask<T>(
    team: &TeamHandle,
    message: impl FnOnce(oneshot::Sender<Option<T>>, Permit) -> TeamMessage,
) -> Option<T> {
    let (reply, answer) = oneshot::channel();
    let permit = team.admission.enter().ok()?;
    team.actor.cast(message(reply, permit)).ok()?;
    tokio::time::timeout(PLACE_WITHIN, answer).await.ok()?.ok()?
}
