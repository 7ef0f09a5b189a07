//! The way from actors to the sockets of this node.

mod lists;
mod window;

pub(crate) use lists::Watchers;
pub use lists::{Changes, Topic, Watcher};
pub use window::{Overflow, PushReceiver, PushSender, TooSlow, window};
