//! Lanes over a database with conditional statements: how a node appends, is fenced, and settles what it does not know.
//!
//! ```text
//! LaneLog        open, seal, read, journals, the mover, erase       log.rs and the files named after those
//! OpenLanes      what a boot appends through                        open.rs
//! Lane           one lane's task: queue, pointers, batch, roll      lane.rs over queue.rs, pointed.rs, settle.rs
//! Segments       the statements that all of it is made of           segments.rs
//! ```
//!
//! Nothing here knows a database, an event or a clock of another machine: the rules are those of docs/storage.md, and
//! `model` holds them to their promises under random schedules.

mod confirm;
mod erase;
mod journal;
mod lane;
mod log;
#[cfg(test)]
mod model;
mod mover;
#[cfg(test)]
mod mutant;
mod open;
pub(crate) mod options;
mod pointed;
mod queue;
mod read;
mod rules;
mod seal;
pub(crate) mod segments;
mod settle;
mod tries;

pub(crate) use log::LaneLog;
pub(crate) use open::OpenLanes;
