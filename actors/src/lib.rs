//! What is alive on one node: an actor for each conversation that somebody talks in, one for each agent who is there,
//! one for each team (its router).
//!
//! [`Node`] is the way in. Actors decide with `domain`'s pure rules and keep nothing that is not in the store's log;
//! whichever dies is activated again from there. No actor calls another and waits: what spans two is a function in
//! [`assignment`], and what an actor tells others goes through the [`Outbox`].

mod activation;
mod admission;
mod agent;
mod assignment;
mod clock;
mod conversation;
mod crashes;
mod node;
mod outbox;
mod push;
mod registry;
#[cfg(test)]
mod simulation;
mod stats;
mod supervisor;
mod team;
#[cfg(test)]
mod testing;
mod untold;
mod visitors;
mod watchers;

pub use agent::{AgentKey, AgentState, AgentView};
pub use clock::Clock;
pub use conversation::{Outcome, SubscriberId, Subscription};
pub use node::{AgentBrief, Attachment, Node, QueueBrief, Settings};
pub use outbox::{Loss, Notice, OfferEnd, Outbox, QueueNews};
pub use push::{Looks, Overflow, Push, PushReceiver, PushSender, TooSlow, window};
pub use stats::{LATENCY_BOUNDS_US, Stats, StatsView, WAIT_BOUNDS_S};
pub use team::{Before, Joined, Place, TeamKey};
pub use watchers::{Changes, Topic, Watcher};

/// A command was not carried out, or nobody can say whether it was.
#[derive(Debug, thiserror::Error)]
pub enum ExecuteError {
    /// The rules said no; nothing was written.
    #[error(transparent)]
    Rejected(#[from] domain::Rejection),
    /// Too much waits already; nothing was written. Try again soon.
    #[error("too many requests wait for this conversation")]
    Overloaded,
    /// It may have been written. Ask again with the same `client_id`: the answer then tells.
    #[error("the outcome is unknown")]
    Unknown,
    /// The command crashed its conversation again and again and is refused; nothing was written.
    #[error("this request cannot be carried out")]
    Poisoned,
    /// The store could not; nothing was written.
    #[error(transparent)]
    Store(#[from] store::StoreError),
}
