//! Lists that sockets watch: a socket is told when a conversation of a team, an agent or a workspace changes, a visitor's
//! socket when their place in a queue does.
//!
//! An inbox keeps the newest of each conversation until its socket takes it, so a busy workspace costs a slow socket no
//! memory.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dashmap::DashMap;
use domain::{AgentId, ConversationId, Head, TeamId, VisitorId, WorkspaceId};
use store::ConversationKey;
use tokio::sync::Notify;

use crate::words::{QueuePosition, SharedHead};

/// What can be looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Topic {
    /// What this agent has, or had when it ended.
    Agent(AgentId),
    /// The open conversations of this team, and those that just ended.
    Team(TeamId),
    /// All of the workspace.
    All,
    /// This visitor's places in queues.
    Visitor(VisitorId),
}

/// More conversations at once are not told apart: the socket looks at its lists anew.
const CHANGES_MAX: usize = 4096;

/// What changed since the last look.
#[derive(Debug, Default)]
pub struct Changes {
    /// The conversations, each as it is now; none: read it.
    pub conversations: BTreeMap<ConversationId, Option<Arc<SharedHead>>>,
    /// The visitor's places.
    pub places: BTreeMap<ConversationId, QueuePosition>,
    /// Those of the visitor that left their queue; some may wait again since, and then have a place too.
    pub left: BTreeSet<ConversationId>,
    /// There were too many: what is shown may be old.
    pub lost: bool,
}

#[derive(Debug, Default)]
struct Inbox {
    changes: Mutex<Changes>,
    filled: Notify,
}

impl Inbox {
    fn changes(&self) -> MutexGuard<'_, Changes> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, conversation: ConversationId, head: Option<&Arc<SharedHead>>) {
        let mut changes = self.changes();
        if changes.conversations.len() >= CHANGES_MAX {
            changes.conversations.clear();
            changes.lost = true;
        }
        // Who finds it there is told already, and has not looked yet.
        let is_first = changes.conversations.is_empty();
        changes.conversations.insert(conversation, head.map(Arc::clone));
        drop(changes);
        if is_first {
            self.filled.notify_one();
        }
    }
}

type Topics = DashMap<(WorkspaceId, Topic), Vec<Arc<Inbox>>>;

/// All who look on, on this node.
#[derive(Debug, Default)]
pub(crate) struct Watchers {
    topics: Arc<Topics>,
    count: Arc<AtomicUsize>,
}

/// One who looks on, until it is dropped.
#[derive(Debug)]
pub struct Watcher {
    workspace: WorkspaceId,
    inbox: Arc<Inbox>,
    looks_at: Vec<Topic>,
    topics: Arc<Topics>,
    count: Arc<AtomicUsize>,
}

impl Watchers {
    pub(crate) fn watcher(&self, workspace: WorkspaceId) -> Watcher {
        self.count.fetch_add(1, Ordering::Relaxed);
        Watcher {
            workspace,
            inbox: Arc::default(),
            looks_at: Vec::new(),
            topics: Arc::clone(&self.topics),
            count: Arc::clone(&self.count),
        }
    }

    /// A conversation changed: `before` is the team and the agent that it had, or had when it ended.
    pub(crate) fn changed(&self, key: ConversationKey, before: (TeamId, Option<AgentId>), head: &Arc<Head>) {
        if self.count.load(Ordering::Relaxed) == 0 {
            return;
        }
        let shared = Arc::new(SharedHead::new(Arc::clone(head)));
        let assignee = head.assignee.as_ref().map(|agent| agent.id);
        let teams = [Some(before.0), Some(head.team).filter(|team| *team != before.0)];
        let agents = [before.1, assignee.filter(|_| assignee != before.1)];
        let teams = teams.into_iter().flatten().map(Topic::Team);
        let agents = agents.into_iter().flatten().map(Topic::Agent);
        for topic in teams.chain(agents).chain([Topic::All]) {
            self.each(key.workspace, topic, |inbox| inbox.put(key.conversation, Some(&shared)));
        }
    }

    /// Something of it changed that is not in its head, such as the agent who is offered it: those who watch read it again.
    pub(crate) fn touch(&self, key: ConversationKey, team: TeamId, assignee: Option<AgentId>) {
        for topic in
            [Some(Topic::Team(team)), assignee.map(Topic::Agent), Some(Topic::All)].into_iter().flatten()
        {
            self.each(key.workspace, topic, |inbox| inbox.put(key.conversation, None));
        }
    }

    pub(crate) fn place(
        &self,
        workspace: WorkspaceId,
        visitor: VisitorId,
        conversation: ConversationId,
        place: QueuePosition,
    ) {
        self.each(workspace, Topic::Visitor(visitor), |inbox| {
            inbox.changes().places.insert(conversation, place);
            inbox.filled.notify_one();
        });
    }

    /// The conversation waits there no longer: a place that its visitor was not told yet is no news.
    pub(crate) fn left_queue(
        &self,
        workspace: WorkspaceId,
        visitor: VisitorId,
        conversation: ConversationId,
    ) {
        self.each(workspace, Topic::Visitor(visitor), |inbox| {
            let mut changes = inbox.changes();
            changes.places.remove(&conversation);
            changes.left.insert(conversation);
            drop(changes);
            inbox.filled.notify_one();
        });
    }

    fn each(&self, workspace: WorkspaceId, topic: Topic, tell: impl Fn(&Inbox)) {
        if let Some(inboxes) = self.topics.get(&(workspace, topic)) {
            inboxes.iter().for_each(|inbox| tell(inbox));
        }
    }
}

impl Watcher {
    /// Looks at these from now on, and at nothing else.
    pub fn look_at(&mut self, topics: Vec<Topic>) {
        for topic in topics.iter().filter(|topic| !self.looks_at.contains(topic)) {
            self.topics.entry((self.workspace, *topic)).or_default().push(Arc::clone(&self.inbox));
        }
        for topic in self.looks_at.iter().filter(|topic| !topics.contains(topic)) {
            self.leave(*topic);
        }
        self.looks_at = topics;
    }

    /// Waits until something changed. For one waiter at a time; a wait that is given up loses nothing.
    pub async fn changed(&self) {
        self.inbox.filled.notified().await;
    }

    /// What changed since the last look.
    pub fn take(&self) -> Changes {
        std::mem::take(&mut *self.inbox.changes())
    }

    fn leave(&self, topic: Topic) {
        let key = (self.workspace, topic);
        if let Some(mut inboxes) = self.topics.get_mut(&key) {
            inboxes.retain(|inbox| !Arc::ptr_eq(inbox, &self.inbox));
        }
        self.topics.remove_if(&key, |_, inboxes| inboxes.is_empty());
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.looks_at.iter().for_each(|topic| self.leave(*topic));
        self.count.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id<K: domain::Kind>(n: u8) -> domain::Id<K> {
        domain::Id::from_hash([n; 16])
    }

    fn place(position: u64) -> QueuePosition {
        QueuePosition { position, ..QueuePosition::default() }
    }

    #[tokio::test]
    async fn what_happens_between_two_looks_is_told_once_and_only_to_who_looks() {
        let watchers = Watchers::default();
        let (mut mine, mut other) = (watchers.watcher(id(1)), watchers.watcher(id(1)));
        mine.look_at(vec![Topic::Visitor(id(2))]);
        other.look_at(vec![Topic::Visitor(id(3))]);
        for position in [3, 2, 1] {
            watchers.place(id(1), id(2), id(9), place(position));
        }
        watchers.place(id(7), id(2), id(9), place(5));
        watchers.place(id(1), id(2), id(8), place(4));
        watchers.left_queue(id(1), id(2), id(8));
        mine.changed().await;
        let changes = mine.take();
        assert_eq!(changes.places.into_iter().collect::<Vec<_>>(), [(id(9), place(1))]);
        assert_eq!(changes.left.into_iter().collect::<Vec<_>>(), [id(8)]);
        assert!(other.take().places.is_empty());
        mine.look_at(Vec::new());
        watchers.place(id(1), id(2), id(9), place(1));
        assert!(mine.take().places.is_empty());
        drop((mine, other));
        assert!(watchers.topics.is_empty());
        assert_eq!(watchers.count.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn an_inbox_that_fills_says_so() {
        let watchers = Watchers::default();
        let mut watcher = watchers.watcher(id(1));
        watcher.look_at(vec![Topic::All]);
        for n in 0..=CHANGES_MAX as u32 {
            let conversation = ConversationId::from_uuid(uuid::Uuid::from_u128(n.into()));
            watchers.touch(ConversationKey { workspace: id(1), conversation }, id(1), None);
        }
        let changes = watcher.take();
        assert!(changes.lost && changes.conversations.len() == 1);
        assert!(!watcher.take().lost);
    }
}
