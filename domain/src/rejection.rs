//! The refusals of the rules. Nothing was written when one of these is the answer.

/// Why the rules refuse a request. Each has its own code in the public contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// It does not exist for the principal who asks.
    #[error("not found")]
    NotFound,
    /// The principal sees it, and may not do this.
    #[error("not allowed")]
    Forbidden,
    /// The same `client_id` came before with other content.
    #[error("this client_id was used before with other content")]
    IdempotencyConflict,
    /// Another agent has it.
    #[error("another agent has this conversation")]
    AlreadyAssigned,
    /// The agent had it and has it no more; or it moved since they looked.
    #[error("{0}")]
    StaleAssignment(Stale),
    /// The agent holds as many as they may.
    #[error("the agent holds as many conversations as they may")]
    CapacityExceeded,
    /// The agent is offline, not present, or disabled.
    #[error("{0}")]
    AgentOffline(Absent),
    /// It has ended.
    #[error("the conversation has ended")]
    ConversationEnded,
    /// The log is full: only the conversation's end still fits.
    #[error("the conversation is full: end it and start anew")]
    ConversationFull,
    /// The conversation would have more tags than it may.
    #[error("must leave the conversation at most 20 tags")]
    TooManyTags,
    /// The state does not allow it; the text says why.
    #[error("{0}")]
    Conflict(&'static str),
}

/// Why an agent no longer has a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Stale {
    /// It was given back to the queue, by the agent or a supervisor.
    #[error("the conversation was released to the queue")]
    Released,
    /// It was transferred to a team or to another agent.
    #[error("the conversation was transferred")]
    Transfer,
    /// The agent stopped being present: no socket was open and nothing was asked for longer than the grace time.
    #[error("the conversation went back to the queue because its agent was gone: keep a socket open")]
    AgentGone,
    /// The agent went offline.
    #[error("the conversation went back to the queue because its agent went offline")]
    Offline,
    /// It came to the agent beyond their capacity.
    #[error("the conversation went back to the queue because its agent held more than their capacity")]
    OverCapacity,
    /// The agent was disabled.
    #[error("the conversation went back to the queue because its agent was disabled")]
    Disabled,
    /// Another agent took it over.
    #[error("another agent took the conversation over")]
    TakenOver,
    /// It ended and was opened again.
    #[error("the conversation was reopened")]
    Reopened,
    /// It was assigned anew, or released, since the request looked at it.
    #[error("the conversation is no longer assigned as it was")]
    Moved,
}

/// Why an agent can be given nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Absent {
    /// Their status is offline.
    #[error("the agent is offline: set the status online first")]
    Offline,
    /// No socket of theirs is open, and they asked for nothing within the grace time.
    #[error("the agent is not present: no socket is open")]
    AgentGone,
    /// They may not log in.
    #[error("the agent is disabled")]
    Disabled,
}

impl Stale {
    /// The word that clients match on, the same as in the event that released it, where one did.
    pub fn word(self) -> &'static str {
        match self {
            Self::Released => "released",
            Self::Transfer => "transfer",
            Self::AgentGone => "agent_gone",
            Self::Offline => "offline",
            Self::OverCapacity => "over_capacity",
            Self::Disabled => "disabled",
            Self::TakenOver => "taken_over",
            Self::Reopened => "reopened",
            Self::Moved => "moved",
        }
    }
}

impl Absent {
    /// The word that clients match on.
    pub fn word(self) -> &'static str {
        match self {
            Self::Offline => "offline",
            Self::AgentGone => "agent_gone",
            Self::Disabled => "disabled",
        }
    }
}
