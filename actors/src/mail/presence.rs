//! Whether an agent is there: what others set and read without asking the agent's actor.

use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use domain::Status;

/// The agent was not seen yet.
const NEVER: u64 = u64::MAX;

/// Times are milliseconds of the node's uptime. `status`, `sessions`, `load` and `capacity` are set by the agent's actor alone.
#[derive(Debug)]
pub(crate) struct AgentPresence {
    /// When the agent last asked for anything.
    seen_ms: AtomicU64,
    /// When the actor began: an agent who was there before gets the whole grace time again, and keeps what they hold.
    began_ms: u64,
    status: AtomicU8,
    /// How many sockets of the agent's are open.
    sessions: AtomicUsize,
    load: AtomicU32,
    capacity: AtomicU32,
    /// [`Seen`] as the actor last saw it.
    looked: AtomicU8,
}

/// Whether the agent is there, at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) present: bool,
    pub(crate) holds_on: bool,
}

impl AgentPresence {
    pub(crate) fn from(began_ms: u64) -> Self {
        Self {
            seen_ms: AtomicU64::new(NEVER),
            began_ms,
            status: AtomicU8::new(number(Status::Offline)),
            sessions: AtomicUsize::new(0),
            load: AtomicU32::new(0),
            capacity: AtomicU32::new(0),
            looked: AtomicU8::new(0),
        }
    }

    pub(crate) fn seen(&self, uptime_ms: u64) {
        self.seen_ms.store(uptime_ms, Ordering::Relaxed);
    }

    pub(crate) fn show(&self, status: Status, sessions: usize, load: usize, capacity: u32) {
        self.status.store(number(status), Ordering::Relaxed);
        self.sessions.store(sessions, Ordering::Relaxed);
        self.load.store(load as u32, Ordering::Relaxed);
        self.capacity.store(capacity, Ordering::Relaxed);
    }

    /// A socket of the agent's is open, or they asked for something within `grace`.
    pub(crate) fn is_present(&self, uptime_ms: u64, grace: Duration) -> bool {
        let seen_ms = self.seen_ms.load(Ordering::Relaxed);
        self.sessions.load(Ordering::Relaxed) > 0
            || (seen_ms != NEVER && uptime_ms.saturating_sub(seen_ms) <= grace.as_millis() as u64)
    }

    /// The agent is present, or the actor began within `grace`.
    pub(crate) fn holds_on(&self, uptime_ms: u64, grace: Duration) -> bool {
        self.is_present(uptime_ms, grace)
            || uptime_ms.saturating_sub(self.began_ms) <= grace.as_millis() as u64
    }

    /// The agent wants conversations, and is there.
    pub(crate) fn is_online(&self, uptime_ms: u64, grace: Duration) -> bool {
        self.status() == Status::Online && self.is_present(uptime_ms, grace)
    }

    /// What the agent wants to be taken for; `offline` for a disabled one.
    pub(crate) fn status(&self) -> Status {
        match self.status.load(Ordering::Relaxed) {
            0 => Status::Online,
            1 => Status::Away,
            _ => Status::Offline,
        }
    }

    /// What the agent carries, and what they may.
    pub(crate) fn load(&self) -> (u32, u32) {
        (self.load.load(Ordering::Relaxed), self.capacity.load(Ordering::Relaxed))
    }

    /// As it is now; remembered, so that [`Self::moved`] compares with it.
    pub(crate) fn look(&self, uptime_ms: u64, grace: Duration) -> Seen {
        let looked = self.now(uptime_ms, grace);
        self.looked.store(looked.bits(), Ordering::Relaxed);
        looked
    }

    /// The agent came or went since the actor last looked.
    pub(crate) fn moved(&self, uptime_ms: u64, grace: Duration) -> bool {
        self.now(uptime_ms, grace).bits() != self.looked.load(Ordering::Relaxed)
    }

    fn now(&self, uptime_ms: u64, grace: Duration) -> Seen {
        Seen { present: self.is_present(uptime_ms, grace), holds_on: self.holds_on(uptime_ms, grace) }
    }
}

impl Seen {
    fn bits(self) -> u8 {
        1 | u8::from(self.present) << 1 | u8::from(self.holds_on) << 2
    }
}

fn number(status: Status) -> u8 {
    match status {
        Status::Online => 0,
        Status::Away => 1,
        Status::Offline => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRACE: Duration = Duration::from_secs(20);

    #[test]
    fn an_agent_is_online_while_a_socket_is_open_or_they_asked_a_moment_ago() {
        let presence = AgentPresence::from(0);
        presence.seen(1_000);
        assert!(!presence.is_online(1_000, GRACE), "the status is not online");
        presence.show(Status::Online, 0, 0, 5);
        assert!(presence.is_online(21_000, GRACE));
        assert!(!presence.is_online(21_001, GRACE));
        presence.show(Status::Online, 1, 0, 5);
        assert!(presence.is_online(1_000_000, GRACE));
        presence.show(Status::Away, 1, 0, 5);
        assert!(!presence.is_online(1_000_000, GRACE));
    }

    #[test]
    fn an_agent_who_was_not_seen_yet_holds_on_for_the_grace_time_and_is_not_present() {
        let presence = AgentPresence::from(5_000);
        assert!(presence.holds_on(25_000, GRACE) && !presence.is_present(25_000, GRACE));
        presence.look(25_000, GRACE);
        assert!(!presence.moved(25_000, GRACE));
        assert!(presence.moved(25_001, GRACE), "the time is over");
        presence.look(25_001, GRACE);
        presence.seen(30_000);
        assert!(presence.moved(30_000, GRACE), "the agent came");
    }
}
