//! Every number of the membership, once. The figures are those of the rules that all nodes follow; changing one changes how
//! soon a dead node is noticed, or how easily a slow one is taken for dead, never whether two nodes may write.

use std::time::Duration;

/// How often a node pings each peer.
pub const PING_EVERY: Duration = Duration::from_millis(400);
/// A peer without a pong for so long is accused: four pings went unanswered.
pub const SILENT_AFTER: Duration = Duration::from_millis(1_600);
/// A peer that never sent a pong is accused so long after it was first seen in the view: both sides poll the view, one of
/// them connects, and a handshake may take 5 s.
pub const FIRST_PONG_WITHIN: Duration = Duration::from_secs(6);
/// A main runtime that has not ticked for so long sends no pong: a wedged server must not look alive.
pub const WEDGED_AFTER: Duration = Duration::from_secs(3);

/// How often a node writes its heartbeat while it has peers.
pub const HEARTBEAT_EVERY: Duration = Duration::from_secs(1);
/// A peer whose counter stood still for so long, while the node's own heartbeats passed, is accused.
pub const STANDING_AFTER: Duration = Duration::from_secs(6);
/// Heartbeats pass, and counters are read, while neither was further apart than this; longer, and counters are watched afresh.
/// Three times the interval: a store that is slow for a moment begins no new watch.
pub const WATCH_GAP_MAX: Duration = Duration::from_secs(3);
/// An accusation that was not renewed for so long does not count.
pub const ACCUSATION_VALID: Duration = Duration::from_secs(3);
/// Two members that accuse each other for so long, while nobody else accuses either of them, are parted: the greater name leaves.
pub const MUTUAL_FOR: Duration = Duration::from_secs(5);
/// At most one member is evicted by its counter in this time, so that an overloaded store does not empty the cluster.
pub const COUNTER_EVICTION_EVERY: Duration = Duration::from_secs(10);

/// How often the main runtime ticks.
pub const TICK_EVERY: Duration = Duration::from_millis(200);
/// A tick that comes later than this by so much is late: as much as a pong may be held up by the node's own runtime.
pub const LATE_TICK: Duration = PING_EVERY;
/// A node whose tick was late accuses nobody and evicts nobody for so long.
pub const HOLD_AFTER_LATE_TICK: Duration = Duration::from_secs(2);
/// A tick that is late by more than this is a pause: the view is read before anything else.
pub const PAUSE: Duration = Duration::from_secs(1);

/// How often the view and the heartbeats are read.
pub const READ_EVERY: Duration = Duration::from_secs(1);
/// How often they are read while the node accuses a member: the second accuser's vote is waited for.
pub const READ_EVERY_ACCUSING: Duration = Duration::from_millis(200);
/// How long the pause is after a change of the view that failed.
pub const CHANGE_AGAIN: Duration = Duration::from_millis(200);
/// How long one call of the store may take: as long as the store itself takes to tell an unknown outcome.
pub const CALL_WITHIN: Duration = Duration::from_secs(5);
