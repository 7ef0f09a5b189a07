//! What every actor of a node stands on.

mod context;
mod crashes;
mod custody;
mod outbox;
mod registry;
mod stats;
mod supervisor;
mod visitors;

pub use context::{Authority, Settings};
pub(crate) use context::{Context, start};
pub(crate) use crashes::Witness;
pub use custody::Custody;
pub(crate) use stats::Stats;
pub use stats::{LATENCY_BOUNDS_US, StatsView, WAIT_BOUNDS_S};
