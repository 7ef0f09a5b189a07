//! The one way of a question to its actor: find it or start it, put the question into its mailbox, wait for the answer.

use std::time::Duration;

use ractor::Message;
use store::{ConversationKey, StoreError};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::local::Node;
use crate::mail::{
    Activity, AgentMessage, AgentPresence, Asked, ConversationMessage, Handle, QueueGauges, Refusal,
    TeamMessage,
};
use crate::runtime::Stats;
use crate::words::{AgentKey, Ask, ExecuteError, TeamKey};
use crate::{agent, conversation, team};

/// How often a question follows what it asks for from one actor to the next before the caller is told to come again.
const HOPS_MAX: usize = 3;

/// The name of an actor.
pub(crate) trait Address: Copy + Send + Sync {
    type Message: Message;
    type Shown: Send + Sync;

    /// A question whose answer was dropped has changed nothing: the actor keeps nothing that is stored.
    const IS_MEMORY: bool;

    /// The actor, if it lives.
    fn find(self, node: &Node) -> Option<Handle<Self::Message, Self::Shown>>;

    /// The living actor; started when there is none.
    fn reach(
        self,
        node: &Node,
    ) -> impl Future<Output = Result<Handle<Self::Message, Self::Shown>, ExecuteError>> + Send;
}

impl Address for ConversationKey {
    type Message = ConversationMessage;
    type Shown = Activity;

    const IS_MEMORY: bool = false;

    fn find(self, node: &Node) -> Option<Handle<ConversationMessage, Activity>> {
        node.context.conversations.get(&self)
    }

    async fn reach(self, node: &Node) -> Result<Handle<ConversationMessage, Activity>, ExecuteError> {
        let context = &node.context;
        context.conversations.get_or_start(self, || conversation::activate(context, self)).await
    }
}

impl Address for AgentKey {
    type Message = AgentMessage;
    type Shown = AgentPresence;

    const IS_MEMORY: bool = true;

    fn find(self, node: &Node) -> Option<Handle<AgentMessage, AgentPresence>> {
        node.context.agents.get(&self)
    }

    async fn reach(self, node: &Node) -> Result<Handle<AgentMessage, AgentPresence>, ExecuteError> {
        node.context.agents.get_or_start(self, || agent::activate(&node.context, self)).await
    }
}

impl Address for TeamKey {
    type Message = TeamMessage;
    type Shown = QueueGauges;

    const IS_MEMORY: bool = true;

    fn find(self, node: &Node) -> Option<Handle<TeamMessage, QueueGauges>> {
        node.context.teams.get(&self)
    }

    async fn reach(self, node: &Node) -> Result<Handle<TeamMessage, QueueGauges>, ExecuteError> {
        node.context.teams.get_or_start(self, || team::start(&node.context, self)).await
    }
}

/// A question that some actor takes.
pub trait Question: Ask {
    /// See [`Node::ask`].
    #[doc(hidden)]
    fn put_to(
        self,
        node: &Node,
        key: Self::Key,
    ) -> impl Future<Output = Result<Self::Answer, ExecuteError>> + Send;
}

impl<A> Question for A
where
    A: Ask,
    A::Key: Address,
    <A::Key as Address>::Message: From<Asked<A>>,
{
    async fn put_to(self, node: &Node, key: Self::Key) -> Result<Self::Answer, ExecuteError> {
        node.follow(key, self).await
    }
}

/// Why one actor did not answer.
pub(crate) enum Missed {
    /// It did nothing.
    Moved,
    /// It ended with the question in its hands, or before it took it up.
    Dropped,
    /// It has not answered in time.
    Late,
    /// It, or the bound in front of it, refused.
    Refused(ExecuteError),
}

impl Node {
    /// Asks the actor that `key` names, which is started when it is not there.
    ///
    /// # Errors
    /// [`ExecuteError::Unknown`]: the answer did not come within [`Settings::deadline`](crate::Settings::deadline), or its
    /// actor crashed; what was asked may have been done. [`ExecuteError::Rejected`]: the actor says no. The others: nothing was
    /// done; ask again soon.
    pub async fn ask<A: Question>(&self, key: A::Key, ask: A) -> Result<A::Answer, ExecuteError> {
        ask.put_to(self, key).await
    }

    /// Asks one actor after the other, as long as what is asked for moves on.
    async fn follow<A>(&self, key: A::Key, ask: A) -> Result<A::Answer, ExecuteError>
    where
        A: Ask,
        A::Key: Address,
        <A::Key as Address>::Message: From<Asked<A>>,
    {
        for _ in 0..HOPS_MAX {
            let handle = match key.find(self) {
                Some(handle) => handle,
                None => self.reach_in_time(key).await?,
            };
            match self.put(&handle, ask.clone(), self.context.settings.deadline).await {
                Ok(answer) => return Ok(answer),
                Err(Missed::Moved) => {}
                Err(Missed::Dropped) if A::Key::IS_MEMORY => {}
                Err(Missed::Dropped | Missed::Late) => return Err(ExecuteError::Unknown),
                Err(Missed::Refused(error)) => return Err(error),
            }
        }
        Err(ExecuteError::Contended)
    }

    /// An actor that takes the place of another one waits for what that one was appending, which may take long.
    async fn reach_in_time<K: Address>(&self, key: K) -> Result<Handle<K::Message, K::Shown>, ExecuteError> {
        let late = || StoreError::Unavailable("no actor was started in time".into());
        timeout(self.context.settings.deadline, key.reach(self)).await.map_err(|_| late())?
    }

    /// Asks this actor alone.
    pub(super) async fn put<A, M, S>(
        &self,
        handle: &Handle<M, S>,
        ask: A,
        within: Duration,
    ) -> Result<A::Answer, Missed>
    where
        A: Ask,
        M: Message + From<Asked<A>>,
    {
        let permit = handle.admission.enter().map_err(|error| {
            Stats::add(&self.context.stats.overloads, 1);
            Missed::Refused(error)
        })?;
        let (reply, answer) = oneshot::channel();
        if !handle.tell(Asked { ask, reply, permit }.into()) {
            // The actor ended between the look and the message, which it never saw.
            return Err(Missed::Moved);
        }
        match timeout(within, answer).await {
            Ok(Ok(Ok(answer))) => Ok(answer),
            Ok(Ok(Err(Refusal::Moved))) => Err(Missed::Moved),
            Ok(Ok(Err(Refusal::Error(error)))) => Err(Missed::Refused(error)),
            Ok(Err(_)) => Err(Missed::Dropped),
            Err(_) => Err(Missed::Late),
        }
    }
}
