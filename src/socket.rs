//! The persistent socket of visitors and agents: one task for each, which reads, writes, and owns the sink.
//!
//! Positions make delivery exact: of each conversation a socket knows the last `seq` that it wrote. What comes next
//! is written, what came before is skipped, what is missing is read from the store. So a lost push costs a read,
//! never a message.
//!
//! `greeting.rs` begins and ends a socket, `turn.rs` is its loop, over the state in `session.rs`; the other files do what a
//! turn needs. HTTP hands a connection over as a [`Handover`]; nothing in here knows a route.

mod close;
mod counted;
mod frames;
mod greeting;
mod handover;
mod owners;
mod pushed;
mod queue;
mod queue_positions;
mod replay;
mod requests;
mod searches;
mod session;
mod shown_ones;
mod side;
mod sockets;
mod subscriptions;
mod turn;
mod viewing;
mod watches;
mod watching;
mod welcome;

pub use close::Close;
pub use greeting::serve;
pub use handover::Handover;
pub use sockets::Sockets;

#[cfg(test)]
mod tests;
