//! What is alive on one node.

mod clock;

pub use clock::Clock;
