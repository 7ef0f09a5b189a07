//! What spans a conversation and an agent: reserve a place with the agent's actor, have the conversation write it, settle the
//! place. Run by the caller's task, never inside an actor.

use std::sync::Arc;
use std::time::Duration;

use actors::{
    AgentKey, Decline, ExecuteError, Given, Node, Notice, Outcome, Probe, Reserve, ReserveFor, Settle,
    TeamKey,
};
use domain::{
    Action, AgentCard, AgentId, AssignReason, ClientId, Command, Explanation, Head, MessageId, MessageText,
    Principal, Rejection, ReleaseReason, Request, State, may,
};
use store::ConversationKey;

/// The agent who asks takes the conversation: from the queue, or with `take_over` from another.
pub(crate) async fn accept(
    node: &Node,
    key: ConversationKey,
    by: Principal,
    client_id: Option<ClientId>,
    take_over: bool,
) -> Result<Outcome, ExecuteError> {
    let head = head(node, key).await?;
    // An offer's reasons are worth a short wait, and nothing more.
    let offered = node.explain(key, head.team).await;
    let why = match (&by, offered) {
        (Principal::Agent { card, .. }, Some((position, why))) if position.offered_to == Some(card.id) => {
            Some(Box::new(why))
        }
        _ => None,
    };
    let request = Request { by, client_id, command: Command::Accept { take_over, why } };
    assign_to_sender(node, key, request).await
}

/// Gives the conversation to another agent, as it is assigned now.
pub(crate) async fn transfer(
    node: &Node,
    key: ConversationKey,
    by: Principal,
    client_id: Option<ClientId>,
    to: AgentCard,
    note: Option<(MessageId, MessageText)>,
) -> Result<Outcome, ExecuteError> {
    let assignment_epoch = head(node, key).await?.assignment_epoch;
    let agent = to.id;
    let command = Command::TransferToAgent { agent: to, assignment_epoch, note };
    assign(node, key, agent, ReserveFor::Given, Request { by, client_id, command }).await
}

/// Opens an ended conversation again: for the last agent, if they ask, else for its queue.
pub(crate) async fn reopen(
    node: &Node,
    key: ConversationKey,
    by: Principal,
    client_id: Option<ClientId>,
) -> Result<Outcome, ExecuteError> {
    let last = head(node, key).await?.assignee.map(|agent| agent.id);
    let is_last = matches!(&by, Principal::Agent { card, .. } if Some(card.id) == last);
    let request = Request { by, client_id, command: Command::Reopen };
    if is_last { assign_to_sender(node, key, request).await } else { node.execute(key, request).await }
}

/// The agent does not want what they are offered.
pub(crate) async fn decline(
    node: &Node,
    key: ConversationKey,
    by: &Principal,
    client_id: Option<ClientId>,
) -> Result<(), ExecuteError> {
    let head = head(node, key).await?;
    may(head.standing(by, |_| None), Action::Read)?;
    let Principal::Agent { card, .. } = by else { return Err(Rejection::Forbidden.into()) };
    let team = TeamKey { workspace: key.workspace, team: head.team };
    let ask = Decline { conversation: key.conversation, agent: card.id, client_id };
    match node.ask(team, ask).await {
        // A repeat comes before the state, and the router knows repeats.
        Err(ExecuteError::Rejected(_)) if head.state == State::Ended => {
            Err(Rejection::ConversationEnded.into())
        }
        answer => answer,
    }
}

/// A router gives a waiting conversation to an agent.
pub(crate) async fn give(
    node: &Node,
    key: ConversationKey,
    to: AgentCard,
    assignment_epoch: u64,
    why: Box<Explanation>,
) -> Given {
    let agent_key = AgentKey { workspace: key.workspace, agent: to.id };
    match reserve(node, agent_key, key, ReserveFor::Given).await {
        Ok(()) => {}
        Err(ExecuteError::Rejected(_)) => return Given::Refused,
        Err(error) => {
            tracing::debug!(conversation = %key.conversation, %error, "an agent was not asked");
            return Given::Failed;
        }
    }
    let reservation = Reservation { node: node.clone(), agent_key, key, settled: false };
    let command = Command::Assign { agent: to, assignment_epoch, reason: AssignReason::Auto, why: Some(why) };
    let outcome = node.execute(key, Request { by: Principal::System, client_id: None, command }).await;
    reservation.settle(&outcome).await;
    match outcome {
        Ok(_) => Given::Done,
        Err(ExecuteError::Rejected(_)) => Given::Moved,
        Err(error) => {
            tracing::debug!(conversation = %key.conversation, %error, "a conversation was not given");
            Given::Failed
        }
    }
}

/// The agent cannot have the conversation any longer: it goes back to its queue.
pub(crate) async fn release(
    node: &Node,
    key: ConversationKey,
    agent: AgentId,
    assignment_epoch: u64,
    reason: ReleaseReason,
) {
    let command = Command::Release { assignment_epoch, reason };
    match node.execute(key, Request { by: Principal::System, client_id: None, command }).await {
        Ok(_) => {}
        Err(ExecuteError::Rejected(rejection)) => {
            tracing::debug!(conversation = %key.conversation, %rejection, "nothing to give back");
        }
        // The agent's actor reconciles soon, and asks again if it must.
        Err(error) => {
            tracing::warn!(conversation = %key.conversation, %error, "not given back yet");
            let agent = AgentKey { workspace: key.workspace, agent };
            node.deliver(Notice::NotReleased { agent }).await;
        }
    }
}

async fn assign_to_sender(
    node: &Node,
    key: ConversationKey,
    request: Request,
) -> Result<Outcome, ExecuteError> {
    let Principal::Agent { card, .. } = &request.by else { return Err(Rejection::Forbidden.into()) };
    assign(node, key, card.id, ReserveFor::Asked, request).await
}

async fn assign(
    node: &Node,
    key: ConversationKey,
    agent: AgentId,
    reserve_for: ReserveFor,
    request: Request,
) -> Result<Outcome, ExecuteError> {
    let agent_key = AgentKey { workspace: key.workspace, agent };
    if let Err(refused) = reserve(node, agent_key, key, reserve_for).await {
        // The conversation's own refusal comes before the agent's: a sender who may not see it hears nothing of capacity.
        let ExecuteError::Rejected(rejection) = refused else { return Err(refused) };
        return probe(node, key, request, rejection).await;
    }
    let reservation = Reservation { node: node.clone(), agent_key, key, settled: false };
    let outcome = node.execute(key, request).await;
    reservation.settle(&outcome).await;
    outcome
}

async fn reserve(
    node: &Node,
    agent: AgentKey,
    key: ConversationKey,
    reserve_for: ReserveFor,
) -> Result<(), ExecuteError> {
    node.ask(agent, Reserve { conversation: key.conversation, reserve_for }).await
}

async fn probe(
    node: &Node,
    key: ConversationKey,
    request: Request,
    rejection: Rejection,
) -> Result<Outcome, ExecuteError> {
    let outcome = node.ask(key, Probe { request: Arc::new(request) }).await?;
    // Nothing to change: a repeat, or the agent has it already.
    if outcome.head.is_some() { Ok(outcome) } else { Err(rejection.into()) }
}

/// Whether the sender sees it is the conversation's to say: it knows a repeat, also of a sender who sees it no longer.
async fn head(node: &Node, key: ConversationKey) -> Result<Head, ExecuteError> {
    Ok(node.store().heads.get(key).await?.ok_or(Rejection::NotFound)?)
}

/// A place that is kept with an agent's actor. If the task that holds it goes away before it was settled, it is settled by
/// what the store says: the assignment may have been written.
struct Reservation {
    node: Node,
    agent_key: AgentKey,
    key: ConversationKey,
    settled: bool,
}

impl Reservation {
    async fn settle(mut self, outcome: &Result<Outcome, ExecuteError>) {
        self.settled = true;
        match outcome {
            Ok(outcome) => {
                let assigned = outcome.head.as_ref().and_then(|head| self.epoch_in(head));
                self.tell(assigned).await;
            }
            // Beside: the caller hears at once that the outcome is unknown.
            Err(ExecuteError::Unknown) => drop(tokio::spawn(async move { read_and_settle(&self).await })),
            Err(
                ExecuteError::Rejected(_)
                | ExecuteError::Overloaded
                | ExecuteError::Moved
                | ExecuteError::Contended
                | ExecuteError::Poisoned
                | ExecuteError::Unavailable(_),
            ) => self.tell(None).await,
        }
    }

    /// The epoch of the agent's assignment; none: the agent does not have it.
    fn epoch_in(&self, head: &Head) -> Option<u64> {
        let has_it = head.assignee.as_ref().is_some_and(|now| now.id == self.agent_key.agent);
        (has_it && head.state == State::Assigned).then_some(head.assignment_epoch)
    }

    async fn tell(&self, assigned: Option<u64>) {
        let (agent, conversation) = (self.agent_key, self.key.conversation);
        self.node.deliver(Notice::Settled { agent, conversation, assigned }).await;
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if !self.settled {
            let (node, agent_key, key) = (self.node.clone(), self.agent_key, self.key);
            let rest = Reservation { node, agent_key, key, settled: true };
            tokio::spawn(async move { read_and_settle(&rest).await });
        }
    }
}

/// The pause before what became of an assignment is asked again: longer each time, up to a bound.
const ASK_AGAIN: Duration = Duration::from_millis(50);
const ASK_AGAIN_MAX: Duration = Duration::from_secs(5);

/// Asks the conversation, whose answer waits for everything that was asked of it before. Until it answers the place is kept:
/// the assignment may yet be written. A store that is away keeps agents from being assigned anything else as well.
async fn read_and_settle(reservation: &Reservation) {
    let mut pause = ASK_AGAIN;
    loop {
        match reservation.node.ask(reservation.key, Settle).await {
            Ok(Outcome { head, .. }) => {
                let assigned = head.as_ref().and_then(|head| reservation.epoch_in(head));
                return reservation.tell(assigned).await;
            }
            Err(ExecuteError::Rejected(_)) => return reservation.tell(None).await,
            // The node is over, and its agents' actors with it.
            Err(ExecuteError::Moved) => return,
            Err(
                ExecuteError::Overloaded
                | ExecuteError::Contended
                | ExecuteError::Unknown
                | ExecuteError::Poisoned
                | ExecuteError::Unavailable(_),
            ) => {
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(ASK_AGAIN_MAX);
            }
        }
    }
}
