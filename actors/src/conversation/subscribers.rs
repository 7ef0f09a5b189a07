//! Who listens to a conversation on this node.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use domain::{Audience, Author, ConversationId, Event, Head, Principal, Seq};
use ractor::ActorRef;

use super::company::Company;
use super::{Activity, ConversationMessage};
use crate::{Looks, Push, PushSender};

/// Names one subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SubscriberId(u64);

impl SubscriberId {
    pub(crate) fn next(from: &AtomicU64) -> Self {
        Self(from.fetch_add(1, Ordering::Relaxed))
    }
}

/// The right to be told of a conversation; it ends when this is dropped.
pub struct Subscription {
    pub(crate) id: SubscriberId,
    pub(crate) actor: ActorRef<ConversationMessage>,
    /// The last durable event when it began: what comes after is pushed.
    pub last_seq: Seq,
}

impl Subscription {
    /// Names it to the conversation.
    pub fn id(&self) -> SubscriberId {
        self.id
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        // An actor that ended has no subscribers left.
        let _ = self.actor.cast(ConversationMessage::Unsubscribe(self.id));
    }
}

pub(super) struct Subscriber {
    pub(super) id: SubscriberId,
    pub(super) who: Arc<Principal>,
    pub(super) sender: PushSender,
    /// An agent who has the conversation before him.
    pub(super) viewing: bool,
}

pub(super) struct Subscribers {
    conversation: ConversationId,
    all: Vec<Subscriber>,
    activity: Arc<Activity>,
    /// Somebody came, went, or looks up: the others are not told yet.
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

    pub(super) fn remove(&mut self, id: SubscriberId) {
        self.all.retain(|subscriber| subscriber.id != id);
        self.count();
    }

    fn count(&mut self) {
        self.moved = true;
        self.activity.subscribers.store(self.all.len(), Ordering::Relaxed);
    }

    /// One allocation for all; whoever is too slow is let go, and resumes from the store.
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

    /// An agent looks at the conversation, or away.
    pub(super) fn view(&mut self, id: SubscriberId, viewing: bool) {
        if let Some(subscriber) = self.all.iter_mut().find(|subscriber| subscriber.id == id) {
            self.moved |= subscriber.viewing != viewing;
            subscriber.viewing = viewing;
        }
    }

    /// Whether somebody came, went, looks up or away since this was last asked.
    pub(super) fn take_moved(&mut self) -> bool {
        std::mem::take(&mut self.moved)
    }

    /// Who is there, each as often as he listens: visitors, and agents who look.
    pub(super) fn there(&self) -> impl Iterator<Item = (Author, Looks)> + '_ {
        self.all.iter().filter_map(|subscriber| match (subscriber.who.audience(), subscriber.viewing) {
            (Audience::Visitor, _) => Some((subscriber.who.author(), Looks::Online)),
            (Audience::Agent, true) => Some((subscriber.who.author(), Looks::Viewing)),
            (Audience::Agent, false) => None,
        })
    }

    /// Tells one who just came who is there; only agents are told.
    pub(super) fn greet(&self, newcomer: &Subscriber, company: &Company) {
        if newcomer.who.audience() == Audience::Agent {
            for (by, state) in company.all().filter(|(by, _)| !is_his(&newcomer.who, by)) {
                let (conversation, by, state) = (self.conversation, Arc::clone(by), *state);
                newcomer.sender.push_soft(Push::Presence { conversation, by, state });
            }
        }
    }

    /// Tells the other agents what somebody does.
    pub(super) fn presence(&self, by: &Arc<Author>, state: Looks) {
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

    /// Told to all, his other devices too.
    pub(super) fn read(&self, by: Author, seq: Seq) {
        let by = Arc::new(by);
        for subscriber in &self.all {
            let conversation = self.conversation;
            subscriber.sender.push_soft(Push::Read { conversation, by: Arc::clone(&by), seq });
        }
    }

    fn all_but(&self, author: &Author) -> impl Iterator<Item = &Subscriber> {
        self.all.iter().filter(move |subscriber| !is_his(&subscriber.who, author))
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

    /// Whoever listens has to find the next owner.
    pub(super) fn lose_owner(&mut self) {
        let conversation = self.conversation;
        for subscriber in self.all.drain(..) {
            let _ = subscriber.sender.push(Push::OwnerLost { conversation });
        }
        self.count();
    }
}

/// Also when the actor panics: nobody listens to the dead.
impl Drop for Subscribers {
    fn drop(&mut self) {
        self.lose_owner();
    }
}

fn is_his(who: &Principal, author: &Author) -> bool {
    match (who, author) {
        (Principal::Visitor { id, .. }, Author::Visitor { id: author, .. }) => id == author,
        (Principal::Agent { card, .. }, Author::Agent(author)) => card.id == author.id,
        (Principal::Visitor { .. } | Principal::Agent { .. } | Principal::System, _) => false,
    }
}
