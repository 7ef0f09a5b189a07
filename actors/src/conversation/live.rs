//! What a conversation's actor keeps. All of it is derived from the log; dropping it loses nothing that was acknowledged.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use domain::{AgentId, Conversation, Digest, Seq, State};
use store::ConversationKey;

use super::draft::Draft;
use super::listeners::Listeners;
use super::marks::MarkWrites;
use super::presence::Attendance;
use super::standing::Standing;
use super::typing::Typists;
use crate::mail::Activity;
use crate::runtime::Context;

/// A conversation in memory.
pub(super) struct LiveConversation {
    pub(super) node: Arc<Context>,
    pub(super) key: ConversationKey,
    pub(super) draft: Draft,
    /// The agent who has it, by what is durable, and since which assignment.
    pub(super) holder: Option<(AgentId, u64)>,
    /// Where it stood as others were last told.
    pub(super) standing: Standing,
    pub(super) listeners: Listeners,
    pub(super) attendance: Attendance,
    pub(super) typists: Typists,
    pub(super) marks: MarkWrites,
    pub(super) activity: Arc<Activity>,
    /// Commands that crashed this conversation again and again.
    pub(super) refused: Vec<Digest>,
    /// It takes nothing any more: what is in flight is waited for, the rest is answered `Moved`.
    pub(super) closing: bool,
}

impl LiveConversation {
    pub(super) fn new(
        node: Arc<Context>,
        key: ConversationKey,
        conversation: Conversation,
        activity: Arc<Activity>,
    ) -> Self {
        let head = conversation.head();
        let holder = head.assignee.as_ref().filter(|_| head.state == State::Assigned);
        Self {
            key,
            holder: holder.map(|agent| (agent.id, head.assignment_epoch)),
            standing: Standing::of(head),
            refused: node.crashes.refused(&key),
            listeners: Listeners::new(key, Arc::clone(&node.hub), Arc::clone(&activity)),
            attendance: Attendance::default(),
            typists: Typists::default(),
            marks: MarkWrites::default(),
            draft: Draft::new(conversation),
            node,
            activity,
            closing: false,
        }
    }

    /// It was asked for something just now.
    pub(super) fn touch(&self) {
        self.activity.used_ms.store(self.node.uptime_ms(), Ordering::Relaxed);
    }

    /// The last event that is known to be durable.
    pub(super) fn durable(&self) -> Seq {
        self.draft.durable().last_seq
    }
}
