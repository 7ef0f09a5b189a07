//! Many nodes as one. Today a cluster has one member: the façade stands where every caller already goes through it,
//! so that placement, hops and relays can come in behind it.

mod router;

pub use actors::{
    AgentBrief, AgentKey, AgentView, Attachment, Changes, Clock, ExecuteError, LATENCY_BOUNDS_US, Looks,
    Loss, OfferEnd, Outcome, Overflow, Place, Push, PushReceiver, PushSender, QueueBrief, QueueNews,
    Settings, StatsView, SubscriberId, Subscription, TooSlow, Topic, WAIT_BOUNDS_S, Watcher, window,
};
pub use router::Router;
