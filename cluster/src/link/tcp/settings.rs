//! What links are started with.

use std::time::Duration;

/// The times and bounds of links. The defaults are those of the design; tests shorten them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkSettings {
    /// A handshake that takes longer is refused, and so is a connection that is not accepted in this time.
    pub handshake: Duration,
    /// Between two pings to a peer.
    pub ping_every: Duration,
    /// A peer that sends no pong for so long has its data link closed, so that what is in flight ends; it is dialed
    /// again. Longer than it takes to evict a member.
    pub silence: Duration,
    /// The pause before dialing again: at first, and at most. It doubles, less a random part of up to a half.
    pub dial_pause_min: Duration,
    /// See `dial_pause_min`.
    pub dial_pause_max: Duration,
    /// Connections whose handshake is not done: of all addresses.
    pub half_open_max: usize,
    /// The same of one address.
    pub half_open_of_address_max: usize,
}

impl Default for LinkSettings {
    fn default() -> Self {
        Self {
            handshake: Duration::from_secs(5),
            ping_every: Duration::from_millis(400),
            silence: Duration::from_secs(5),
            dial_pause_min: Duration::from_millis(100),
            dial_pause_max: Duration::from_secs(2),
            half_open_max: 256,
            half_open_of_address_max: 16,
        }
    }
}
