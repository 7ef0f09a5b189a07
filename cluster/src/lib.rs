//! Many nodes as one: every caller names keys and goes through [`Cluster`]. Today one member of a cluster has custody of
//! everything, and the others stand by to take its place.

mod asked;
mod assignment;
mod boot;
mod carry;
mod cluster;
mod custody;
mod figures;
mod keeper;
mod link;
pub mod membership;
mod name;
mod peering;
mod protocol;
mod releasing;
#[cfg(test)]
mod simulation;
mod status;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod told;
mod wake;

pub use actors::{
    AgentBrief, AgentKey, AgentView, Attachment, Changes, Execute, ExecuteError, LATENCY_BOUNDS_US,
    ListenerId, Loss, OfferEnd, Outcome, PresenceState, Push, PushReceiver, PushSender, Question, QueueBrief,
    QueueNews, QueuePosition, Read, Settings, SharedEvent, SharedHead, StatsView, Subscription, TeamKey,
    TooSlow, Topic, Typing, ViewAgent, Viewing, WAIT_BOUNDS_S, Watcher, window,
};
pub use boot::{Boot, Ended, StartError};
pub use cluster::Cluster;
pub use figures::MemberFigures;
pub use link::{
    AskError, ClusterSecret, Delivery, IncomingAsk, IncomingPublication, IncomingTell, Introduction,
    LastPong, LinkCounters, LinkInbox, LinkSettings, LinkStatus, LinkTls, LinkTlsError, Links,
    SecretTooShort, Vitals,
};
pub use name::{NodeName, NotAName};
pub use peering::Joining;
pub use protocol::ProtocolRange;
pub use status::{ClusterStatus, MemberStatus, drain};
