//! Teams' queues, as this node sees them.

use std::time::Duration;

use domain::{Explanation, Head, State, TeamId, WorkspaceId};
use store::ConversationKey;

use super::ask::Address;
use super::local::Node;
use crate::mail::{AgentMessage, Asked, TeamMessage};
use crate::words::{
    AgentKey, Ask, Explain, Notice, Position, PositionWhenKnown, QueueBrief, QueuePosition, TeamKey, Waiting,
};

/// A caller that asks where a conversation stands does without an answer that takes longer.
const POSITION_WITHIN: Duration = Duration::from_millis(200);

impl Node {
    /// Where a waiting conversation stands; none: it does not wait there, or its router is silent.
    pub async fn position(&self, key: ConversationKey, team: TeamId) -> Option<QueuePosition> {
        self.ask_living(TeamKey { workspace: key.workspace, team }, Position(key.conversation)).await?
    }

    /// The same of one that has just come to wait, as `head` has it; its router may be notified in a moment.
    pub async fn position_when_known(&self, key: ConversationKey, head: &Head) -> Option<QueuePosition> {
        let team = TeamKey { workspace: key.workspace, team: head.team }.reach(self).await.ok()?;
        let since = (head.queued_at, head.assignment_epoch);
        let ask = PositionWhenKnown { conversation: key.conversation, since };
        self.put(&team, ask, POSITION_WITHIN).await.ok()?
    }

    /// What the conversation is shown with has changed, and is not in its head: agents who watch it are shown it again,
    /// and so is the agent who is offered it.
    pub async fn touched(&self, key: ConversationKey, head: &Head) {
        let assignee = head.assignee.as_ref().map(|agent| agent.id);
        self.context.hub.lists.touch(key, head.team, assignee);
        if head.state != State::Queued {
            return;
        }
        let Some(position) = self.position(key, head.team).await else { return };
        if let Some(agent) = position.offered_to {
            let (agent, conversation) = (AgentKey { workspace: key.workspace, agent }, key.conversation);
            self.context.outbox.put(Notice::OfferTouched { agent, conversation, position });
        }
    }

    /// How many wait for the team; none: its router does not know, or is silent.
    pub async fn waiting_for(&self, key: TeamKey) -> Option<usize> {
        self.ask_living(key, Waiting).await?
    }

    /// Where a waiting conversation stands, and why it is offered to that agent, or would be.
    pub async fn explain(&self, key: ConversationKey, team: TeamId) -> Option<(QueuePosition, Explanation)> {
        self.ask_living(TeamKey { workspace: key.workspace, team }, Explain(key.conversation)).await?
    }

    /// The queues whose routers are here, by team; asks no actor.
    pub fn queues(&self) -> Vec<QueueBrief> {
        let now = self.context.clock.now();
        let living = self.context.teams.living().into_iter();
        living
            .map(|(key, handle)| QueueBrief {
                team: key.team,
                waiting: handle.shown.waiting(),
                longest_wait_ms: handle.shown.longest_wait_ms(now),
            })
            .collect()
    }

    /// Teams or agents of the workspace were changed, or who is in which.
    pub fn teams_changed(&self, workspace: WorkspaceId) {
        self.reload_teams(workspace);
        for (key, handle) in self.context.agents.living() {
            if key.workspace == workspace {
                // An actor that ended reads them when it starts again.
                handle.tell(AgentMessage::TeamsChanged);
            }
        }
    }

    pub(super) fn reload_teams(&self, workspace: WorkspaceId) {
        for (key, handle) in self.context.teams.living() {
            if key.workspace == workspace {
                // A router that ended reads them when it starts again.
                handle.tell(TeamMessage::Reload);
            }
        }
    }

    /// Asks a router that is in memory, for a short while; none: it is not there, or silent.
    async fn ask_living<A>(&self, key: TeamKey, ask: A) -> Option<A::Answer>
    where
        A: Ask<Key = TeamKey>,
        TeamMessage: From<Asked<A>>,
    {
        let team = self.context.teams.get(&key)?;
        self.put(&team, ask, POSITION_WITHIN).await.ok()
    }
}
