//! Many nodes as one. Today a cluster has one member: every caller already names only keys and goes through [`Cluster`], so
//! that placement, links and relays can come in behind it.

mod assignment;
mod carry;
mod cluster;
mod link;
pub mod membership;
mod name;
mod protocol;
#[cfg(test)]
mod simulation;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod view;
mod wake;

pub use actors::{
    AgentBrief, AgentKey, AgentView, Attachment, Authority, Changes, Execute, ExecuteError,
    LATENCY_BOUNDS_US, ListenerId, Loss, OfferEnd, Outcome, PresenceState, Push, PushReceiver, PushSender,
    Question, QueueBrief, QueueNews, QueuePosition, Read, Settings, SharedEvent, SharedHead, StatsView,
    Subscription, TeamKey, TooSlow, Topic, Typing, ViewAgent, Viewing, WAIT_BOUNDS_S, Watcher, window,
};
pub use cluster::Cluster;
pub use link::{
    AskError, ClusterSecret, Delivery, IncomingAsk, IncomingPublication, IncomingTell, Introduction,
    LastPong, LinkCounters, LinkInbox, LinkSettings, LinkStatus, LinkTls, LinkTlsError, Links,
    SecretTooShort, Vitals,
};
pub use name::{NodeName, NotAName};
pub use protocol::ProtocolRange;
pub use view::{Boot, StartError};
