//! What actors tell one another: put here without waiting, carried by a task. Never the only copy of anything: what
//! is lost here is found again by the agent actor's sweep of the heads.

use std::sync::Arc;

use domain::{AgentId, Head, ReleaseReason};
use store::ConversationKey;
use tokio::sync::mpsc;

use crate::stats::Stats;

/// How many notices may wait to be carried.
const NOTICES_MAX: usize = 4096;

/// Why an agent has a conversation no longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// It went back to the queue.
    Released(ReleaseReason),
    /// It was given to another agent.
    Transfer,
    /// A supervisor took it.
    TakeOver,
    /// It ended.
    Ended,
}

/// Something that one actor tells another.
#[derive(Clone, Debug)]
pub enum Notice {
    /// To the agent's actor: the log says that he has the conversation.
    Assigned {
        /// Who.
        agent: AgentId,
        /// What.
        key: ConversationKey,
        /// Since which assignment.
        epoch: u64,
        /// As it is now.
        head: Arc<Head>,
    },
    /// To the agent's actor: the log says that he has it no more.
    Lost {
        /// Who.
        agent: AgentId,
        /// What.
        key: ConversationKey,
        /// Of the assignment that is over.
        epoch: u64,
        /// Why.
        why: Loss,
    },
    /// To the conversation's actor: its agent cannot have it any longer.
    Release {
        /// Which.
        key: ConversationKey,
        /// The assignment that is meant; a later one stands.
        epoch: u64,
        /// Why.
        reason: ReleaseReason,
    },
}

/// Where actors put notices.
#[derive(Clone, Debug)]
pub struct Outbox {
    queue: mpsc::Sender<Notice>,
    stats: Arc<Stats>,
}

impl Outbox {
    pub(crate) fn new(stats: Arc<Stats>) -> (Self, mpsc::Receiver<Notice>) {
        let (queue, notices) = mpsc::channel(NOTICES_MAX);
        (Self { queue, stats }, notices)
    }

    /// Puts it in, or counts it as dropped when the outbox is full.
    pub(crate) fn put(&self, notice: Notice) {
        if self.queue.try_send(notice).is_err() {
            Stats::add(&self.stats.notices_dropped, 1);
        }
    }
}
