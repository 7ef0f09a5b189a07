//! The endpoints: one file a resource, each with its rows of the route table.

pub mod agent_conversations;
pub mod conversations;
pub mod documents;
mod heads;
pub mod health;
pub mod messages;
pub mod status;
pub mod visitors;
