//! Those on this node who listen to conversations. A conversation's actor publishes once; here it becomes a push for each
//! listener that may see it.

use std::sync::Arc;

use dashmap::DashMap;
use domain::{Audience, Author, ConversationId, Head, Principal};
use store::ConversationKey;

use super::window::PushSender;
use crate::words::{ListenerId, PresenceState, Publication, Push};

#[derive(Debug)]
struct Listener {
    id: ListenerId,
    who: Arc<Principal>,
    sender: PushSender,
    /// The actor has heard of it, and lets it listen.
    is_open: bool,
}

/// All listeners, by conversation.
#[derive(Debug, Default)]
pub(crate) struct Listeners(DashMap<ConversationKey, Vec<Listener>>);

impl Listeners {
    /// Is pushed nothing before the actor publishes that it may.
    pub(crate) fn enter(
        &self,
        key: ConversationKey,
        id: ListenerId,
        who: Arc<Principal>,
        sender: PushSender,
    ) {
        self.0.entry(key).or_default().push(Listener { id, who, sender, is_open: false });
    }

    /// From now on it is pushed nothing.
    pub(crate) fn leave(&self, key: ConversationKey, id: ListenerId) {
        if let Some(mut listeners) = self.0.get_mut(&key) {
            listeners.retain(|listener| listener.id != id);
        }
        self.forget_if_empty(key);
    }

    /// Never waits. A listener that is too slow is let go, and resumes from the store.
    pub(crate) fn publish(&self, key: ConversationKey, publication: Publication) {
        let Some(mut listeners) = self.0.get_mut(&key) else { return };
        let conversation = key.conversation;
        match publication {
            Publication::Opened { listener, present } => {
                if let Some(opened) = listeners.iter_mut().find(|other| other.id == listener) {
                    opened.open(conversation, present);
                }
            }
            Publication::Event { event, head } => listeners.retain(|listener| {
                let push = || Push::Event { conversation, event: Arc::clone(&event) };
                !listener.is_open
                    || (listener.sender.push(push()).is_ok()
                        && head.as_ref().is_none_or(|head| listener.keeps_sight(conversation, head)))
            }),
            Publication::Typing { by, typing, preview } => {
                for listener in listeners.iter().filter(|listener| listener.is_open && !listener.is(&by)) {
                    let (by, preview) = (Arc::clone(&by), preview.clone().filter(|_| listener.is_agent()));
                    listener.sender.push_soft(Push::Typing { conversation, by, typing, preview });
                }
            }
            // The reader's other devices too.
            Publication::Read { by, seq } => {
                for listener in listeners.iter().filter(|listener| listener.is_open) {
                    let by = Arc::clone(&by);
                    listener.sender.push_soft(Push::Read { conversation, by, seq });
                }
            }
            Publication::Presence { by, state } => {
                for listener in listeners.iter().filter(|listener| listener.is_open) {
                    listener.tell_presence(conversation, &by, state);
                }
            }
            Publication::Gone => listeners.retain(|listener| {
                if listener.is_open {
                    // A failure is an overflow, which the socket sees by itself.
                    let _ = listener.sender.push(Push::OwnerLost { conversation });
                }
                !listener.is_open
            }),
        }
        drop(listeners);
        self.forget_if_empty(key);
    }

    fn forget_if_empty(&self, key: ConversationKey) {
        self.0.remove_if(&key, |_, listeners| listeners.is_empty());
    }
}

impl Listener {
    fn open(&mut self, conversation: ConversationId, present: Vec<(Arc<Author>, PresenceState)>) {
        self.is_open = true;
        for (by, state) in present {
            self.tell_presence(conversation, &by, state);
        }
    }

    /// Only agents are told, and nobody of themselves.
    fn tell_presence(&self, conversation: ConversationId, by: &Arc<Author>, state: PresenceState) {
        if self.is_agent() && !self.is(by) {
            let by = Arc::clone(by);
            self.sender.push_soft(Push::Presence { conversation, by, state });
        }
    }

    /// Tells one that sees the conversation no longer.
    fn keeps_sight(&self, conversation: ConversationId, head: &Head) -> bool {
        let sees = head.seen_by(&self.who);
        if !sees {
            // A failure is an overflow, which the socket sees by itself.
            let _ = self.sender.push(Push::SightLost { conversation });
        }
        sees
    }

    fn is_agent(&self) -> bool {
        self.who.audience() == Audience::Agent
    }

    fn is(&self, author: &Author) -> bool {
        match (&*self.who, author) {
            (Principal::Visitor { id, .. }, Author::Visitor { id: author, .. }) => id == author,
            (Principal::Agent { card, .. }, Author::Agent(author)) => card.id == author.id,
            (Principal::Visitor { .. } | Principal::Agent { .. } | Principal::System, _) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use domain::{AgentCard, AgentId, Id, Name, Role, SiteId, VisitorId};

    use super::*;
    use crate::hub::{PushReceiver, window};

    const LISTENER: ListenerId = ListenerId(1);

    fn key() -> ConversationKey {
        ConversationKey { workspace: Id::from_hash([1; 16]), conversation: Id::from_hash([2; 16]) }
    }

    fn visitor(n: u8) -> Author {
        Author::Visitor { id: VisitorId::from_hash([n; 16]), name: None }
    }

    fn agent(n: u8) -> Principal {
        let card = AgentCard { id: AgentId::from_hash([n; 16]), name: Name::parse("Ann").unwrap() };
        Principal::Agent { card, role: Role::Agent, teams: Vec::new() }
    }

    fn one(listeners: &Listeners, id: ListenerId, who: Principal) -> PushReceiver {
        let (sender, receiver) = window(16, 10_000);
        listeners.enter(key(), id, Arc::new(who), sender);
        receiver
    }

    fn opened(listener: ListenerId) -> Publication {
        Publication::Opened { listener, present: vec![(Arc::new(visitor(9)), PresenceState::Online)] }
    }

    fn typing() -> Publication {
        Publication::Typing { by: Arc::new(visitor(9)), typing: true, preview: Some("a".into()) }
    }

    #[test]
    fn a_listener_is_pushed_nothing_before_the_actor_lets_it() {
        let listeners = Listeners::default();
        let mut pushes = one(&listeners, LISTENER, agent(1));
        listeners.publish(key(), typing());
        listeners.publish(key(), Publication::Gone);
        assert!(pushes.try_next().is_none());
        listeners.publish(key(), opened(LISTENER));
        listeners.publish(key(), typing());
        assert!(matches!(pushes.try_next(), Some(Push::Presence { state: PresenceState::Online, .. })));
        assert!(matches!(pushes.try_next(), Some(Push::Typing { preview: Some(_), .. })));
        listeners.publish(key(), Publication::Gone);
        assert!(matches!(pushes.try_next(), Some(Push::OwnerLost { .. })));
        assert!(listeners.0.is_empty(), "who lost the owner listens anew");
    }

    #[test]
    fn each_is_shown_what_is_for_them() {
        let listeners = Listeners::default();
        let person = |n| {
            let site = SiteId::from_hash([1; 16]);
            Principal::Visitor { id: VisitorId::from_hash([n; 16]), site, name: None }
        };
        let (other, writer) = (ListenerId(2), ListenerId(3));
        let mut visitors = one(&listeners, other, person(8));
        let mut writers = one(&listeners, writer, person(9));
        for listener in [other, writer] {
            listeners.publish(key(), opened(listener));
        }
        listeners.publish(key(), typing());
        assert!(matches!(visitors.try_next(), Some(Push::Typing { preview: None, .. })), "no preview");
        assert!(writers.try_next().is_none(), "nobody is told of themselves");
        listeners.publish(key(), Publication::Read { by: Arc::new(visitor(9)), seq: domain::Seq(3) });
        assert!(matches!(writers.try_next(), Some(Push::Read { .. })), "the reader's other devices are");
        for listener in [other, writer] {
            listeners.leave(key(), listener);
        }
        assert!(listeners.0.is_empty());
    }
}
