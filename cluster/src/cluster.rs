//! The façade: callers name a conversation, an agent or a team, and never a node.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use actors::{
    AgentBrief, AgentKey, AgentView, Attachment, ExecuteError, Node, Outcome, PushSender, Question,
    QueueBrief, QueuePosition, Settings, StatsView, Subscription, TeamKey, Watcher,
};
use domain::{
    Agent, AgentCard, ClientId, Explanation, Head, MessageId, MessageText, Principal, Request, Seq, Status,
    TeamId, VisitorId, WorkspaceId,
};
use store::{Clock, ConversationKey, Store};
use tokio::time::timeout;

use crate::boot::{self, Boot, Ended, StartError};
use crate::figures::MemberFigures;
use crate::peering::Joining;
use crate::{assignment, carry, wake};

/// How long a node that was drained may take to seal its lanes and to leave the view.
const LEAVE_WITHIN: Duration = Duration::from_secs(5);

/// The way to every conversation, agent and router, wherever it lives. Cheap to clone.
#[derive(Clone)]
pub struct Cluster {
    node: Node,
    boot: Boot,
}

impl Cluster {
    /// Starts this node as a boot of its own. Alone it has custody when this returns: those before are sealed first. With
    /// `joining` it stands by until the view gives it everything.
    ///
    /// # Errors
    /// [`StartError`], each with what the caller does: it may start again after [`StartError::Store`] and [`StartError::Out`].
    pub async fn start(
        store: Store,
        clock: Clock,
        settings: Settings,
        joining: Option<Joining>,
    ) -> Result<Self, StartError> {
        let boot = match joining {
            None => Boot::enter(&store, &clock).await?,
            Some(joining) => Boot::join(&store, &clock, joining).await?,
        };
        let (node, notices) = Node::start(store, clock, boot.authority(), settings).await?;
        tokio::spawn(carry::run(node.downgrade(), notices));
        tokio::spawn(boot.clone().keep(node.downgrade()));
        let (weak, custody) = (node.downgrade(), boot.custody().clone());
        tokio::spawn(async move {
            custody.begun().await;
            wake::run(weak).await;
        });
        let (membership, lanes) = (boot.membership().clone(), Arc::clone(boot.lanes()));
        tokio::spawn(boot::watch(node.downgrade(), membership, lanes));
        Ok(Self { node, boot })
    }

    /// This node alone, whose carrier runs already.
    #[cfg(test)]
    pub(crate) fn of(node: Node, boot: Boot) -> Self {
        Self { node, boot }
    }

    #[cfg(test)]
    pub(crate) fn node(&self) -> &Node {
        &self.node
    }

    /// Asks the actor that `key` names.
    ///
    /// # Errors
    /// As [`Node::ask`].
    pub async fn ask<A: Question>(&self, key: A::Key, ask: A) -> Result<A::Answer, ExecuteError> {
        self.node.ask(key, ask).await
    }

    /// Starts a conversation, or answers as before when `request` did already. Durable when answered.
    ///
    /// # Errors
    /// As [`Node::ask`].
    pub async fn create(&self, key: ConversationKey, request: Request) -> Result<Outcome, ExecuteError> {
        self.node.create(key, request).await
    }

    /// Lets the conversation carry out `request`. Durable when answered.
    ///
    /// # Errors
    /// As [`Node::ask`].
    pub async fn execute(&self, key: ConversationKey, request: Request) -> Result<Outcome, ExecuteError> {
        self.node.execute(key, request).await
    }

    /// The agent who asks takes the conversation; of many at once one gets it, and none passes their capacity.
    ///
    /// # Errors
    /// As [`Node::ask`].
    pub async fn accept(
        &self,
        key: ConversationKey,
        by: Principal,
        client_id: Option<ClientId>,
        take_over: bool,
    ) -> Result<Outcome, ExecuteError> {
        assignment::accept(&self.node, key, by, client_id, take_over).await
    }

    /// Gives the conversation, as it is assigned now, to another agent who is there and has room.
    ///
    /// # Errors
    /// As [`Node::ask`].
    pub async fn transfer(
        &self,
        key: ConversationKey,
        by: Principal,
        client_id: Option<ClientId>,
        to: AgentCard,
        note: Option<(MessageId, MessageText)>,
    ) -> Result<Outcome, ExecuteError> {
        assignment::transfer(&self.node, key, by, client_id, to, note).await
    }

    /// Opens an ended conversation again: for the last agent, if they ask, else for its queue.
    ///
    /// # Errors
    /// As [`Node::ask`].
    pub async fn reopen(
        &self,
        key: ConversationKey,
        by: Principal,
        client_id: Option<ClientId>,
    ) -> Result<Outcome, ExecuteError> {
        assignment::reopen(&self.node, key, by, client_id).await
    }

    /// The agent does not want what they are offered: it goes on at once.
    ///
    /// # Errors
    /// As [`Node::ask`].
    pub async fn decline(
        &self,
        key: ConversationKey,
        by: &Principal,
        client_id: Option<ClientId>,
    ) -> Result<(), ExecuteError> {
        assignment::decline(&self.node, key, by, client_id).await
    }

    /// Pushes all that comes after the subscription's `last_seq` to `sender`, while the subscription is kept. `after`: the
    /// last event that the listener has, or claims to have.
    ///
    /// # Errors
    /// As [`Node::ask`]; after an error nothing is pushed.
    pub async fn subscribe(
        &self,
        key: ConversationKey,
        who: Arc<Principal>,
        sender: PushSender,
        after: Seq,
    ) -> Result<Subscription, ExecuteError> {
        self.node.subscribe(key, who, sender, after).await
    }

    /// Counts a socket of the agent's as open while the attachment is kept.
    ///
    /// # Errors
    /// As [`Node::ask`].
    pub async fn attach(&self, key: AgentKey, sender: PushSender) -> Result<Attachment, ExecuteError> {
        self.node.attach(key, sender).await
    }

    /// One that watches lists of this workspace; at first none.
    pub fn watcher(&self, workspace: WorkspaceId) -> Watcher {
        self.node.watcher(workspace)
    }

    /// Where a conversation that waits for `team` stands; none: it does not wait there, or its router is silent.
    pub async fn position(&self, key: ConversationKey, team: TeamId) -> Option<QueuePosition> {
        self.node.position(key, team).await
    }

    /// The same of one that has just come to wait, as `head` has it: an answer may take a moment.
    pub async fn position_when_known(&self, key: ConversationKey, head: &Head) -> Option<QueuePosition> {
        self.node.position_when_known(key, head).await
    }

    /// Where it stands, with why it is offered to that agent, or would be.
    pub async fn explain(&self, key: ConversationKey, team: TeamId) -> Option<(QueuePosition, Explanation)> {
        self.node.explain(key, team).await
    }

    /// How many wait for a team; none: its router is not in memory, does not know yet, or is silent.
    pub async fn waiting_for(&self, workspace: WorkspaceId, team: TeamId) -> Option<usize> {
        self.node.waiting_for(TeamKey { workspace, team }).await
    }

    /// Something changed that the conversation is shown with, such as a name: agents who watch it are shown it again.
    pub async fn touched(&self, key: ConversationKey, head: &Head) {
        self.node.touched(key, head).await;
    }

    /// Keeps in the agent's record what they want to be taken for; of two the last wins.
    ///
    /// # Errors
    /// [`ExecuteError::Unknown`]: the same again is safe. The others: nothing was changed.
    pub async fn set_status(&self, key: AgentKey, status: Status) -> Result<AgentView, ExecuteError> {
        self.node.set_status(key, status).await
    }

    /// The agent's record was changed.
    pub fn agent_changed(&self, workspace: WorkspaceId, agent: &Agent) {
        self.node.agent_changed(workspace, agent);
    }

    /// Teams of the workspace were changed, or who is in which.
    pub fn teams_changed(&self, workspace: WorkspaceId) {
        self.node.teams_changed(workspace);
    }

    /// The agent, who wants to be taken for `status`, asked for something, and is there.
    pub fn agent_seen(&self, key: AgentKey, status: Status) {
        self.node.agent_seen(key, status);
    }

    /// The visitor asked for something, or a socket of theirs answered: they are there for a minute.
    pub fn visitor_seen(&self, workspace: WorkspaceId, visitor: VisitorId) {
        self.node.visitor_seen(workspace, visitor);
    }

    /// The agent as far as is known without asking their actor; none: the agent is not in memory.
    pub fn agent_brief(&self, key: AgentKey) -> Option<AgentBrief> {
        self.node.agent_brief(key)
    }

    /// The agent wants conversations and is there; asks no actor and activates none.
    pub fn is_online(&self, key: AgentKey) -> bool {
        self.node.is_online(key)
    }

    /// Counters since the start.
    pub fn stats(&self) -> StatsView {
        self.node.stats()
    }

    /// The queues whose routers are here, by team.
    pub fn queues(&self) -> Vec<QueueBrief> {
        self.node.queues()
    }

    /// How many of the agents in memory want to be taken for what, and how many of those are there.
    pub fn agents_by_status(&self) -> BTreeMap<(Status, bool), usize> {
        self.node.agents_by_status()
    }

    /// How many conversations and agents are in memory.
    pub fn live(&self) -> (usize, usize) {
        self.node.live()
    }

    /// Whether this node has custody of the conversations: if not, another one serves, and every question is refused here.
    pub fn serves(&self) -> bool {
        self.boot.custody().generation().is_some()
    }

    /// Completes once it has.
    pub async fn custody(&self) {
        self.boot.custody().begun().await;
    }

    /// Completes when this node can write nothing any more, which it did not ask for; every question is refused then.
    pub async fn ended(&self) -> Ended {
        self.boot.ended().await
    }

    /// Completes when somebody has this node drained.
    pub async fn told_to_leave(&self) {
        self.boot.told_to_leave().await;
    }

    /// Has another member ready to take over while this node drains.
    pub async fn begin_leaving(&self) {
        match timeout(LEAVE_WITHIN, self.boot.begin_leaving()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "the next member takes over when this one is gone"),
            Err(_) => tracing::debug!("the next member takes over when this one is gone: the store is slow"),
        }
    }

    /// The view and the links as this node knows them.
    pub fn member_figures(&self) -> MemberFigures {
        self.boot.figures()
    }

    /// Whether that has come about.
    pub fn is_over(&self) -> bool {
        self.node.is_over()
    }

    /// Lets every conversation finish what is in flight and leave memory, at most for `within`; says how many remain. Then
    /// the node seals its lanes and leaves the view, so that the next one finds nothing to seal.
    pub async fn drain(&self, within: Duration) -> usize {
        let left = self.node.drain(within).await;
        match timeout(LEAVE_WITHIN, self.boot.leave(self.node.clock().now())).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the next server to start seals this one's lanes"),
            Err(_) => tracing::warn!("the store is slow: the next server to start seals this one's lanes"),
        }
        left
    }
}
