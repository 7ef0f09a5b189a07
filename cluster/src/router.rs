//! The façade: callers name a conversation or an agent, the router finds who has it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use actors::{
    AgentBrief, AgentKey, AgentView, Attachment, Clock, ExecuteError, Node, Notice, Outcome, Place,
    PushSender, QueueBrief, Settings, StatsView, SubscriberId, Subscription, TeamKey, Watcher,
};
use domain::{
    Agent, AgentCard, ClientId, Explanation, Head, MessageId, MessageText, Principal, Request, Seq, Status,
    TeamId, VisitorId, WorkspaceId,
};
use store::{ConversationKey, Owner, Store, StoreError};
use tokio::sync::{Semaphore, mpsc};

/// How many notices are carried at once.
const CARRIERS: usize = 64;

/// The way to every conversation and agent, wherever they live. Cheap to clone.
#[derive(Clone)]
pub struct Router {
    node: Node,
}

impl Router {
    /// Starts this node. `owner` names it and its boot in the logs that it claims.
    pub async fn start(
        store: Store,
        clock: Clock,
        owner: Owner,
        settings: Settings,
    ) -> Result<Self, StoreError> {
        let (node, notices) = Node::start(store, clock, owner, settings).await?;
        tokio::spawn(carry(node.clone(), notices));
        Ok(Self { node })
    }

    /// Starts a conversation, or answers as before when `request` did already. Durable when answered.
    pub async fn create(&self, key: ConversationKey, request: Request) -> Result<Outcome, ExecuteError> {
        self.node.create(key, request).await
    }

    /// Has the conversation carry out `request`. Durable when answered.
    pub async fn execute(&self, key: ConversationKey, request: Request) -> Result<Outcome, ExecuteError> {
        self.node.execute(key, request).await
    }

    /// The agent who asks takes the conversation; of many at once one gets it, and none passes his capacity.
    pub async fn accept(
        &self,
        key: ConversationKey,
        by: Principal,
        client_id: Option<ClientId>,
        take_over: bool,
    ) -> Result<Outcome, ExecuteError> {
        self.node.accept(key, by, client_id, take_over).await
    }

    /// Gives the conversation, as it is assigned now, to another agent who is there and has room.
    pub async fn transfer(
        &self,
        key: ConversationKey,
        by: Principal,
        client_id: Option<ClientId>,
        to: AgentCard,
        note: Option<(MessageId, MessageText)>,
    ) -> Result<Outcome, ExecuteError> {
        self.node.transfer(key, by, client_id, to, note).await
    }

    /// Opens an ended conversation again: for its last agent, if it is he who asks, else for its queue.
    pub async fn reopen(
        &self,
        key: ConversationKey,
        by: Principal,
        client_id: Option<ClientId>,
    ) -> Result<Outcome, ExecuteError> {
        self.node.reopen(key, by, client_id).await
    }

    /// The agent does not want what he is offered: it goes on at once.
    pub async fn decline(
        &self,
        key: ConversationKey,
        by: &Principal,
        client_id: Option<ClientId>,
    ) -> Result<(), ExecuteError> {
        self.node.decline(key, by, client_id).await
    }

    /// Where a conversation that waits for `team` stands; none: it does not wait there, or its router is silent.
    pub async fn place(&self, key: ConversationKey, team: TeamId) -> Option<Place> {
        self.node.place(key, team).await
    }

    /// The same of one that has just come to wait, as `head` has it: an answer may take a moment.
    pub async fn place_when_known(&self, key: ConversationKey, head: &Head) -> Option<Place> {
        self.node.place_when_known(key, head).await
    }

    /// Something changed that the conversation is shown with, such as a name: agents who look on are shown it again.
    pub async fn touched(&self, key: ConversationKey, head: &Head) {
        self.node.touched(key, head).await;
    }

    /// How many wait for a team; none: its router is not in memory, does not know yet, or is silent.
    pub async fn waiting_for(&self, workspace: WorkspaceId, team: TeamId) -> Option<usize> {
        self.node.waiting_for(TeamKey { workspace, team }).await
    }

    /// Where it stands, with why it is offered to whom it is offered, or would be.
    pub async fn explain(&self, key: ConversationKey, team: TeamId) -> Option<(Place, Explanation)> {
        self.node.explain(key, team).await
    }

    /// Has `sender` told of all that comes after the subscription's `last_seq`, while the subscription is kept. `after`: the
    /// last event that he has, or says that he has.
    pub async fn subscribe(
        &self,
        key: ConversationKey,
        who: Arc<Principal>,
        sender: PushSender,
        after: Seq,
    ) -> Result<Subscription, ExecuteError> {
        self.node.subscribe(key, who, sender, after).await
    }

    /// The agent whose subscription this is looks at the conversation, or away; over with the subscription.
    pub async fn viewing(
        &self,
        key: ConversationKey,
        subscription: SubscriberId,
        viewing: bool,
    ) -> Result<(), ExecuteError> {
        self.node.viewing(key, subscription, viewing).await
    }

    /// `who` types, or stopped; over by itself after six seconds.
    pub async fn typing(
        &self,
        key: ConversationKey,
        who: Arc<Principal>,
        typing: bool,
        preview: Option<Arc<str>>,
    ) -> Result<(), ExecuteError> {
        self.node.typing(key, who, typing, preview).await
    }

    /// `who` has read up to `seq`; a mark never falls.
    pub async fn read(
        &self,
        key: ConversationKey,
        who: Arc<Principal>,
        seq: Seq,
    ) -> Result<(), ExecuteError> {
        self.node.read(key, who, seq).await
    }

    /// The agent as his actor sees him.
    pub async fn agent(&self, key: AgentKey) -> Result<AgentView, ExecuteError> {
        self.node.agent(key).await
    }

    /// The agent wants to be taken for this; kept in his record when answered, and of two the last wins.
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

    /// The agent, whose will is `status`, asked for something: he is there.
    pub fn agent_seen(&self, key: AgentKey, status: Status) {
        self.node.agent_seen(key, status);
    }

    /// The visitor asked for something, or his socket answered: he is there for a minute.
    pub fn visitor_seen(&self, workspace: WorkspaceId, visitor: VisitorId) {
        self.node.visitor_seen(workspace, visitor);
    }

    /// The agent as far as is known without asking his actor; none: he is not in memory.
    pub fn agent_brief(&self, key: AgentKey) -> Option<AgentBrief> {
        self.node.agent_brief(key)
    }

    /// One who looks on in this workspace; at first at nothing.
    pub fn watcher(&self, workspace: WorkspaceId) -> Watcher {
        self.node.watcher(workspace)
    }

    /// The agent wants conversations and is there; asks no actor and activates none.
    pub fn is_online(&self, key: AgentKey) -> bool {
        self.node.is_online(key)
    }

    /// A socket of the agent's is open while the attachment is kept.
    pub async fn attach(&self, key: AgentKey, sender: PushSender) -> Result<Attachment, ExecuteError> {
        self.node.attach(key, sender).await
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

    /// Has every conversation finish what is in flight and leave memory, at most for `within`; says how many remain.
    pub async fn drain(&self, within: Duration) -> usize {
        self.node.passivate_all(within).await
    }
}

/// Carries what actors tell one another, in order; what asks a conversation to write goes beside, so that one slow log
/// holds up nobody else.
async fn carry(node: Node, mut notices: mpsc::Receiver<Notice>) {
    let carriers = Arc::new(Semaphore::new(CARRIERS));
    while let Some(notice) = notices.recv().await {
        match notice {
            Notice::Assigned { .. }
            | Notice::Lost { .. }
            | Notice::Joined { .. }
            | Notice::Left { .. }
            | Notice::Agent { .. }
            | Notice::CallOut { .. }
            | Notice::Report { .. }
            | Notice::Offer { .. }
            | Notice::OfferEnded { .. }
            | Notice::Refused { .. }
            | Notice::Queue { .. } => node.deliver(notice).await,
            Notice::Release { .. } => {
                let Ok(carrier) = Arc::clone(&carriers).acquire_owned().await else { return };
                let node = node.clone();
                tokio::spawn(async move {
                    node.deliver(notice).await;
                    drop(carrier);
                });
            }
        }
    }
}
