//! What an agent cannot have any longer goes back to the queue.

use domain::{ConversationId, ReleaseReason};
use store::ConversationKey;

use super::Desk;
use crate::Notice;

impl Desk {
    pub(super) fn give_back_surplus(&mut self, conversation: ConversationId, epoch: u64) {
        self.surplus.insert(conversation);
        self.give_back(conversation, epoch, ReleaseReason::OverCapacity);
    }

    pub(super) fn give_all_back(&self, reason: ReleaseReason) {
        for (conversation, epoch) in self.load.held_since() {
            self.give_back(conversation, epoch, reason);
        }
    }

    pub(super) fn give_back(&self, conversation: ConversationId, epoch: u64, reason: ReleaseReason) {
        let key = ConversationKey { workspace: self.key.workspace, conversation };
        self.node.outbox.put(Notice::Release { key, agent: self.key.agent, epoch, reason });
    }
}
