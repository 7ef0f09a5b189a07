//! What is alive on one node: an actor for each conversation that somebody talks in, one for each agent who is there,
//! one for each team (its router).
//!
//! [`Node`] is the way in. Actors decide with `domain`'s pure rules and keep nothing that is not in the store's log; one that
//! dies is activated again from there. No actor calls another and waits: what an actor tells others goes through its
//! outbox, and what spans two actors is the cluster's.

mod agent;
mod conversation;
mod hub;
mod mail;
mod node;
mod runtime;
mod team;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod words;

pub use hub::{Changes, PushReceiver, PushSender, TooSlow, Topic, Watcher, window};
pub use node::{Attachment, Node, Question, Subscription, WeakNode};
pub use runtime::{Authority, Custody, LATENCY_BOUNDS_US, Settings, StatsView, WAIT_BOUNDS_S};
pub use words::{
    AgentBrief, AgentKey, AgentReport, AgentView, Ask, Before, Decline, Execute, ExecuteError, Explain,
    Given, Joined, ListenerId, Loss, Notice, OfferEnd, Outcome, Position, PositionWhenKnown, PresenceState,
    Probe, Push, QueueBrief, QueueNews, QueuePosition, Read, Reserve, ReserveFor, SetStatus, Settle,
    SharedEvent, SharedHead, TeamKey, Typing, ViewAgent, Viewing, Waiting,
};
