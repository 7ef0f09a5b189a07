//! A node: who is alive here, and the way to them.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use domain::{Head, Principal, Rejection, Request, Seq};
use ractor::{Actor, ActorRef};
use store::{ConversationKey, Owner, Store, StoreError};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::agent::{AgentHandle, AgentMessage};
use crate::conversation::{ConversationHandle, ConversationMessage, Joining, Refusal, Reply};
use crate::crashes::Crashes;
use crate::registry::Registry;
use crate::stats::Stats;
use crate::supervisor::{Supervisor, SupervisorMessage};
use crate::team::{TeamHandle, TeamKey};
use crate::untold::{self, Untold};
use crate::visitors::VisitorsSeen;
use crate::watchers::{Watcher, Watchers};
use crate::{
    AgentKey, AgentView, Clock, ExecuteError, Notice, Outbox, Outcome, PushSender, StatsView, SubscriberId,
    Subscription, activation, admission::Permit,
};

mod agents;
mod assign;
mod deliver;
mod teams;
mod tick;

pub use agents::AgentBrief;
pub use teams::QueueBrief;

/// What can be set of a node.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How many messages may wait in front of one actor; more are refused as overload.
    pub mailbox_places: usize,
    /// How long a caller waits for an answer before the outcome is unknown to him.
    pub deadline: Duration,
    /// A conversation that nobody asks or listens to leaves memory after this time.
    pub passivate_after: Duration,
    /// An agent counts as present for this time after his last socket or request.
    pub agent_grace: Duration,
    /// How long an offer waits for its agent, where his team says nothing else.
    pub accept_timeout: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            mailbox_places: 256,
            deadline: Duration::from_secs(10),
            passivate_after: Duration::from_secs(60),
            agent_grace: Duration::from_secs(20),
            accept_timeout: Duration::from_secs(30),
        }
    }
}

/// What all actors of a node share.
pub(crate) struct Shared {
    pub(crate) store: Store,
    pub(crate) clock: Clock,
    pub(crate) owner: Owner,
    pub(crate) settings: Settings,
    pub(crate) conversations: Registry<ConversationKey, ConversationHandle>,
    pub(crate) agents: Registry<AgentKey, AgentHandle>,
    pub(crate) teams: Registry<TeamKey, TeamHandle>,
    pub(crate) watchers: Watchers,
    pub(crate) visitors: VisitorsSeen,
    pub(crate) supervisor: ActorRef<SupervisorMessage>,
    pub(crate) outbox: Outbox,
    pub(crate) stats: Arc<Stats>,
    pub(crate) crashes: Crashes,
    pub(crate) untold: Untold,
    started: Instant,
    next_id: AtomicU64,
}

impl Shared {
    pub(crate) fn uptime_ms(&self) -> u64 {
        self.started.elapsed().as_millis() as u64
    }
}

/// One node. Cheap to clone.
#[derive(Clone)]
pub struct Node {
    shared: Arc<Shared>,
}

/// An agent's socket, while this is kept.
pub struct Attachment {
    actor: ActorRef<AgentMessage>,
    session: u64,
    /// The agent as the socket begins.
    pub view: AgentView,
}

impl Drop for Attachment {
    fn drop(&mut self) {
        // An actor that ended has no sessions left.
        let _ = self.actor.cast(AgentMessage::Detach { session: self.session });
    }
}

impl Attachment {
    /// The agent's actor knows of the socket; else attach anew.
    pub fn lives(&self) -> bool {
        self.actor.get_status() < ractor::ActorStatus::Draining
    }
}

/// How often a request follows a conversation that moved before the caller is told to come again.
const HOPS_MAX: usize = 3;

impl Node {
    pub(crate) fn of(shared: &Arc<Shared>) -> Self {
        Self { shared: Arc::clone(shared) }
    }

    /// Starts it. The receiver yields what actors tell one another: whoever carries it calls [`Node::deliver`].
    pub async fn start(
        store: Store,
        clock: Clock,
        owner: Owner,
        settings: Settings,
    ) -> Result<(Self, mpsc::Receiver<Notice>), StoreError> {
        let stats = Arc::new(Stats::default());
        let (outbox, notices) = Outbox::new(Arc::clone(&stats));
        let (supervisor, _) = Supervisor::spawn(None, Supervisor { stats: Arc::clone(&stats) }, ())
            .await
            .map_err(|error| StoreError::Unavailable(format!("no actor could be started: {error}")))?;
        let shared = Arc::new(Shared {
            store,
            clock,
            owner,
            settings,
            conversations: Registry::new(),
            agents: Registry::new(),
            teams: Registry::new(),
            watchers: Watchers::default(),
            visitors: VisitorsSeen::default(),
            supervisor,
            outbox,
            stats,
            crashes: Crashes::default(),
            untold: Untold::default(),
            started: Instant::now(),
            next_id: AtomicU64::new(1),
        });
        tokio::spawn(tick::run(Arc::downgrade(&shared)));
        tokio::spawn(untold::run(Arc::downgrade(&shared)));
        Ok((Self { shared }, notices))
    }

    /// Starts a conversation, or answers as before when `request` did already.
    pub async fn create(&self, key: ConversationKey, request: Request) -> Result<Outcome, ExecuteError> {
        let mut created: Option<Outcome> = None;
        let made = self
            .shared
            .conversations
            .get_or_start(key, || async {
                match activation::create(&self.shared, key, &request).await? {
                    Some((handle, outcome)) => {
                        created = Some(outcome);
                        Ok(handle)
                    }
                    None => activation::activate(&self.shared, key).await,
                }
            })
            .await;
        made?;
        match created {
            Some(outcome) => Ok(outcome),
            None => self.execute(key, request).await,
        }
    }

    /// Has the conversation carry out `request`; the answer means that it is durable.
    pub async fn execute(&self, key: ConversationKey, request: Request) -> Result<Outcome, ExecuteError> {
        self.ask_for(key, request, false).await
    }

    /// What [`Self::execute`] would refuse, or answer without a change. An outcome without a head: it would change.
    pub(crate) async fn probe(
        &self,
        key: ConversationKey,
        request: Request,
    ) -> Result<Outcome, ExecuteError> {
        self.ask_for(key, request, true).await
    }

    async fn ask_for(
        &self,
        key: ConversationKey,
        request: Request,
        probe: bool,
    ) -> Result<Outcome, ExecuteError> {
        let request = Arc::new(request);
        self.ask(key, |reply, permit| ConversationMessage::Execute {
            request: Arc::clone(&request),
            probe,
            reply,
            permit,
        })
        .await
    }

    /// Has `sender` told of all that is durable after the subscription's `last_seq`, while the subscription is kept.
    /// `after`: the last event that he has, or says that he has.
    pub async fn subscribe(
        &self,
        key: ConversationKey,
        who: Arc<Principal>,
        sender: PushSender,
        after: Seq,
    ) -> Result<Subscription, ExecuteError> {
        let id = SubscriberId::next(&self.shared.next_id);
        let (last_seq, actor) = self
            .ask_which(key, |reply, permit| {
                let (who, sender) = (Arc::clone(&who), sender.clone());
                ConversationMessage::Subscribe(Joining { id, who, sender, after, reply, _permit: permit })
            })
            .await?;
        Ok(Subscription { id, actor, last_seq })
    }

    /// The agent whose subscription this is looks at the conversation, or away; over with the subscription.
    pub async fn viewing(
        &self,
        key: ConversationKey,
        id: SubscriberId,
        viewing: bool,
    ) -> Result<(), ExecuteError> {
        self.ask(key, |reply, permit| ConversationMessage::Viewing { id, viewing, reply, permit }).await
    }

    /// `who` types, or stopped.
    pub async fn typing(
        &self,
        key: ConversationKey,
        who: Arc<Principal>,
        typing: bool,
        preview: Option<Arc<str>>,
    ) -> Result<(), ExecuteError> {
        self.ask(key, |reply, permit| ConversationMessage::Typing {
            who: Arc::clone(&who),
            typing,
            preview: preview.clone(),
            reply,
            permit,
        })
        .await
    }

    /// `who` has read up to `seq`.
    pub async fn read(
        &self,
        key: ConversationKey,
        who: Arc<Principal>,
        seq: Seq,
    ) -> Result<(), ExecuteError> {
        self.ask(key, |reply, permit| ConversationMessage::Read { who: Arc::clone(&who), seq, reply, permit })
            .await
    }

    /// The head that a fresh claim finds: no append before this call can change it any more.
    pub(crate) async fn settled_head(&self, key: ConversationKey) -> Result<Head, ExecuteError> {
        // An unknown outcome has made the conversation leave the registry: this activates it anew.
        self.conversation(key).await?;
        Ok(self.shared.store.heads.get(key).await?.ok_or(Rejection::NotFound)?)
    }

    pub(crate) async fn conversation(
        &self,
        key: ConversationKey,
    ) -> Result<ConversationHandle, ExecuteError> {
        let start = || activation::activate(&self.shared, key);
        self.shared.conversations.get_or_start(key, start).await
    }

    async fn ask<T>(
        &self,
        key: ConversationKey,
        message: impl Fn(Reply<T>, Permit) -> ConversationMessage,
    ) -> Result<T, ExecuteError> {
        self.ask_which(key, message).await.map(|(answer, _)| answer)
    }

    async fn ask_which<T>(
        &self,
        key: ConversationKey,
        message: impl Fn(Reply<T>, Permit) -> ConversationMessage,
    ) -> Result<(T, ActorRef<ConversationMessage>), ExecuteError> {
        for _ in 0..HOPS_MAX {
            let handle = self.conversation(key).await?;
            let permit =
                handle.admission.enter().inspect_err(|_| Stats::add(&self.shared.stats.overloads, 1))?;
            let (reply, answer) = oneshot::channel();
            if handle.actor.cast(message(reply, permit)).is_err() {
                // It ended between the look and the message, which it never saw.
                continue;
            }
            match tokio::time::timeout(self.shared.settings.deadline, answer).await {
                Ok(Ok(Ok(answer))) => return Ok((answer, handle.actor)),
                Ok(Ok(Err(Refusal::Moved))) => {}
                Ok(Ok(Err(Refusal::Error(error)))) => return Err(error),
                // The actor crashed, or is late: either way it may have been done.
                Ok(Err(_)) | Err(_) => return Err(ExecuteError::Unknown),
            }
        }
        Err(ExecuteError::Overloaded)
    }

    /// Ends all actors at once, in the middle of whatever they do.
    #[cfg(test)]
    pub(crate) fn kill_all(&self) {
        self.everybody().iter().for_each(|(_, actor)| actor.kill());
    }

    /// Ends one actor, whichever `n` falls on; says what it was.
    #[cfg(test)]
    pub(crate) fn kill_one(&self, n: usize) -> Option<String> {
        let mut all = self.everybody();
        let (name, actor) = all.swap_remove(n.checked_rem(all.len())?);
        actor.kill();
        Some(name)
    }

    #[cfg(test)]
    fn everybody(&self) -> Vec<(String, ractor::ActorCell)> {
        let Shared { conversations, agents, teams, .. } = &*self.shared;
        let conversations =
            conversations.living().into_iter().map(|(k, h)| (format!("{k:?}"), h.actor.get_cell()));
        let agents = agents.living().into_iter().map(|(k, h)| (format!("{k:?}"), h.actor.get_cell()));
        let teams = teams.living().into_iter().map(|(k, h)| (format!("{k:?}"), h.actor.get_cell()));
        conversations.chain(agents).chain(teams).collect()
    }

    /// The state as if all that is staged were written.
    #[cfg(test)]
    pub(crate) async fn inspect(&self, key: ConversationKey) -> domain::Conversation {
        let (reply, answer) = oneshot::channel();
        let actor = self.conversation(key).await.expect("the test has started it").actor;
        actor.cast(ConversationMessage::Inspect(reply)).expect("the test has started it");
        answer.await.expect("the test has started it")
    }

    /// One who looks on in this workspace; at first at nothing.
    pub fn watcher(&self, workspace: domain::WorkspaceId) -> Watcher {
        self.shared.watchers.watcher(workspace)
    }

    /// The visitor asked for something: he is there for a minute.
    pub fn visitor_seen(&self, workspace: domain::WorkspaceId, visitor: domain::VisitorId) {
        self.shared.visitors.seen(workspace, visitor, self.shared.uptime_ms());
    }

    /// Counters since the start.
    pub fn stats(&self) -> StatsView {
        self.shared.stats.view()
    }

    /// How many conversations and agents are in memory.
    pub fn live(&self) -> (usize, usize) {
        (self.shared.conversations.count(), self.shared.agents.count())
    }

    /// Has every conversation finish what is in flight and leave memory, at most for `within`; says how many remain.
    pub async fn passivate_all(&self, within: Duration) -> usize {
        let until = Instant::now() + within;
        let mut leaving: Vec<ConversationHandle> = Vec::new();
        for (_, handle) in self.shared.conversations.living() {
            // An actor that ended has left already.
            let _ = handle.actor.cast(ConversationMessage::Passivate { only_idle: false });
            leaving.push(handle);
        }
        for handle in &leaving {
            let rest = until.saturating_duration_since(Instant::now());
            if handle.actor.wait(Some(rest)).await.is_err() {
                break;
            }
        }
        leaving.iter().filter(|handle| handle.actor.get_status() < ractor::ActorStatus::Stopped).count()
    }
}
