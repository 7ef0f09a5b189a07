//! The actor of one conversation: it owns the log's claim, decides on the draft, appends in groups, answers and fans
//! out. It waits for nothing inside a handler; an append's outcome comes back as a message.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use domain::{
    Action, AgentId, Answer, Command, Conversation, Digest, Event, EventKind, Head, Principal, Rejection,
    Request, Seq, Side, Standing, State, may,
};
use ractor::{Actor, ActorProcessingErr, ActorRef, ActorStatus};
use store::{Append, Claim, ConversationKey, StoreError};
use tokio::sync::oneshot;

use crate::ExecuteError;
use crate::admission::{Admission, Permit};
use crate::crashes::Witness;
use crate::node::Shared;
use crate::registry::Handle;
use crate::stats::Stats;

mod append;
mod company;
mod draft;
mod marks;
mod news;
mod owner;
mod soft;
mod subscribers;

pub(crate) use news::{Told, tell_router};
pub(crate) use owner::Joining;
pub use subscribers::{SubscriberId, Subscription};

use append::Appended;
use company::Company;
use draft::{Draft, Waiter};
use marks::MarkWrites;
use news::Stand;
use soft::Typing;
use subscribers::{Subscriber, Subscribers};

/// What a command came to.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// For the one who asked.
    pub answer: Answer,
    /// The conversation after it; none for a posted message, whose answer says all.
    pub head: Option<Arc<Head>>,
}

/// Why an actor did not do it.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// It does not have the conversation any more, and did nothing: ask the one who has it now.
    Moved,
    /// As the one who asked is told.
    Error(ExecuteError),
}

impl From<Rejection> for Refusal {
    fn from(rejection: Rejection) -> Self {
        Refusal::Error(rejection.into())
    }
}

pub(crate) type Reply<T> = oneshot::Sender<Result<T, Refusal>>;

pub(crate) enum ConversationMessage {
    Execute {
        request: Arc<Request>,
        /// Only say what would come of it: a refusal, or nothing to change.
        probe: bool,
        reply: Reply<Outcome>,
        permit: Permit,
    },
    Subscribe(Joining),
    Unsubscribe(SubscriberId),
    /// An agent who listens looks at it, or away.
    Viewing {
        id: SubscriberId,
        viewing: bool,
        reply: Reply<()>,
        permit: Permit,
    },
    Typing {
        who: Arc<Principal>,
        typing: bool,
        preview: Option<Arc<str>>,
        reply: Reply<()>,
        permit: Permit,
    },
    Read {
        who: Arc<Principal>,
        seq: Seq,
        reply: Reply<()>,
        permit: Permit,
    },
    Appended(Box<Appended>),
    /// The log has a newer owner.
    Overtaken,
    MarksWritten,
    TypingDue,
    Passivate {
        only_idle: bool,
    },
    #[cfg(test)]
    Inspect(oneshot::Sender<Conversation>),
}

/// What the node sees of a conversation without asking it.
#[derive(Debug, Default)]
pub(crate) struct Activity {
    /// When it was last asked for something, in milliseconds of the node's uptime.
    pub(crate) used_ms: AtomicU64,
    pub(crate) subscribers: AtomicUsize,
}

#[derive(Clone)]
pub(crate) struct ConversationHandle {
    pub(crate) actor: ActorRef<ConversationMessage>,
    pub(crate) admission: Admission,
    pub(crate) activity: Arc<Activity>,
}

impl Handle for ConversationHandle {
    fn lives(&self) -> bool {
        self.actor.get_status() < ActorStatus::Draining
    }
}

/// A conversation in memory, ready to be an actor.
pub(crate) struct Loaded {
    pub(crate) node: Arc<Shared>,
    pub(crate) claim: Claim,
    pub(crate) conversation: Conversation,
    pub(crate) activity: Arc<Activity>,
    /// What the owner before did not know to be written, and so told nobody.
    pub(crate) untold: Option<(Told, Vec<Event>)>,
}

pub(crate) struct ConversationActor;

/// What the actor keeps. It is all derived from the log; dropping it loses nothing that was acknowledged.
pub(crate) struct Live {
    node: Arc<Shared>,
    key: ConversationKey,
    claim: Arc<Claim>,
    draft: Draft,
    /// The last event that is known to be durable.
    durable: Seq,
    /// Who has it, by what is durable, and since which assignment.
    holder: Option<(AgentId, u64)>,
    /// Where it stood as others were last told.
    stand: Stand,
    subscribers: Subscribers,
    company: Company,
    typing: Typing,
    marks: MarkWrites,
    activity: Arc<Activity>,
    /// Commands that crashed this conversation again and again.
    refused: Vec<Digest>,
    /// It takes nothing any more: what is in flight is waited for, the rest is told to ask again.
    closing: bool,
}

impl Actor for ConversationActor {
    type Msg = ConversationMessage;
    type State = Live;
    type Arguments = Loaded;

    async fn pre_start(&self, _: ActorRef<Self::Msg>, loaded: Loaded) -> Result<Live, ActorProcessingErr> {
        let Loaded { node, claim, conversation, activity, untold } = loaded;
        let head = conversation.head();
        let holder = head.assignee.as_ref().filter(|_| head.state == State::Assigned);
        let mut live = Live {
            key: claim.key,
            durable: head.last_seq,
            holder: holder.map(|agent| (agent.id, head.assignment_epoch)),
            stand: Stand::of(head),
            refused: node.crashes.refused(&claim.key),
            subscribers: Subscribers::new(claim.key.conversation, Arc::clone(&activity)),
            company: Company::default(),
            typing: Typing::default(),
            marks: MarkWrites::default(),
            draft: Draft::new(conversation),
            claim: Arc::new(claim),
            node,
            activity,
            closing: false,
        };
        if let Some((told, events)) = untold {
            live.tell_rest(told, &events);
        }
        Ok(live)
    }

    async fn handle(
        &self,
        myself: ActorRef<Self::Msg>,
        message: ConversationMessage,
        live: &mut Live,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            ConversationMessage::Execute { request, probe, reply, permit } => {
                live.execute(&myself, &request, probe, reply, permit);
            }
            ConversationMessage::Subscribe(joining) => live.subscribe(&myself, joining),
            ConversationMessage::Unsubscribe(id) => live.subscribers.remove(id),
            ConversationMessage::Viewing { id, viewing, reply, permit: _permit } => {
                // Whoever asked may be gone; the answer is only for him.
                let _ = reply.send(live.view(id, viewing));
            }
            ConversationMessage::Typing { who, typing, preview, reply, permit: _permit } => {
                // Whoever asked may be gone; the answer is only for him.
                let _ = reply.send(live.type_soft(&myself, &who, typing, preview));
            }
            ConversationMessage::Read { who, seq, reply, permit } => {
                live.read(&myself, &who, seq, reply, permit);
            }
            ConversationMessage::Appended(appended) => live.appended(*appended),
            ConversationMessage::Overtaken => live.give_up(&ExecuteErrorKind::Unknown),
            ConversationMessage::MarksWritten => live.marks_written(&myself),
            ConversationMessage::TypingDue => live.typing_due(&myself),
            ConversationMessage::Passivate { only_idle } => live.passivate(only_idle),
            #[cfg(test)]
            ConversationMessage::Inspect(reply) => {
                let _ = reply.send(live.draft.conversation().clone());
            }
        }
        live.look_around();
        live.flush_when_idle(&myself);
        live.stop_when_settled(&myself);
        Ok(())
    }
}

impl Live {
    /// Decides on the draft, as if everything staged were written. The answer, also a refusal, waits for what it was
    /// decided on.
    fn execute(
        &mut self,
        myself: &ActorRef<ConversationMessage>,
        request: &Request,
        probe: bool,
        reply: Reply<Outcome>,
        permit: Permit,
    ) {
        if self.closing {
            let _ = reply.send(Err(Refusal::Moved));
            return;
        }
        self.touch();
        if !self.refused.is_empty() && self.refused.contains(&request.digest()) {
            let _ = reply.send(Err(Refusal::Error(ExecuteError::Poisoned)));
            return;
        }
        let node = Arc::clone(&self.node);
        let witness = Witness::new(&node.crashes, self.key, request);
        #[cfg(test)]
        assert!(!tests::is_poisonous(request), "a test asked for this panic");
        let decided = self.draft.conversation().decide(request, self.node.clock.now());
        let (mut events, mut answer) = match decided {
            Ok(decision) => (decision.events, Ok(decision.answer)),
            Err(rejection) => (Vec::new(), Err(rejection)),
        };
        let would_change = probe && !events.is_empty();
        if would_change {
            (events, answer) = (Vec::new(), Ok(Answer::Done { repeated: false }));
        }
        self.draft.stage(events);
        let wants_head = !would_change && !matches!(request.command, Command::PostMessage { .. });
        let answer = answer.map(|answer| Outcome {
            answer,
            head: wants_head.then(|| Arc::new(self.draft.conversation().head().clone())),
        });
        witness.dismiss();
        let waiter = Waiter { reply, answer, _permit: permit };
        if self.draft.is_settled() {
            owner::tell_if_owner(&self.node.store, Arc::clone(&self.claim), waiter, myself.clone());
        } else {
            self.draft.wait(waiter);
        }
    }

    /// At most one append is in flight; what is staged meanwhile goes out together when it is back.
    fn flush_when_idle(&mut self, myself: &ActorRef<ConversationMessage>) {
        if let Some(group) = self.draft.take_group() {
            append::spawn(&self.node.store, Arc::clone(&self.claim), group, myself.clone());
        }
    }

    fn appended(&mut self, appended: Appended) {
        match appended.outcome {
            Ok(Append::Applied) => {
                self.node.stats.appended(appended.events.len(), appended.took);
                let head = Arc::new(appended.head);
                let released = appended.events.iter().rev().find_map(news::released);
                self.tell_others(&head, released);
                for event in appended.events {
                    self.publish(Arc::new(event), &head);
                }
                self.draft.answer_group();
            }
            Ok(Append::Fenced { epoch, owner }) => {
                tracing::info!(conversation = %self.key.conversation, epoch = epoch.0, owner = owner.0, "a newer owner");
                self.give_up(&ExecuteErrorKind::Unknown);
            }
            Ok(Append::Unknown) => {
                if !self.closing {
                    self.node.untold.put(self.key, self.told());
                }
                self.give_up(&ExecuteErrorKind::Unknown);
            }
            Err(error) => self.give_up(&ExecuteErrorKind::Store(error)),
        }
    }

    /// Tells all who listen, and the agents whom it concerns. Never waits.
    fn publish(&mut self, event: Arc<Event>, head: &Arc<Head>) {
        self.durable = event.seq;
        self.tell_agents(&event, head);
        if let Some(author) = self.typing.stop_of(&event.by) {
            self.subscribers.typing(&author, false, None);
        }
        self.subscribers.publish(&event);
        if matches!(
            event.kind,
            EventKind::Assigned { .. }
                | EventKind::Released { .. }
                | EventKind::Reopened
                | EventKind::Transferred { .. }
                | EventKind::Identified { .. }
        ) {
            self.subscribers.drop_those_who_lost_sight(head);
        }
    }

    /// The state may not be what the log says: nobody reads it any more. Whoever asks next reads the log anew.
    fn give_up(&mut self, cause: &ExecuteErrorKind) {
        Stats::add(&self.node.stats.appends_failed, 1);
        self.draft.refuse_all(|| Refusal::Error(cause.error()));
        self.close();
    }

    /// Out of the registry first, so that what comes from now on starts anew.
    fn close(&mut self) {
        self.closing = true;
        let activity = &self.activity;
        self.node.conversations.forget(&self.key, |handle| Arc::ptr_eq(&handle.activity, activity));
        self.part();
        self.subscribers.lose_owner();
    }

    fn passivate(&mut self, only_idle: bool) {
        let busy = !self.draft.is_settled() || !self.subscribers.is_empty() || !self.marks.is_settled();
        if self.closing || (only_idle && busy) {
            return;
        }
        self.close();
    }

    /// What is queued behind this is told to ask again, then the actor ends.
    fn stop_when_settled(&mut self, myself: &ActorRef<ConversationMessage>) {
        let settled = self.draft.is_settled() && self.marks.is_settled();
        if !self.closing || !settled || myself.get_status() >= ActorStatus::Draining {
            return;
        }
        Stats::add(&self.node.stats.passivations, 1);
        // An actor that is ending already cannot be drained again; it ends all the same.
        let _ = myself.drain();
        let (store, claim) = (self.node.store.clone(), (*self.claim).clone());
        tokio::spawn(async move {
            let key = claim.key;
            if let Err(error) = store.log.passivate(claim).await {
                tracing::debug!(conversation = %key.conversation, %error, "the log still names this owner");
            }
        });
    }

    fn subscribe(&mut self, myself: &ActorRef<ConversationMessage>, joining: Joining) {
        self.touch();
        if !self.closing && joining.after > self.durable {
            // Only another owner can have told him of those events.
            let claim = Arc::clone(&self.claim);
            return owner::join_if_owner(&self.node.store, claim, joining, myself.clone());
        }
        let Joining { id, who, sender, reply, .. } = joining;
        let answer = if self.closing {
            Err(Refusal::Moved)
        } else if let Err(rejection) = may(self.draft.conversation().standing(&who), Action::Read) {
            Err(rejection.into())
        } else {
            let subscriber = Subscriber { id, who, sender, viewing: false };
            self.subscribers.greet(&subscriber, &self.company);
            self.subscribers.add(subscriber);
            Ok(self.durable)
        };
        if reply.send(answer).is_err() {
            self.subscribers.remove(id);
        }
    }

    /// A mark that moved is answered when it is kept: who asks then is shown no older one.
    fn read(
        &mut self,
        myself: &ActorRef<ConversationMessage>,
        who: &Principal,
        seq: Seq,
        reply: Reply<()>,
        permit: Permit,
    ) {
        match self.move_mark(who, seq) {
            // What moves nothing may repeat what is not kept yet.
            Ok(moved) if moved || !self.marks.is_settled() => {
                self.marks.wait(reply, permit);
                self.write_marks(myself);
            }
            // Whoever asked may be gone; the answer is only for him.
            answer => {
                let _ = reply.send(answer.map(|_| ()));
            }
        }
    }

    /// Says whether it moved.
    fn move_mark(&mut self, who: &Principal, seq: Seq) -> Result<bool, Refusal> {
        if self.closing {
            return Err(Refusal::Moved);
        }
        self.touch();
        let standing = self.draft.conversation().standing(who);
        may(standing, Action::Read)?;
        let side = match standing {
            Standing::ItsVisitor => Side::Visitor,
            Standing::ItsAgent => Side::Agent,
            // A look by others moves nothing.
            Standing::FormerAgent(_)
            | Standing::Supervisor
            | Standing::Onlooker
            | Standing::System
            | Standing::Stranger => return Ok(false),
        };
        // What is staged has been shown to nobody.
        let seq = seq.min(self.durable);
        let moved = self.draft.mark(side, seq);
        if moved {
            self.subscribers.read(who.author(), seq);
        }
        Ok(moved)
    }

    fn write_marks(&mut self, myself: &ActorRef<ConversationMessage>) {
        let Some(readers) = self.marks.begin() else { return };
        let head = self.draft.conversation().head();
        let (key, read, unread, as_of) = (self.key, head.read, head.unread, head.last_seq);
        let (store, myself) = (self.node.store.clone(), myself.clone());
        tokio::spawn(async move {
            let kept = store.heads.mark(key, read, unread, as_of).await;
            if let Err(error) = &kept {
                tracing::warn!(conversation = %key.conversation, %error, "read marks were not kept");
            }
            for reader in readers {
                reader.tell(kept.is_ok());
            }
            // An actor that ended needs no word.
            let _ = myself.cast(ConversationMessage::MarksWritten);
        });
    }

    fn marks_written(&mut self, myself: &ActorRef<ConversationMessage>) {
        self.marks.written();
        self.node.watchers.touch(self.key, self.stand.team, self.stand.assignee);
        self.write_marks(myself);
    }

    fn touch(&self) {
        self.activity.used_ms.store(self.node.uptime_ms(), Ordering::Relaxed);
    }
}

/// An [`ExecuteError`] that can be given to each of many waiters.
enum ExecuteErrorKind {
    Unknown,
    Store(StoreError),
}

impl ExecuteErrorKind {
    fn error(&self) -> ExecuteError {
        match self {
            ExecuteErrorKind::Unknown => ExecuteError::Unknown,
            ExecuteErrorKind::Store(error) => ExecuteError::Store(error.clone()),
        }
    }
}

#[cfg(test)]
mod tests;
