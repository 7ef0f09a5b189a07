//! Many nodes as one. Today a cluster has one member: the façade stands where every caller already goes through it,
//! so that placement, hops and relays can come in behind it.

mod router;

pub use actors::{
    AgentKey, AgentView, Attachment, Clock, ExecuteError, LATENCY_BOUNDS_US, Loss, Outcome, Overflow, Push,
    PushReceiver, PushSender, Settings, StatsView, Subscription, TooSlow, window,
};
pub use router::Router;
