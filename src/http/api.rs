//! The endpoints: one file a resource, each with its rows of the route table.

pub mod admin;
pub mod agent_conversations;
pub mod assignments;
mod attributes;
pub mod auth;
pub mod canned;
pub mod colleagues;
pub mod conversations;
pub mod documents;
pub mod events;
mod fields;
pub mod files;
mod heads;
pub mod health;
mod hours;
pub mod messages;
mod once;
pub mod routing;
mod rows;
pub mod search;
pub mod status;
pub mod tags;
pub mod transfers;
pub mod uploads;
mod versioned;
pub mod visitors;
pub mod widget;
