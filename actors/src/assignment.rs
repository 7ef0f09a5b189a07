//! What spans a conversation and an agent: reserve a place with the agent's actor, have the conversation write it,
//! settle the place. Run by the caller's task, never inside an actor.

use std::time::Duration;

use domain::{
    AgentCard, AgentId, AssignReason, Command, Explanation, Head, Principal, Rejection, Request, State,
};
use store::ConversationKey;

use crate::agent::{AgentMessage, Reserve};
use crate::node::Node;
use crate::team::Given;
use crate::{AgentKey, ExecuteError, Outcome};

/// Gives the conversation to the agent who asks: he accepts it, or opens it again.
pub(crate) async fn accept(
    node: &Node,
    key: ConversationKey,
    request: Request,
) -> Result<Outcome, ExecuteError> {
    let Principal::Agent { card, .. } = &request.by else { return Err(Rejection::Forbidden.into()) };
    assign(node, key, card.id, Reserve::Asked, request).await
}

/// Gives the conversation on to another agent. `request` carries the assignment that its sender saw.
pub(crate) async fn transfer(
    node: &Node,
    key: ConversationKey,
    to: AgentId,
    request: Request,
) -> Result<Outcome, ExecuteError> {
    assign(node, key, to, Reserve::Given, request).await
}

/// The router gives a waiting conversation to an agent.
pub(crate) async fn give(
    node: &Node,
    key: ConversationKey,
    to: AgentCard,
    assignment_epoch: u64,
    why: Explanation,
) -> Given {
    let agent_key = AgentKey { workspace: key.workspace, agent: to.id };
    match node.reserve(agent_key, key.conversation, Reserve::Given).await {
        Ok(()) => {}
        Err(ExecuteError::Rejected(_)) => return Given::Refused,
        Err(error) => {
            tracing::debug!(conversation = %key.conversation, %error, "an agent was not asked");
            return Given::Failed;
        }
    }
    let place = Place { node: node.clone(), agent_key, key, settled: false };
    let reason = AssignReason::Auto;
    let command = Command::Assign { agent: to, assignment_epoch, reason, why: Some(Box::new(why)) };
    let outcome = node.execute(key, Request { by: Principal::System, client_id: None, command }).await;
    place.settle(&outcome);
    match outcome {
        Ok(_) => Given::Done,
        Err(ExecuteError::Rejected(_)) => Given::Moved,
        Err(error) => {
            tracing::debug!(conversation = %key.conversation, %error, "a conversation was not given");
            Given::Failed
        }
    }
}

async fn assign(
    node: &Node,
    key: ConversationKey,
    agent: AgentId,
    how: Reserve,
    request: Request,
) -> Result<Outcome, ExecuteError> {
    let agent_key = AgentKey { workspace: key.workspace, agent };
    if let Err(refused) = node.reserve(agent_key, key.conversation, how).await {
        // The conversation's own no comes before the agent's: who may not see it hears nothing of capacity.
        let ExecuteError::Rejected(rejection) = refused else { return Err(refused) };
        return probe(node, key, request, rejection).await;
    }
    let place = Place { node: node.clone(), agent_key, key, settled: false };
    let outcome = node.execute(key, request).await;
    place.settle(&outcome);
    outcome
}

async fn probe(
    node: &Node,
    key: ConversationKey,
    request: Request,
    rejection: Rejection,
) -> Result<Outcome, ExecuteError> {
    let outcome = node.probe(key, request).await?;
    // Nothing to change: a repeat, or it is his already.
    if outcome.head.is_some() { Ok(outcome) } else { Err(rejection.into()) }
}

/// A reserved place. If the task that holds it goes away before it was settled, the place is settled by a look at the
/// store: the assignment may have been written.
struct Place {
    node: Node,
    agent_key: AgentKey,
    key: ConversationKey,
    settled: bool,
}

impl Place {
    fn settle(mut self, outcome: &Result<Outcome, ExecuteError>) {
        self.settled = true;
        match outcome {
            Ok(outcome) => {
                let head = outcome.head.as_ref();
                let his = head.filter(|head| {
                    head.state == State::Assigned
                        && head.assignee.as_ref().is_some_and(|now| now.id == self.agent_key.agent)
                });
                self.tell(his.map(|head| head.assignment_epoch));
            }
            // Beside: whoever asked hears at once that nobody knows.
            Err(ExecuteError::Unknown) => drop(tokio::spawn(async move { look_and_settle(&self).await })),
            Err(
                ExecuteError::Rejected(_)
                | ExecuteError::Overloaded
                | ExecuteError::Poisoned
                | ExecuteError::Store(_),
            ) => self.tell(None),
        }
    }

    fn tell(&self, assigned: Option<u64>) {
        let conversation = self.key.conversation;
        // An actor that ended took its reservations with it.
        self.node.tell_agent(self.agent_key, AgentMessage::Settle { conversation, assigned });
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if !self.settled {
            let rest =
                Place { node: self.node.clone(), agent_key: self.agent_key, key: self.key, settled: true };
            tokio::spawn(async move { look_and_settle(&rest).await });
        }
    }
}

/// How often a look that fails is tried again, and how long it waits before: longer each time.
const LOOKS_MAX: u32 = 8;
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// A fresh activation claims the log, so no late append can pass it: what it reads is what became of the assignment.
async fn look_and_settle(place: &Place) {
    let his = |head: &Head| {
        let his = head.assignee.as_ref().is_some_and(|now| now.id == place.agent_key.agent);
        (his && head.state == State::Assigned).then_some(head.assignment_epoch)
    };
    for look in 1.. {
        match place.node.settled_head(place.key).await {
            Ok(head) => return place.tell(his(&head)),
            Err(error) if look >= LOOKS_MAX => {
                // The agent's sweep finds what was written; the place must not be kept for ever.
                tracing::warn!(conversation = %place.key.conversation, %error, "a reservation was given up unseen");
                return place.tell(None);
            }
            Err(_) => tokio::time::sleep(LOOK_AGAIN * 2_u32.pow(look)).await,
        }
    }
}

#[cfg(test)]
mod tests;
