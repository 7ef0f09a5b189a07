//! What the links give: pongs.

use std::time::Duration;

use domain::Timestamp;
use store::Incarnation;
use tokio::time::Instant;

/// An answer to a ping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pong {
    /// When it came, by this machine's monotonic clock.
    pub at: Instant,
    /// The peer's clock when it was sent.
    pub clock: Timestamp,
    /// How long before the peer's main runtime had ticked.
    pub tick_age: Duration,
    /// How long before a heartbeat of the peer had passed; none: none did yet.
    pub heartbeat_age: Option<Duration>,
}

/// Pings between this node and its peers. The links ping each member of the newest view every
/// [`PING_EVERY`](super::timing::PING_EVERY), over a connection on which nothing else waits, and answer pings by
/// [`Pulse`](super::pulse::Pulse).
pub trait Pings: Send + Sync + 'static {
    /// The last pong of the peer; none: none came yet. Never waits.
    fn last_pong(&self, peer: Incarnation) -> Option<Pong>;

    /// Whether this node can ask the peer, for those who look at the cluster. Never waits.
    fn is_linked(&self, peer: Incarnation) -> bool;
}
