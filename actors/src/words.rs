//! What crosses an actor's wall: keys, questions and their answers, notices, pushes. Values alone; what a process keeps to
//! itself (senders, counters, references to actors) is never among them.

mod agent;
mod ask;
mod keys;
mod notice;
mod publication;
mod push;
mod queue;
mod shown;

pub use agent::{AgentBrief, AgentReport, AgentView};
pub use ask::{
    Ask, Decline, Execute, ExecuteError, Explain, ListenerId, Outcome, Position, PositionWhenKnown, Probe,
    Read, Reserve, ReserveFor, SetStatus, Settle, Typing, ViewAgent, Viewing, Waiting,
};
pub(crate) use ask::{Attach, Subscribe};
pub use keys::{AgentKey, TeamKey};
pub use notice::{Loss, Notice};
pub(crate) use publication::{AgentPublication, Publication};
pub use push::{PresenceState, Push};
pub use queue::{Before, Given, Joined, OfferEnd, QueueBrief, QueueNews, QueuePosition};
pub use shown::{SharedEvent, SharedHead};
