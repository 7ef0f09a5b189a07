//! Who has a conversation: what people ask of it, by the way that spans its actor and an agent's.

use domain::{AgentCard, ClientId, Command, Head, MessageId, MessageText, Principal, Rejection, Request};
use store::ConversationKey;

use super::Node;
use crate::{ExecuteError, Outcome, assignment};

impl Node {
    /// The agent who asks takes the conversation: from the queue, or with `take_over` from another.
    pub async fn accept(
        &self,
        key: ConversationKey,
        by: Principal,
        client_id: Option<ClientId>,
        take_over: bool,
    ) -> Result<Outcome, ExecuteError> {
        let head = self.head(key).await?;
        // An offer's reasons are worth a short wait, and nothing more.
        let offered = self.explain(key, head.team).await;
        let why = match (&by, offered) {
            (Principal::Agent { card, .. }, Some((place, why))) if place.offered_to == Some(card.id) => {
                Some(Box::new(why))
            }
            _ => None,
        };
        let request = Request { by, client_id, command: Command::Accept { take_over, why } };
        assignment::accept(self, key, request).await
    }

    /// Gives the conversation to another agent, as it is assigned now.
    pub async fn transfer(
        &self,
        key: ConversationKey,
        by: Principal,
        client_id: Option<ClientId>,
        to: AgentCard,
        note: Option<(MessageId, MessageText)>,
    ) -> Result<Outcome, ExecuteError> {
        let assignment_epoch = self.head(key).await?.assignment_epoch;
        let agent = to.id;
        let command = Command::TransferToAgent { agent: to, assignment_epoch, note };
        assignment::transfer(self, key, agent, Request { by, client_id, command }).await
    }

    /// Opens an ended conversation again: for its last agent, if it is he who asks, else for its queue.
    pub async fn reopen(
        &self,
        key: ConversationKey,
        by: Principal,
        client_id: Option<ClientId>,
    ) -> Result<Outcome, ExecuteError> {
        let head = self.head(key).await?;
        let last = head.assignee.map(|agent| agent.id);
        let his = matches!(&by, Principal::Agent { card, .. } if Some(card.id) == last);
        let request = Request { by, client_id, command: Command::Reopen };
        if his { assignment::accept(self, key, request).await } else { self.execute(key, request).await }
    }

    /// Whether he who asks sees it is the conversation's to say: it knows a repeat, also of one who sees it no longer.
    async fn head(&self, key: ConversationKey) -> Result<Head, ExecuteError> {
        Ok(self.shared.store.heads.get(key).await?.ok_or(Rejection::NotFound)?)
    }
}
