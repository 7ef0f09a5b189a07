//! Questions to actors. Each is a value with the kind of key that names its actor and the kind of its answer.

use std::sync::Arc;

use domain::{
    AgentId, Answer, ClientId, ConversationId, Explanation, Head, Principal, Request, Seq, Status, Timestamp,
};
use store::ConversationKey;

use super::agent::AgentView;
use super::keys::{AgentKey, TeamKey};
use super::queue::QueuePosition;

/// A question to the actor that a key names.
pub trait Ask: Clone + Send + Sync + 'static {
    /// Names the actor.
    type Key: Copy + Send + Sync;
    /// What it answers.
    type Answer: Send + 'static;
}

/// A question was not answered with yes, or its outcome is not known.
#[derive(Debug, thiserror::Error)]
pub enum ExecuteError {
    /// The rules said no; nothing was written.
    #[error(transparent)]
    Rejected(#[from] domain::Rejection),
    /// Too much waits for the same actor already; nothing was written. Ask again soon.
    #[error("too many requests wait for this conversation")]
    Overloaded,
    /// This node may write no more; nothing was written. Ask again: the node that may answers.
    #[error("another node has taken over")]
    Moved,
    /// One actor after the other ended before it took the question up; nothing was written. Ask again soon.
    #[error("what was asked for moved again and again")]
    Contended,
    /// It may have been written. Ask again with the same `client_id`: the answer then tells.
    #[error("the outcome is unknown")]
    Unknown,
    /// The command crashed its conversation again and again and is refused; nothing was written.
    #[error("this request cannot be carried out")]
    Poisoned,
    /// The store could not, or no actor could be started; nothing was written.
    #[error(transparent)]
    Unavailable(#[from] store::StoreError),
}

impl ExecuteError {
    /// No actor could be started, because of `cause`.
    pub(crate) fn not_started(cause: &dyn std::error::Error) -> Self {
        tracing::warn!(error = %cause, "an actor was not started");
        Self::Unavailable(store::StoreError::Unavailable(format!("no actor could be started: {cause}")))
    }
}

/// What a command came to.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The command's answer.
    pub answer: Answer,
    /// The conversation after it; none for a posted message, whose answer says all.
    pub head: Option<Arc<Head>>,
}

/// Names one subscription to a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ListenerId(pub u64);

/// Carry out this request; an answer means that it is durable.
#[derive(Clone, Debug)]
pub struct Execute {
    /// What is asked, and who asks.
    pub request: Arc<Request>,
}

impl Ask for Execute {
    type Key = ConversationKey;
    type Answer = Outcome;
}

/// What would [`Execute`] refuse, or answer without a change? An outcome without a head: the request would change something.
#[derive(Clone, Debug)]
pub struct Probe {
    /// The request that is not carried out.
    pub request: Arc<Request>,
}

impl Ask for Probe {
    type Key = ConversationKey;
    type Answer = Outcome;
}

/// How does the conversation stand, once everything that was asked before is durable or refused? The outcome has a head.
#[derive(Clone, Copy, Debug)]
pub struct Settle;

impl Ask for Settle {
    type Key = ConversationKey;
    type Answer = Outcome;
}

/// Let this listener be pushed what is durable from now on; the answer is the last durable event.
#[derive(Clone, Debug)]
pub(crate) struct Subscribe {
    /// Names the listener, which the hub of its node knows.
    pub(crate) listener: ListenerId,
    /// Who listens.
    pub(crate) who: Arc<Principal>,
    /// The last event that the listener has, or claims to have.
    pub(crate) after: Seq,
}

impl Ask for Subscribe {
    type Key = ConversationKey;
    type Answer = Seq;
}

/// An agent who listens opens the conversation, or looks away.
#[derive(Clone, Copy, Debug)]
pub struct Viewing {
    /// The agent's subscription; with it the view is over.
    pub listener: ListenerId,
    /// False: the agent looks away.
    pub viewing: bool,
}

impl Ask for Viewing {
    type Key = ConversationKey;
    type Answer = ();
}

/// Somebody types, or stopped; over by itself after six seconds.
#[derive(Clone, Debug)]
pub struct Typing {
    /// Who types.
    pub who: Arc<Principal>,
    /// False: they stopped.
    pub typing: bool,
    /// What a visitor has typed so far.
    pub preview: Option<Arc<str>>,
}

impl Ask for Typing {
    type Key = ConversationKey;
    type Answer = ();
}

/// Somebody has read up to an event; a mark never falls.
#[derive(Clone, Debug)]
pub struct Read {
    /// The reader.
    pub who: Arc<Principal>,
    /// The last event that they read.
    pub seq: Seq,
}

impl Ask for Read {
    type Key = ConversationKey;
    type Answer = ();
}

/// Count this socket of the agent's as open; the answer is the agent as it begins.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attach {
    /// Names the socket, which the hub of its node knows.
    pub(crate) session: u64,
}

impl Ask for Attach {
    type Key = AgentKey;
    type Answer = AgentView;
}

/// How is the agent?
#[derive(Clone, Copy, Debug)]
pub struct ViewAgent;

impl Ask for ViewAgent {
    type Key = AgentKey;
    type Answer = AgentView;
}

/// The agent wants to be taken for this. Their record has it already.
#[derive(Clone, Copy, Debug)]
pub struct SetStatus(pub Status);

impl Ask for SetStatus {
    type Key = AgentKey;
    type Answer = AgentView;
}

/// Keep a place for a conversation that is about to be assigned to the agent.
#[derive(Clone, Copy, Debug)]
pub struct Reserve {
    /// The conversation.
    pub conversation: ConversationId,
    /// How the assignment came about.
    pub reserve_for: ReserveFor,
}

/// How an assignment came about; it decides what the agent has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReserveFor {
    /// The agent's own wish: they may be away.
    Asked,
    /// Another gives it to the agent, who must be present.
    Given,
}

impl Ask for Reserve {
    type Key = AgentKey;
    type Answer = ();
}

/// The agent does not want what they are offered.
#[derive(Clone, Debug)]
pub struct Decline {
    /// The conversation.
    pub conversation: ConversationId,
    /// The agent.
    pub agent: AgentId,
    /// The sender's own name for it: a repeat declines nothing more.
    pub client_id: Option<ClientId>,
}

impl Ask for Decline {
    type Key = TeamKey;
    type Answer = ();
}

/// Where does the conversation stand? None: it does not wait here, or that is not known yet.
#[derive(Clone, Copy, Debug)]
pub struct Position(pub ConversationId);

impl Ask for Position {
    type Key = TeamKey;
    type Answer = Option<QueuePosition>;
}

/// The same of a conversation that is on its way here: answered when it has come.
#[derive(Clone, Copy, Debug)]
pub struct PositionWhenKnown {
    /// The conversation.
    pub conversation: ConversationId,
    /// When it was queued, and after which assignment.
    pub since: (Timestamp, u64),
}

impl Ask for PositionWhenKnown {
    type Key = TeamKey;
    type Answer = Option<QueuePosition>;
}

/// How many conversations wait? None: that is not known yet.
#[derive(Clone, Copy, Debug)]
pub struct Waiting;

impl Ask for Waiting {
    type Key = TeamKey;
    type Answer = Option<usize>;
}

/// Where does the conversation stand, and why is it offered to that agent, or would be? None: it does not wait here.
#[derive(Clone, Copy, Debug)]
pub struct Explain(pub ConversationId);

impl Ask for Explain {
    type Key = TeamKey;
    type Answer = Option<(QueuePosition, Explanation)>;
}
