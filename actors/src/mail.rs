//! What actors are sent, and the handles by which they are reached.

mod agent;
mod conversation;
mod gauges;
mod mailbox;
mod presence;
mod team;

pub(crate) use agent::{AgentHandle, AgentMessage};
pub(crate) use conversation::{Activity, Appended, ConversationHandle, ConversationMessage};
pub(crate) use gauges::QueueGauges;
pub(crate) use mailbox::{Asked, Handle, Permit, Refusal, Reply};
pub(crate) use presence::AgentPresence;
pub(crate) use team::{Roster, TeamHandle, TeamMessage};
