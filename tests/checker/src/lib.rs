//! Judges what clients saw against the delivery contract: nothing acknowledged is lost, doubled or reordered.
//!
//! Clients put everything they do and see into one [`Recorder`], in the order in which it happens; [`check`] then
//! looks for every way in which the contract can have been broken. It knows nothing of HTTP, sockets or the server:
//! its only input is the [`History`], which can be kept as JSON lines and judged again later.
//!
//! Who has which conversation is judged beside it: [`check_desk`] looks at one team as it was read at rest ([`Desk`]).

mod check;
mod desk;
mod history;
mod misrouting;
mod recorder;
mod violation;

pub use check::check;
pub use desk::{AgentAtRest, ConversationAtRest, Deed, Desk, Listed, Move, State, Step, Verb, check_desk};
pub use history::{
    Attempt, ClientId, ConversationId, Digest, Entry, History, HistoryError, Message, MessageId, Observer,
    Seen, Sender,
};
pub use misrouting::Misrouting;
pub use recorder::Recorder;
pub use violation::{Fault, Phantom, Violation};
