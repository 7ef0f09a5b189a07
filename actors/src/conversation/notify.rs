//! Those concerned by a change beside the listeners: agents who get or lose the conversation, the router of its team, and
//! sockets that watch a list.

use std::sync::Arc;

use domain::{AgentId, AssignReason, Event, EventKind, Head, ReleaseReason};

use super::live::LiveConversation;
use super::standing::Standing;
use crate::words::{AgentKey, Before, Joined, Loss, Notice, TeamKey};

impl LiveConversation {
    pub(super) fn notify_agents(&mut self, event: &Event, head: &Arc<Head>) {
        let (next, why) = match &event.kind {
            EventKind::Assigned { agent, assignment_epoch, reason, .. } => {
                let taken = *reason == AssignReason::TakeOver;
                let why = if taken { Loss::TakeOver } else { Loss::Transfer };
                (Some((agent.id, *assignment_epoch)), why)
            }
            EventKind::Released { reason, .. } => (None, Loss::Released(*reason)),
            EventKind::Ended { .. } => (None, Loss::Ended),
            EventKind::Started(_)
            | EventKind::MessagePosted { .. }
            | EventKind::NotePosted { .. }
            | EventKind::Transferred { .. }
            | EventKind::Identified { .. }
            | EventKind::Tagged { .. }
            | EventKind::Reopened
            | EventKind::Rated(_) => return,
        };
        let conversation = self.key.conversation;
        let agent_key = |agent| AgentKey { workspace: self.key.workspace, agent };
        if let Some((agent, epoch)) = std::mem::replace(&mut self.holder, next) {
            self.node.outbox.put(Notice::Lost { agent: agent_key(agent), conversation, epoch, why });
        }
        if let Some((agent, epoch)) = next {
            let (agent, head) = (agent_key(agent), Arc::clone(head));
            self.node.outbox.put(Notice::Assigned { agent, conversation, epoch, head });
        }
    }

    /// After an append; `released`: the agent who lost it by that. Before the agents are notified: to one who has a free
    /// place the router gives the first in its queue, and that may be this conversation.
    pub(super) fn notify_router(&mut self, head: &Arc<Head>, released: Option<(AgentId, ReleaseReason)>) {
        let now = Standing::of(head);
        let before = std::mem::replace(&mut self.standing, now);
        self.node.hub.lists.changed(self.key, (before.team, before.assignee), head);
        if before == now {
            return;
        }
        let (workspace, conversation) = (self.key.workspace, self.key.conversation);
        if before.queued && !(now.queued && now.team == before.team) {
            let team = TeamKey { workspace, team: before.team };
            self.node.hub.lists.left_queue(workspace, before.visitor, conversation);
            self.node.outbox.put(Notice::Left { team, conversation, taken: now.holder });
        }
        if now.queued {
            let team = TeamKey { workspace, team: now.team };
            // The agent who had it when it ended is its visitor's last one.
            let reopened_from = before.assignee.filter(|_| before.holder.is_none());
            let from = match released {
                Some((agent, reason)) => Some(Before::Lost(agent, reason)),
                None => reopened_from.map(Before::Ended),
            };
            let joined = Box::new(Joined::of(conversation, head, from));
            self.node.outbox.put(Notice::Joined { team, joined });
        }
    }
}

/// The agent who lost the conversation by this event.
pub(super) fn released(event: &Event) -> Option<(AgentId, ReleaseReason)> {
    match &event.kind {
        EventKind::Released { agent, reason } => Some((agent.id, *reason)),
        EventKind::Started(_)
        | EventKind::MessagePosted { .. }
        | EventKind::NotePosted { .. }
        | EventKind::Assigned { .. }
        | EventKind::Transferred { .. }
        | EventKind::Identified { .. }
        | EventKind::Rated(_)
        | EventKind::Tagged { .. }
        | EventKind::Ended { .. }
        | EventKind::Reopened => None,
    }
}
