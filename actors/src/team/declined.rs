//! Declined offers by their sender's own names, so that a repeat declines nothing more.

use std::collections::VecDeque;

use domain::{AgentId, ClientId, ConversationId};

/// So many are remembered.
const DECLINED_MAX: usize = 1_000;

/// The newest last: in memory alone, as offers are.
#[derive(Debug, Default)]
pub(super) struct Declined(VecDeque<(ConversationId, AgentId, ClientId)>);

impl Declined {
    pub(super) fn remember(&mut self, conversation: ConversationId, agent: AgentId, client_id: ClientId) {
        if self.0.len() == DECLINED_MAX {
            self.0.pop_front();
        }
        self.0.push_back((conversation, agent, client_id));
    }

    pub(super) fn knows(&self, conversation: ConversationId, agent: AgentId, client_id: &ClientId) -> bool {
        self.0.iter().any(|(known, by, name)| (*known, *by, name) == (conversation, agent, client_id))
    }
}
