//! An event on its way to many listeners.

use std::ops::Deref;
use std::sync::OnceLock;

use bytes::Bytes;
use domain::{Audience, Event};

/// An event, with what the first listener of each side made of it to show it: the others show the same.
#[derive(Debug)]
pub struct SharedEvent {
    event: Event,
    for_visitors: OnceLock<Bytes>,
    for_agents: OnceLock<Bytes>,
}

impl SharedEvent {
    /// Shown to nobody yet.
    pub fn new(event: Event) -> Self {
        Self { event, for_visitors: OnceLock::new(), for_agents: OnceLock::new() }
    }

    /// What `show` makes of the event for this side. It is called at most once a side, or a few times at the first moment.
    pub fn shown(&self, to: Audience, show: impl FnOnce(&Event) -> Bytes) -> Bytes {
        let shown = match to {
            Audience::Visitor => &self.for_visitors,
            Audience::Agent => &self.for_agents,
        };
        shown.get_or_init(|| show(&self.event)).clone()
    }
}

impl Deref for SharedEvent {
    type Target = Event;

    fn deref(&self) -> &Event {
        &self.event
    }
}

#[cfg(test)]
mod tests {
    use domain::{Author, EventKind, Seq, Timestamp};

    use super::*;

    #[test]
    fn an_event_is_made_ready_once_for_each_side() {
        let (seq, at) = (Seq(1), Timestamp::from_ms(1));
        let shared =
            SharedEvent::new(Event { seq, at, by: Author::System, request: None, kind: EventKind::Reopened });
        let mut made = 0;
        for _ in 0..3 {
            for (side, text) in [(Audience::Visitor, "v"), (Audience::Agent, "a")] {
                let shown = shared.shown(side, |event| {
                    made += 1;
                    assert_eq!(event.seq, seq);
                    Bytes::from_static(text.as_bytes())
                });
                assert_eq!(shown, text);
            }
        }
        assert_eq!(made, 2);
    }
}
