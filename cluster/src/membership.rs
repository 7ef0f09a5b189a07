//! Who is a member, and who owns what: an agreed view in the store, changed by compare-and-set, and the rules by which a member
//! that is dead or cut off leaves it. Nothing here opens a socket; the links give pongs, and custody follows the views.

mod agreed;
mod document;
mod driver;
mod handle;
mod heartbeat;
mod member;
#[cfg(test)]
mod model;
#[cfg(test)]
mod mutant;
mod pings;
mod placement;
mod pulse;
mod shards;
mod suspicion;
pub mod timing;

pub(crate) use agreed::change;
pub use document::{EvictedFor, Released, View};
pub use driver::{AloneError, Driver};
pub(crate) use handle::handed_out;
pub use handle::{Membership, Out};
pub(crate) use heartbeat::read as heartbeats;
pub use heartbeat::{Accusation, Heartbeat, Reason};
pub use member::{Member, MemberState};
pub use pings::{Pings, Pong};
pub use placement::Spread;
pub use pulse::Pulse;
pub use shards::{SHARDS, Shard, ShardId, Shards, shard_of};
pub use suspicion::{Heard, Proposal, Suspicion};
