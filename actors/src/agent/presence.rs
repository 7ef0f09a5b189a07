//! Whether an agent is there: what others set and look at without asking his actor.

use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use domain::{AgentId, Status};

/// He was not seen yet.
const NEVER: u64 = u64::MAX;

/// Times are milliseconds of the node's uptime. `status`, `sessions` and what he carries are shown by his actor alone.
#[derive(Debug)]
pub(crate) struct Presence {
    /// When he last asked for anything.
    seen_ms: AtomicU64,
    /// When his actor began: who was there before gets the whole grace time again, to keep what he holds.
    began_ms: u64,
    status: AtomicU8,
    /// How many sockets of his are open.
    sessions: AtomicUsize,
    load: AtomicU32,
    capacity: AtomicU32,
    /// [`Looked`] as his actor last saw it.
    looked: AtomicU8,
}

/// Whether he is there, at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Looked {
    pub(crate) present: bool,
    pub(crate) holds_on: bool,
}

impl Presence {
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

    pub(super) fn show(&self, status: Status, sessions: usize, load: usize, capacity: u32) {
        self.status.store(number(status), Ordering::Relaxed);
        self.sessions.store(sessions, Ordering::Relaxed);
        self.load.store(load as u32, Ordering::Relaxed);
        self.capacity.store(capacity, Ordering::Relaxed);
    }

    /// A socket of his is open, or he asked for something within `grace`.
    pub(crate) fn is_present(&self, uptime_ms: u64, grace: Duration) -> bool {
        let seen_ms = self.seen_ms.load(Ordering::Relaxed);
        self.sessions.load(Ordering::Relaxed) > 0
            || (seen_ms != NEVER && uptime_ms.saturating_sub(seen_ms) <= grace.as_millis() as u64)
    }

    /// He is present, or his actor began within `grace`.
    pub(crate) fn holds_on(&self, uptime_ms: u64, grace: Duration) -> bool {
        self.is_present(uptime_ms, grace)
            || uptime_ms.saturating_sub(self.began_ms) <= grace.as_millis() as u64
    }

    /// He wants conversations, and is there.
    pub(crate) fn is_online(&self, uptime_ms: u64, grace: Duration) -> bool {
        self.status() == Status::Online && self.is_present(uptime_ms, grace)
    }

    /// His will; of one who is disabled `offline`.
    pub(crate) fn status(&self) -> Status {
        match self.status.load(Ordering::Relaxed) {
            0 => Status::Online,
            1 => Status::Away,
            _ => Status::Offline,
        }
    }

    /// What he carries, and what he may.
    pub(crate) fn load(&self) -> (u32, u32) {
        (self.load.load(Ordering::Relaxed), self.capacity.load(Ordering::Relaxed))
    }

    /// Looks, for the actor, who remembers it.
    pub(super) fn look(&self, uptime_ms: u64, grace: Duration) -> Looked {
        let looked = self.now(uptime_ms, grace);
        self.looked.store(looked.bits(), Ordering::Relaxed);
        looked
    }

    /// It is not as the actor last saw it.
    pub(crate) fn moved(&self, uptime_ms: u64, grace: Duration) -> bool {
        self.now(uptime_ms, grace).bits() != self.looked.load(Ordering::Relaxed)
    }

    fn now(&self, uptime_ms: u64, grace: Duration) -> Looked {
        Looked { present: self.is_present(uptime_ms, grace), holds_on: self.holds_on(uptime_ms, grace) }
    }
}

impl Looked {
    fn bits(self) -> u8 {
        1 | u8::from(self.present) << 1 | u8::from(self.holds_on) << 2
    }
}

/// What the log was told last of an agent, so that each change is told once.
#[derive(Debug, Default)]
pub(super) struct LogTold {
    online: bool,
}

impl LogTold {
    /// Tells the log when the agent begins or ceases to get conversations.
    pub(super) fn tell(&mut self, agent: AgentId, status: Status, present: bool) {
        let online = status == Status::Online && present;
        if online == self.online {
            return;
        }
        self.online = online;
        match status {
            Status::Online if online => tracing::info!(%agent, "an agent is online"),
            Status::Online => {
                tracing::info!(%agent, "an agent is gone: no socket, and no request for a while")
            }
            Status::Away => tracing::info!(%agent, "an agent is away"),
            Status::Offline => tracing::info!(%agent, "an agent went offline"),
        }
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
    fn who_wants_conversations_is_online_while_a_socket_is_open_or_he_asked_a_moment_ago() {
        let presence = Presence::from(0);
        presence.seen(1_000);
        assert!(!presence.is_online(1_000, GRACE), "his will is not online");
        presence.show(Status::Online, 0, 0, 5);
        assert!(presence.is_online(21_000, GRACE));
        assert!(!presence.is_online(21_001, GRACE));
        presence.show(Status::Online, 1, 0, 5);
        assert!(presence.is_online(1_000_000, GRACE));
        presence.show(Status::Away, 1, 0, 5);
        assert!(!presence.is_online(1_000_000, GRACE));
    }

    #[test]
    fn who_was_not_seen_yet_holds_on_for_the_grace_time_and_is_not_present() {
        let presence = Presence::from(5_000);
        assert!(presence.holds_on(25_000, GRACE) && !presence.is_present(25_000, GRACE));
        presence.look(25_000, GRACE);
        assert!(!presence.moved(25_000, GRACE));
        assert!(presence.moved(25_001, GRACE), "the time is over");
        presence.look(25_001, GRACE);
        presence.seen(30_000);
        assert!(presence.moved(30_000, GRACE), "he came");
    }
}
