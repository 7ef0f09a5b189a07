//! What the rules say no with. Nothing was written when one of these is the answer.

/// The rules said no. Each has its own code in the public contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// It does not exist for the one who asks.
    #[error("not found")]
    NotFound,
    /// He sees it, and may not do this.
    #[error("not allowed")]
    Forbidden,
    /// The same `client_id` came before with other content.
    #[error("this client_id was used before with other content")]
    IdempotencyConflict,
    /// Another agent has it.
    #[error("another agent has this conversation")]
    AlreadyAssigned,
    /// He had it, and has it no more; or it moved since he looked.
    #[error("the conversation is no longer assigned as it was")]
    StaleAssignment,
    /// The agent holds as many as he may.
    #[error("the agent holds as many conversations as he may")]
    CapacityExceeded,
    /// The agent is offline, not present, or disabled.
    #[error("the agent is not there")]
    AgentOffline,
    /// It has ended.
    #[error("the conversation has ended")]
    ConversationEnded,
    /// The log has taken what it takes: only its end still fits.
    #[error("the conversation is full: end it and start anew")]
    ConversationFull,
    /// With those that it has it would have more tags than it may.
    #[error("must leave the conversation at most 20 tags")]
    TooManyTags,
    /// The state does not allow it; the text says why.
    #[error("{0}")]
    Conflict(&'static str),
}
