//! Lists that were read before something was lost, and come after it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use domain::{
    Attributes, ClientId, Command, Conversation, Head, Marks, Principal, Request, Seq, Start, TeamId,
    Timestamp, Unread, VisitorCard, WorkspaceId,
};
use store::memory::{MemoryRecords, MemoryStore};
use store::{
    Clock, ConversationKey, EventLog, Generation, HeadFilter, HeadPosition, HeadView, Heads, Incarnation,
    ListedHead, LiveRow, Store, StoreError,
};
use tokio::sync::Semaphore;
use uuid::Uuid;

use crate::mail::AgentMessage;
use crate::testing::{agent_key, id, key, some_agent, workspace};
use crate::words::{Loss, Notice, ViewAgent};
use crate::{Authority, Custody, Node, Settings};

/// What the agent holds, of which a list is made at once and answered when it may be.
struct SlowHeads {
    held: Mutex<Vec<ListedHead>>,
    asked: Semaphore,
    may_answer: Semaphore,
}

#[async_trait]
impl Heads for SlowHeads {
    async fn get(&self, _: ConversationKey) -> Result<Option<Head>, StoreError> {
        Ok(None)
    }

    async fn mark(&self, _: ConversationKey, _: Marks, _: Unread, _: Seq) -> Result<(), StoreError> {
        Ok(())
    }

    async fn list(
        &self,
        _: WorkspaceId,
        _: &HeadView,
        _: &HeadFilter,
        _: Option<HeadPosition>,
        _: usize,
    ) -> Result<Vec<ListedHead>, StoreError> {
        let held = self.held.lock().unwrap().clone();
        self.asked.add_permits(1);
        self.may_answer.acquire().await.unwrap().forget();
        Ok(held)
    }

    async fn live(&self, _: Option<ConversationKey>, _: usize) -> Result<Vec<LiveRow>, StoreError> {
        Ok(Vec::new())
    }
}

impl SlowHeads {
    /// The node's first look at all agents is over, and what is asked from now on waits.
    async fn wait_from_now_on(&self) {
        self.may_answer.add_permits(9);
        tokio::time::sleep(SOON).await;
        self.may_answer.forget_permits(usize::MAX);
        self.asked.forget_permits(usize::MAX);
    }

    /// The next list is being read.
    async fn asked(&self) {
        self.asked.acquire().await.unwrap().forget();
    }
}

/// Conversation 1, of whose first assignment agent 1 has it.
fn held() -> ListedHead {
    let visitor = VisitorCard { id: id(1), name: None, email: None, verified: false };
    let (team, attributes): (TeamId, _) = (id(1), Attributes::default());
    let start = Start { site: id(1), team, visitor, subject: None, attributes };
    let by = Principal::Visitor { id: id(1), site: id(1), name: None };
    let client_id = Some(ClientId::parse("start").unwrap());
    let request = Request { by, client_id, command: Command::Start { start, first: None } };
    let events = Conversation::start(&request, Timestamp::from_ms(1)).unwrap();
    let mut head = Conversation::replay(&events).unwrap().head().clone();
    head.assignment_epoch = 1;
    let conversation = key(1).conversation;
    ListedHead { conversation, head, position: HeadPosition { at: Timestamp::from_ms(1), conversation } }
}

async fn office() -> (Node, Arc<SlowHeads>) {
    let memory = Arc::new(MemoryStore::default());
    let heads = Arc::new(SlowHeads {
        held: Mutex::new(vec![held()]),
        asked: Semaphore::new(0),
        may_answer: Semaphore::new(0),
    });
    let records = Arc::new(MemoryRecords::default());
    store::insert(&*records, workspace(), some_agent(1, 4), Timestamp::from_ms(1)).await.unwrap();
    let lanes = memory.open(Incarnation(Uuid::nil())).await.unwrap();
    let authority = Authority { lanes, custody: Custody::since(Generation(1)) };
    let store = Store { log: memory.clone(), heads: heads.clone(), records, series: memory };
    let clock = Clock::by_hand(Timestamp::from_ms(1_000));
    let (node, mut notices) = Node::start(store, clock, authority, Settings::default()).await.unwrap();
    tokio::spawn(async move { while notices.recv().await.is_some() {} });
    (node, heads)
}

/// The conversation ends while the list that was asked for has it: the list comes later than the notice.
async fn end_meanwhile(node: &Node, heads: &SlowHeads) {
    heads.asked().await;
    heads.held.lock().unwrap().clear();
    let (agent, conversation) = (agent_key(1), key(1).conversation);
    node.deliver(Notice::Lost { agent, conversation, epoch: 1, why: Loss::Ended }).await;
    heads.may_answer.add_permits(9);
}

async fn load(node: &Node) -> usize {
    node.ask(agent_key(1), ViewAgent).await.unwrap().load
}

/// Much sooner than the next comparison by itself.
const SOON: Duration = Duration::from_secs(2);

#[tokio::test(start_paused = true)]
async fn what_was_lost_while_the_heads_were_read_is_not_held_again() {
    let (node, heads) = office().await;
    heads.may_answer.add_permits(1);
    assert_eq!(load(&node).await, 1);
    heads.wait_from_now_on().await;
    node.tell_agent(agent_key(1), AgentMessage::Reconcile);
    end_meanwhile(&node, &heads).await;
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(load(&node).await, 0);
}

#[tokio::test(start_paused = true)]
async fn what_was_lost_while_the_actor_was_started_is_read_again() {
    let (node, heads) = office().await;
    let starting = tokio::spawn({
        let node = node.clone();
        async move { load(&node).await }
    });
    end_meanwhile(&node, &heads).await;
    starting.await.unwrap();
    tokio::time::sleep(SOON).await;
    assert_eq!(load(&node).await, 0);
}

#[tokio::test(start_paused = true)]
async fn what_was_given_again_after_a_loss_is_held() {
    let (node, heads) = office().await;
    heads.may_answer.add_permits(9);
    assert_eq!(load(&node).await, 1);
    let (agent, conversation) = (agent_key(1), key(1).conversation);
    node.deliver(Notice::Lost { agent, conversation, epoch: 1, why: Loss::Ended }).await;
    assert_eq!(load(&node).await, 0);
    heads.held.lock().unwrap()[0].head.assignment_epoch = 2;
    node.tell_agent(agent_key(1), AgentMessage::Reconcile);
    tokio::time::sleep(SOON).await;
    assert_eq!(load(&node).await, 1);
}
