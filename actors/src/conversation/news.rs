//! Whom it concerns, beside those who listen: agents who get or lose the conversation, the router of its team, and
//! sockets that watch a list.

use std::sync::Arc;

use domain::{
    AgentId, AssignReason, ConversationId, Event, EventKind, Head, Needs, ReleaseReason, Seq, State, TeamId,
    VisitorId,
};

use super::Live;
use crate::team::Before;
use crate::{Joined, Loss, Notice, Outbox, TeamKey};

/// Where the conversation stood as others were last told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stand {
    pub(super) team: TeamId,
    holder: Option<AgentId>,
    /// Who has it, or after its end had it last.
    pub(super) assignee: Option<AgentId>,
    queued: bool,
    epoch: u64,
    visitor: VisitorId,
}

impl Stand {
    pub(super) fn of(head: &Head) -> Self {
        let holder = head.assignee.as_ref().filter(|_| head.state == State::Assigned);
        Self {
            team: head.team,
            holder: holder.map(|agent| agent.id),
            assignee: head.assignee.as_ref().map(|agent| agent.id),
            queued: head.state == State::Queued,
            epoch: head.assignment_epoch,
            visitor: head.visitor.id,
        }
    }
}

/// What others were last told of a conversation, and up to which event.
#[derive(Clone, Copy)]
pub(crate) struct Told {
    pub(crate) last_seq: Seq,
    stand: Stand,
    holder: Option<(AgentId, u64)>,
}

impl Live {
    /// What others were told.
    pub(super) fn told(&self) -> Told {
        Told { last_seq: self.durable, stand: self.stand, holder: self.holder }
    }

    /// Tells them of `events`, all after what the owner before told them.
    pub(super) fn tell_rest(&mut self, told: Told, events: &[Event]) {
        (self.stand, self.holder) = (told.stand, told.holder);
        let head = Arc::new(self.draft.conversation().head().clone());
        self.tell_others(&head, events.iter().rev().find_map(released));
        for event in events {
            self.tell_agents(event, &head);
        }
        self.node.untold.forget(&self.key);
    }

    pub(super) fn tell_agents(&mut self, event: &Event, head: &Arc<Head>) {
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
        if let Some((agent, epoch)) = std::mem::replace(&mut self.holder, next) {
            self.node.outbox.put(Notice::Lost { agent, key: self.key, epoch, why });
        }
        if let Some((agent, epoch)) = next {
            self.node.outbox.put(Notice::Assigned { agent, key: self.key, epoch, head: Arc::clone(head) });
        }
    }

    /// After an append: `released` holds who lost it by that. Before its agents are told: from one who has a free place
    /// the router gives to the first in its queue, and that may be this one.
    pub(super) fn tell_others(&mut self, head: &Arc<Head>, released: Option<(AgentId, ReleaseReason)>) {
        let now = Stand::of(head);
        let before = std::mem::replace(&mut self.stand, now);
        self.node.watchers.changed(self.key, (before.team, before.assignee), head);
        if before == now {
            return;
        }
        let workspace = self.key.workspace;
        if before.queued && !(now.queued && now.team == before.team) {
            let team = TeamKey { workspace, team: before.team };
            let (conversation, taken) = (self.key.conversation, now.holder);
            self.node.watchers.left_queue(workspace, before.visitor, conversation);
            self.node.outbox.put(Notice::Left { team, conversation, taken });
        }
        if now.queued {
            let team = TeamKey { workspace, team: now.team };
            // Who had it when it ended is its visitor's last agent.
            let reopened_from = before.assignee.filter(|_| before.holder.is_none());
            let from = match released {
                Some((agent, reason)) => Some(Before::Lost(agent, reason)),
                None => reopened_from.map(Before::Ended),
            };
            tell_router(&self.node.outbox, team, self.key.conversation, head, from);
        }
    }
}

/// That the conversation, whose head this is, waits.
pub(crate) fn tell_router(
    outbox: &Outbox,
    team: TeamKey,
    conversation: ConversationId,
    head: &Head,
    from: Option<Before>,
) {
    let joined = Joined {
        conversation,
        queued_at: head.queued_at,
        epoch: head.assignment_epoch,
        visitor: head.visitor.id,
        needs: Needs::of(&head.attributes),
        from,
    };
    outbox.put(Notice::Joined { team, joined: Box::new(joined) });
}

/// Who lost the conversation by this event.
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use domain::{Attributes, ClientId, Command, Principal, Request, Start, Timestamp, VisitorCard};
    use store::memory::{MemoryRecords, MemoryStore};
    use store::{Owner, Store};

    use super::*;
    use crate::testing::{agent, id, key, some_agent, visitor, workspace};
    use crate::{Clock, Node, Settings};

    #[tokio::test]
    async fn the_router_hears_that_it_waits_before_its_agent_hears_that_he_has_a_free_place() {
        let memory = Arc::new(MemoryStore::default());
        let records = Arc::new(MemoryRecords::default());
        let store = Store { log: memory.clone(), heads: memory.clone(), records, series: memory };
        store::insert(&*store.records, workspace(), some_agent(1, 1), Timestamp::from_ms(1)).await.unwrap();
        let (node, mut notices) =
            Node::start(store, Clock::of_tokio(), Owner("a#1".into()), Settings::default()).await.unwrap();
        let card = VisitorCard { id: id(1), name: None, email: None, verified: false };
        let attributes = Attributes::default();
        let start = Start { site: id(1), team: id(1), visitor: card, subject: None, attributes };
        let command = Command::Start { start, first: None };
        let client_id = Some(ClientId::parse("1").unwrap());
        node.create(key(1), Request { by: visitor(1), client_id, command }).await.unwrap();
        node.accept(key(1), agent(1), None, false).await.unwrap();
        while notices.try_recv().is_ok() {}

        let command = Command::Release { assignment_epoch: 1, reason: ReleaseReason::OverCapacity };
        node.execute(key(1), Request { by: Principal::System, client_id: None, command }).await.unwrap();
        let mut told = Vec::new();
        while let Ok(notice) = notices.try_recv() {
            match notice {
                Notice::Joined { .. } => told.push("it waits"),
                Notice::Lost { .. } => told.push("he lost it"),
                _ => {}
            }
        }
        assert_eq!(told, ["it waits", "he lost it"]);
    }
}
