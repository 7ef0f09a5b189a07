//! What is on its way to many: an event to its listeners, a changed conversation to dashboards.

use std::ops::Deref;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use domain::{Audience, Event, Head};
use tokio::sync::Mutex;
use tokio::time::Instant;

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

/// A conversation as it is after a change, with what the first who showed it made of it: the others show the same while it is
/// young.
#[derive(Debug)]
pub struct SharedHead {
    head: Arc<Head>,
    shown: Mutex<Option<(Instant, Bytes)>>,
}

impl SharedHead {
    /// Shown to nobody yet.
    pub fn new(head: Arc<Head>) -> Self {
        Self { head, shown: Mutex::new(None) }
    }

    /// What was made of it at most `age_max` ago, or else what `show` makes. Of many who ask at once one makes it, and the
    /// others wait.
    pub async fn shown(&self, age_max: Duration, show: impl Future<Output = Bytes>) -> Bytes {
        let mut shown = self.shown.lock().await;
        match &*shown {
            Some((at, young)) if at.elapsed() <= age_max => young.clone(),
            Some(_) | None => {
                let made = show.await;
                *shown = Some((Instant::now(), made.clone()));
                made
            }
        }
    }
}

impl Deref for SharedHead {
    type Target = Head;

    fn deref(&self) -> &Head {
        &self.head
    }
}

#[cfg(test)]
mod tests {
    use domain::{
        Attributes, Author, Command, Conversation, EventKind, Id, Principal, Request, Seq, Start, Timestamp,
        VisitorCard,
    };

    use super::*;

    fn head() -> Head {
        let (site, id) = (Id::from_hash([1; 16]), Id::from_hash([2; 16]));
        let visitor = VisitorCard { id, name: None, email: None, verified: false };
        let (team, attributes) = (Id::from_hash([3; 16]), Attributes::default());
        let command =
            Command::Start { start: Start { site, team, visitor, subject: None, attributes }, first: None };
        let client_id = Some(domain::ClientId::parse("start").unwrap());
        let request = Request { by: Principal::Visitor { id, site, name: None }, client_id, command };
        let events = Conversation::start(&request, Timestamp::from_ms(1)).unwrap();
        Conversation::replay(&events).unwrap().head().clone()
    }

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

    #[tokio::test(start_paused = true)]
    async fn a_conversation_is_made_ready_once_for_all_who_ask_at_once_and_again_when_that_is_old() {
        let shared = SharedHead::new(Arc::new(head()));
        let made = std::cell::Cell::new(0);
        let age_max = Duration::from_secs(1);
        let show = async || {
            shared
                .shown(age_max, async {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                    made.set(made.get() + 1);
                    Bytes::from(made.get().to_string())
                })
                .await
        };
        for (wait_ms, times) in [(0, "1"), (1_000, "1"), (1, "2")] {
            tokio::time::advance(Duration::from_millis(wait_ms)).await;
            assert_eq!(futures_util::future::join_all([show(), show(), show()]).await, [times; 3]);
        }
    }
}
