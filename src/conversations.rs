//! Conversations as people use them, however they ask: handlers of HTTP and sockets both come through here. Nothing in here
//! knows a request or a frame.

pub(crate) mod people;
mod post;
mod queue;
mod sight;
mod status;
mod typing;
pub mod view;

pub use post::{FILES_MAX, Message, Posted, check_proven, parse_text, post, take_send};
pub use queue::{place, queue_is_full, waiting};
pub(crate) use sight::{seen_head, show_to};
pub use status::set_status;
pub use typing::typing;

#[cfg(test)]
mod tests;
