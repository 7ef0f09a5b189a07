//! Those who listen to a conversation, as its actor knows them: by name. The hub of their node has the ways to them.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use domain::{Audience, Author, Head, Principal, Seq};
use store::ConversationKey;

use super::presence::Attendance;
use crate::hub::Hub;
use crate::mail::Activity;
use crate::words::{ListenerId, PresenceState, Publication, SharedEvent};

struct Listener {
    id: ListenerId,
    who: Arc<Principal>,
    /// An agent who has the conversation open.
    viewing: bool,
}

pub(super) struct Listeners {
    key: ConversationKey,
    hub: Arc<Hub>,
    all: Vec<Listener>,
    activity: Arc<Activity>,
    /// A listener came, went, or opened it, and that is not published yet.
    moved: bool,
}

impl Listeners {
    pub(super) fn new(key: ConversationKey, hub: Arc<Hub>, activity: Arc<Activity>) -> Self {
        Self { key, hub, all: Vec::new(), activity, moved: false }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// What is published from now on is for this one too, who is told who is there.
    pub(super) fn add(&mut self, id: ListenerId, who: Arc<Principal>, attendance: &Attendance) {
        self.all.push(Listener { id, who, viewing: false });
        self.count();
        self.publish(Publication::Opened { listener: id, present: attendance.all().cloned().collect() });
    }

    pub(super) fn remove(&mut self, id: ListenerId) {
        self.all.retain(|listener| listener.id != id);
        self.count();
    }

    fn count(&mut self) {
        self.moved = true;
        self.activity.listeners.store(self.all.len(), Ordering::Relaxed);
    }

    fn publish(&self, publication: Publication) {
        if !self.all.is_empty() {
            self.hub.listeners.publish(self.key, publication);
        }
    }

    /// `head`: after the event, where it changes who sees the conversation.
    pub(super) fn event(&mut self, event: Arc<SharedEvent>, head: Option<&Arc<Head>>) {
        self.publish(Publication::Event { event, head: head.cloned() });
        if let Some(head) = head {
            self.all.retain(|listener| head.seen_by(&listener.who));
            self.count();
        }
    }

    /// An agent opens the conversation, or looks away.
    pub(super) fn view(&mut self, id: ListenerId, viewing: bool) {
        if let Some(listener) = self.all.iter_mut().find(|listener| listener.id == id) {
            self.moved |= listener.viewing != viewing;
            listener.viewing = viewing;
        }
    }

    /// Whether a listener came, went, opened it or looked away since this was last asked.
    pub(super) fn take_moved(&mut self) -> bool {
        std::mem::take(&mut self.moved)
    }

    /// Who is there, once for each device that listens: visitors, and agents who have it open.
    pub(super) fn there(&self) -> impl Iterator<Item = (Author, PresenceState)> + '_ {
        self.all.iter().filter_map(|listener| match (listener.who.audience(), listener.viewing) {
            (Audience::Visitor, _) => Some((listener.who.author(), PresenceState::Online)),
            (Audience::Agent, true) => Some((listener.who.author(), PresenceState::Viewing)),
            (Audience::Agent, false) => None,
        })
    }

    pub(super) fn presence(&self, by: Arc<Author>, state: PresenceState) {
        self.publish(Publication::Presence { by, state });
    }

    pub(super) fn typing(&self, by: Author, typing: bool, preview: Option<Arc<str>>) {
        self.publish(Publication::Typing { by: Arc::new(by), typing, preview });
    }

    pub(super) fn read(&self, by: Author, seq: Seq) {
        self.publish(Publication::Read { by: Arc::new(by), seq });
    }

    /// The listeners have to find the next owner.
    pub(super) fn lose_owner(&mut self) {
        self.publish(Publication::Gone);
        self.all.clear();
        self.count();
    }
}

/// Also when the actor panics: the listeners have to know.
impl Drop for Listeners {
    fn drop(&mut self) {
        self.lose_owner();
    }
}
