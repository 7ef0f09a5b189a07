//! The hub: what actors publish becomes pushes for the sockets of this node here, and nowhere else.

mod listeners;
mod lists;
mod sessions;
mod window;

pub(crate) use listeners::Listeners;
pub(crate) use lists::Watchers;
pub use lists::{Changes, Topic, Watcher};
pub(crate) use sessions::Sessions;
pub use window::{PushReceiver, PushSender, TooSlow, window};

/// All who look on, on this node.
#[derive(Debug, Default)]
pub(crate) struct Hub {
    /// At conversations.
    pub(crate) listeners: Listeners,
    /// Agents' sockets.
    pub(crate) sessions: Sessions,
    /// At lists.
    pub(crate) lists: Watchers,
}
