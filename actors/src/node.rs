//! A node: the actors that live here, and the way to them.

mod agents;
mod ask;
mod conversations;
mod deliver;
mod listening;
mod local;
mod start;
mod teams;
#[cfg(any(test, feature = "testing"))]
mod testing;
mod tick;

pub use ask::Question;
pub use listening::{Attachment, Subscription};
pub use local::{Node, WeakNode};
#[cfg(any(test, feature = "testing"))]
pub use testing::Living;
