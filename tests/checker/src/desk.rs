//! One team as it was read at rest: its agents, its conversations with their logs, its lists, and what its agents were
//! told of their deeds. [`check_desk`](crate::check_desk) judges it.
//!
//! "At rest" means that nobody was asking for anything while it was read, and that what the server does by itself had
//! had its time; only then must all these views agree.

use serde::{Deserialize, Serialize};

use crate::history::{ConversationId, Sender};

mod check;
mod log;

pub use check::check_desk;

/// All that was read of one team.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Desk {
    /// Everybody who may hold one of its conversations.
    pub agents: Vec<AgentAtRest>,
    /// All that were ever started there.
    pub conversations: Vec<ConversationAtRest>,
    /// The list of those that wait, as it was given.
    pub queue: Vec<Listed>,
    /// The list of those that are over, as it was given.
    pub ended: Vec<ConversationId>,
    /// What its agents asked for, each with its outcome; an agent does one thing at a time.
    pub deeds: Vec<Deed>,
}

/// An agent, as their own status and their own list have them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentAtRest {
    /// The agent's id.
    pub agent: Sender,
    /// Online and present.
    pub gets_offers: bool,
    /// How many they may hold.
    pub capacity: u64,
    /// What they hold and what they are offered.
    pub load: u64,
    /// What they hold, by their status.
    pub holds: Vec<ConversationId>,
    /// What they hold, by their list.
    pub mine: Vec<ConversationId>,
}

/// A conversation, as a look at it alone has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConversationAtRest {
    /// Its id.
    pub id: ConversationId,
    /// Where it stands.
    pub state: State,
    /// Who has it; after its end, who had it last.
    pub assignee: Option<Sender>,
    /// How often it was assigned.
    pub assignment_epoch: u64,
    /// Its place in the queue.
    pub queue_position: Option<u64>,
    /// Its whole log, as far as it is about assignments.
    pub log: Vec<Step>,
}

/// Where a conversation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It waits.
    Queued,
    /// Somebody has it.
    Assigned,
    /// It is over.
    Ended,
}

/// A conversation that waits, as the list shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// Its id.
    pub id: ConversationId,
    /// As the API writes it: two compare as texts.
    pub queued_at: String,
    /// Its place, from 1.
    pub queue_position: Option<u64>,
    /// Who may accept it just now.
    pub offered_to: Option<Sender>,
}

/// One event of a log that has to do with who has the conversation; the others are left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Its place in the log.
    pub seq: u64,
    /// Who did it; none: the system.
    pub by: Option<Sender>,
    /// What.
    pub what: Move,
}

/// What an event does to who has the conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Move {
    /// This agent has it now.
    Assigned {
        /// Who.
        agent: Sender,
        /// Which assignment it is, from 1.
        epoch: u64,
        /// As the event gives it.
        reason: String,
    },
    /// This agent has it no longer.
    Released {
        /// Who.
        agent: Sender,
    },
    /// Given on; who has it now is said by the next event.
    Transferred {
        /// None: to a team.
        agent: Option<Sender>,
    },
    /// It is over.
    Ended,
}

/// Something that an agent asked for until its outcome was known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deed {
    /// Who.
    pub agent: Sender,
    /// Of which conversation.
    pub conversation: ConversationId,
    /// What.
    pub verb: Verb,
    /// The last event that the agent knew of at the first attempt.
    pub after: u64,
    /// The last event of the conversation in the answer; none: the deed was refused.
    pub acknowledged: Option<u64>,
    /// An attempt of it went to a server that did not answer and lives: it may do it later than another one refused it.
    #[serde(default)]
    pub unanswered: bool,
}

/// What an agent asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verb {
    /// To have what waits.
    Accept,
    /// To give back a conversation.
    Release,
    /// To give a conversation to a colleague, or to a team.
    Transfer,
    /// To end a conversation.
    End,
}
