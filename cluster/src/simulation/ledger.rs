//! What holds at any time: logs only grow, without holes; a conversation has one agent at a time; what was acknowledged is in
//! the log; and no agent holds, with what is reserved for them, more than they may.

use std::collections::BTreeMap;
use std::sync::Arc;

use domain::{AgentId, Answer, AssignReason, Conversation, Event, EventKind, Load, Seq, State};
use store::memory::MemoryStore;
use store::{EventLog, PAGE_MAX};
use tokio::time::{Duration, Instant};

use actors::Outcome;
use actors::testing::{id, key};

use super::{CAPACITY, CONVERSATIONS};

/// How long it may take until what an agent's dead actor approved is written, and given back.
const EXCUSED_FOR: Duration = Duration::from_secs(20);

/// How a conversation stands after one event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stand {
    state: State,
    agent: Option<AgentId>,
    epoch: u64,
}

/// What is known of one log.
#[derive(Default)]
struct Known {
    conversation: Option<Conversation>,
    last: Option<Event>,
    /// After each event.
    stands: Vec<Stand>,
    posted: Vec<bool>,
}

/// What an answer said of a log.
struct Acknowledged {
    n: u8,
    what: String,
    seq: Seq,
    /// None: a message stands there.
    stand: Option<Stand>,
}

pub(super) struct Ledger {
    log: Arc<MemoryStore>,
    known: BTreeMap<u8, Known>,
    /// Not compared with the log yet.
    acknowledged: Vec<Acknowledged>,
    /// Agents whose actor died with something reserved, and when.
    excused: BTreeMap<AgentId, Instant>,
}

impl Known {
    fn stand(&self) -> Option<Stand> {
        self.stands.last().copied()
    }

    fn grow(&mut self, n: u8, event: Event) {
        assert_eq!(event.seq.0, self.stands.len() as u64 + 1, "the log of {n} has a hole");
        let before = self.stand();
        match &mut self.conversation {
            Some(conversation) => conversation.apply(&event),
            none => *none = Conversation::begin(&event),
        }
        let head = self.conversation.as_ref().expect("a log begins").head();
        let held = head.assignee.as_ref().filter(|_| head.state == State::Assigned);
        let stand =
            Stand { state: head.state, agent: held.map(|agent| agent.id), epoch: head.assignment_epoch };
        if let EventKind::Assigned { assignment_epoch, reason, .. } = &event.kind {
            let epoch = before.map_or(0, |before| before.epoch);
            assert_eq!(*assignment_epoch, epoch + 1, "an epoch of {n} is not the next one");
            let held = before.is_some_and(|before| before.agent.is_some());
            let moved = matches!(reason, AssignReason::TakeOver | AssignReason::Transfer);
            assert!(!held || moved, "conversation {n} was given while somebody had it");
        }
        self.posted.push(matches!(event.kind, EventKind::MessagePosted { .. }));
        self.stands.push(stand);
        self.last = Some(event);
    }
}

impl Ledger {
    pub(super) fn new(log: Arc<MemoryStore>) -> Self {
        Self { log, known: BTreeMap::new(), acknowledged: Vec::new(), excused: BTreeMap::new() }
    }

    /// The agent's actor died with something reserved: the next one may approve too much.
    pub(super) fn excuse(&mut self, agent: AgentId) {
        self.excused.insert(agent, Instant::now());
    }

    pub(super) fn acknowledge(&mut self, n: u8, what: &str, outcome: &Outcome) {
        let (seq, stand) = match (&outcome.answer, &outcome.head) {
            (_, Some(head)) => {
                let held = head.assignee.as_ref().filter(|_| head.state == State::Assigned);
                let agent = held.map(|agent| agent.id);
                (head.last_seq, Some(Stand { state: head.state, agent, epoch: head.assignment_epoch }))
            }
            (Answer::Posted { seq, .. }, None) => (*seq, None),
            (other, None) => panic!("{what}: {other:?} without a head"),
        };
        self.acknowledged.push(Acknowledged { n, what: what.to_owned(), seq, stand });
    }

    /// Reads what is new, and holds it to the rules and to what was acknowledged.
    pub(super) async fn look(&mut self) {
        for n in 1..=CONVERSATIONS {
            let known = self.known.entry(n).or_default();
            let after = known.last.as_ref().map_or(Seq::ZERO, |last| Seq(last.seq.0 - 1));
            let mut events = self.log.read(key(n), after, PAGE_MAX).await.unwrap().into_iter();
            if known.last.is_some() {
                assert_eq!(events.next(), known.last, "the log of {n} was changed");
            }
            events.for_each(|event| known.grow(n, event));
        }
        for Acknowledged { n, what, seq, stand } in self.acknowledged.drain(..) {
            let known = &self.known[&n];
            let at = seq.0 as usize - 1;
            assert!(at < known.stands.len(), "{what}: {seq:?} was acknowledged, and is not there");
            match stand {
                Some(stand) => assert_eq!(known.stands[at], stand, "{what}: acknowledged otherwise"),
                None => assert!(known.posted[at], "{what}: no message is at {seq:?}"),
            }
        }
    }

    /// What the agent holds by the logs, and what their actor has reserved for them.
    pub(super) fn check_capacity(&mut self, who: u8, load: &Load) {
        let agent: AgentId = id(who);
        if self.excused.get(&agent).is_some_and(|at| at.elapsed() < EXCUSED_FOR) {
            return;
        }
        let holds = |known: &Known| known.stand().is_some_and(|stand| stand.agent == Some(agent));
        let carried = (1..=CONVERSATIONS).filter(|n| {
            let conversation = key(*n).conversation;
            let reserved = load.carries(conversation) && !load.holds(conversation);
            reserved || self.known.get(n).is_some_and(holds)
        });
        let carried: Vec<u8> = carried.collect();
        assert!(carried.len() <= CAPACITY as usize, "agent {who} has {carried:?}, and {load:?}");
    }
}
