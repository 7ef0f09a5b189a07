//! The listeners of a conversation on this node.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use domain::{Audience, Author, ConversationId, Event, Head, Principal, Seq};

use super::presence::Attendance;
use crate::hub::PushSender;
use crate::mail::Activity;
use crate::words::{ListenerId, PresenceState, Push};

pub(super) struct Subscriber {
    pub(super) id: ListenerId,
    pub(super) who: Arc<Principal>,
    pub(super) sender: PushSender,
    /// An agent who has the conversation open.
    pub(super) viewing: bool,
}

pub(super) struct Subscribers {
    conversation: ConversationId,
    all: Vec<Subscriber>,
    activity: Arc<Activity>,
    /// A listener came, went, or opened it, and that is not published yet.
    moved: bool,
}

impl Subscribers {
    pub(super) fn new(conversation: ConversationId, activity: Arc<Activity>) -> Self {
        Self { conversation, all: Vec::new(), activity, moved: false }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    pub(super) fn add(&mut self, subscriber: Subscriber) {
        self.all.push(subscriber);
        self.count();
    }

    pub(super) fn remove(&mut self, id: ListenerId) {
        self.all.retain(|subscriber| subscriber.id != id);
        self.count();
    }

    fn count(&mut self) {
        self.moved = true;
        self.activity.subscribers.store(self.all.len(), Ordering::Relaxed);
    }

    /// One allocation for all; a listener that is too slow is let go, and resumes from the store.
    pub(super) fn publish(&mut self, event: &Arc<Event>) {
        let conversation = self.conversation;
        let before = self.all.len();
        self.all.retain(|subscriber| {
            subscriber.sender.push(Push::Event { conversation, event: Arc::clone(event) }).is_ok()
        });
        if self.all.len() != before {
            self.count();
        }
    }

    /// An agent opens the conversation, or looks away.
    pub(super) fn view(&mut self, id: ListenerId, viewing: bool) {
        if let Some(subscriber) = self.all.iter_mut().find(|subscriber| subscriber.id == id) {
            self.moved |= subscriber.viewing != viewing;
            subscriber.viewing = viewing;
        }
    }

    /// Whether a listener came, went, opened it or looked away since this was last asked.
    pub(super) fn take_moved(&mut self) -> bool {
        std::mem::take(&mut self.moved)
    }

    /// Who is there, once for each device that listens: visitors, and agents who have it open.
    pub(super) fn there(&self) -> impl Iterator<Item = (Author, PresenceState)> + '_ {
        self.all.iter().filter_map(|subscriber| match (subscriber.who.audience(), subscriber.viewing) {
            (Audience::Visitor, _) => Some((subscriber.who.author(), PresenceState::Online)),
            (Audience::Agent, true) => Some((subscriber.who.author(), PresenceState::Viewing)),
            (Audience::Agent, false) => None,
        })
    }

    /// Tells a newcomer who is there; only agents are told.
    pub(super) fn greet(&self, newcomer: &Subscriber, attendance: &Attendance) {
        if newcomer.who.audience() == Audience::Agent {
            for (by, state) in attendance.all().filter(|(by, _)| !is_by(&newcomer.who, by)) {
                let (conversation, by, state) = (self.conversation, Arc::clone(by), *state);
                newcomer.sender.push_soft(Push::Presence { conversation, by, state });
            }
        }
    }

    /// Tells the other agents what somebody does.
    pub(super) fn presence(&self, by: &Arc<Author>, state: PresenceState) {
        let agents = self.all_but(by).filter(|subscriber| subscriber.who.audience() == Audience::Agent);
        for subscriber in agents {
            let (conversation, by) = (self.conversation, Arc::clone(by));
            subscriber.sender.push_soft(Push::Presence { conversation, by, state });
        }
    }

    pub(super) fn typing(&self, by: &Author, typing: bool, preview: Option<Arc<str>>) {
        let shared = Arc::new(by.clone());
        for subscriber in self.all_but(by) {
            let preview = preview.clone().filter(|_| subscriber.who.audience() == Audience::Agent);
            let conversation = self.conversation;
            subscriber.sender.push_soft(Push::Typing {
                conversation,
                by: Arc::clone(&shared),
                typing,
                preview,
            });
        }
    }

    /// Told to all, the reader's other devices too.
    pub(super) fn read(&self, by: Author, seq: Seq) {
        let by = Arc::new(by);
        for subscriber in &self.all {
            let conversation = self.conversation;
            subscriber.sender.push_soft(Push::Read { conversation, by: Arc::clone(&by), seq });
        }
    }

    fn all_but(&self, author: &Author) -> impl Iterator<Item = &Subscriber> {
        self.all.iter().filter(move |subscriber| !is_by(&subscriber.who, author))
    }

    pub(super) fn drop_those_who_lost_sight(&mut self, head: &Head) {
        let conversation = self.conversation;
        self.all.retain(|subscriber| {
            let sees = head.seen_by(&subscriber.who);
            if !sees {
                // A failure is an overflow, which the socket sees by itself.
                let _ = subscriber.sender.push(Push::SightLost { conversation });
            }
            sees
        });
        self.count();
    }

    /// The listeners have to find the next owner.
    pub(super) fn lose_owner(&mut self) {
        let conversation = self.conversation;
        for subscriber in self.all.drain(..) {
            let _ = subscriber.sender.push(Push::OwnerLost { conversation });
        }
        self.count();
    }
}

/// Also when the actor panics: the listeners have to know.
impl Drop for Subscribers {
    fn drop(&mut self) {
        self.lose_owner();
    }
}

fn is_by(who: &Principal, author: &Author) -> bool {
    match (who, author) {
        (Principal::Visitor { id, .. }, Author::Visitor { id: author, .. }) => id == author,
        (Principal::Agent { card, .. }, Author::Agent(author)) => card.id == author.id,
        (Principal::Visitor { .. } | Principal::Agent { .. } | Principal::System, _) => false,
    }
}
