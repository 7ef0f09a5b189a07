//! What a conversation's log holds. Logs live for years: a field may be added (with `#[serde(default)]`), none may
//! change its meaning or go.

use serde::{Deserialize, Serialize};

use crate::{
    AgentCard, BotId, Explanation, FileCard, Line, MessageId, MessageText, Name, Paragraph, Reason, Seq,
    SiteId, Subject, Tag, TeamId, Timestamp, VisitorCard, VisitorId,
};

use super::attributes::{Attribute, Attributes};
use super::digest::RequestMark;

/// One entry of a log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Its position, and the only order.
    pub seq: Seq,
    /// For display; never earlier than the entry before.
    pub at: Timestamp,
    /// Who did it.
    pub by: Author,
    /// The request that caused it, when its sender named it: this is how a repeat is known.
    #[serde(default)]
    pub request: Option<RequestMark>,
    /// What happened.
    pub kind: EventKind,
}

/// Who did something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Author {
    /// The visitor.
    Visitor {
        /// The visitor.
        id: VisitorId,
        /// As they gave it.
        name: Option<Name>,
    },
    /// An agent.
    Agent(AgentCard),
    /// A program.
    Bot {
        /// Itself.
        id: BotId,
        /// For people.
        name: Name,
    },
    /// Switchboard itself.
    System,
}

impl Author {
    /// The side of the conversation that the author writes for; the system writes for none.
    pub fn side(&self) -> Option<Side> {
        match self {
            Author::Visitor { .. } => Some(Side::Visitor),
            Author::Agent(_) | Author::Bot { .. } => Some(Side::Agent),
            Author::System => None,
        }
    }
}

/// The two sides of a conversation: each has one read mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Side {
    /// The visitor, who asks.
    Visitor,
    /// Agents and programs, who answer.
    Agent,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum EventKind {
    /// Always `seq` 1.
    Started(Start),
    /// Words or files for the other side.
    MessagePosted {
        /// Names it.
        message_id: MessageId,
        /// None when it is files alone.
        text: Option<MessageText>,
        /// Up to ten.
        files: Vec<FileCard>,
    },
    /// Words that no visitor sees.
    NotePosted {
        /// Names it.
        message_id: MessageId,
        /// None when it is files alone.
        text: Option<MessageText>,
        /// Up to ten.
        files: Vec<FileCard>,
    },
    /// It has an agent now.
    Assigned {
        /// Who has it.
        agent: AgentCard,
        /// One more than at the assignment before; 1 for the first.
        assignment_epoch: u64,
        /// How the agent got it.
        reason: AssignReason,
        /// Why this agent; logs of older versions do not say.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        why: Option<Box<Explanation>>,
    },
    /// It is back in the queue.
    Released {
        /// Who had it.
        agent: AgentCard,
        /// Why.
        reason: ReleaseReason,
    },
    /// It was given on; `Assigned` or `Released` follows in the same append.
    Transferred {
        /// The agent or team that gets it.
        to: TransferTo,
    },
    /// The visitor proved their identity: the conversation is theirs, under the name by which they are known now.
    Identified {
        /// Who asks from now on.
        visitor: VisitorCard,
    },
    /// The visitor says how it was; the last one counts.
    Rated(Rating),
    /// Its tags changed.
    Tagged {
        /// Those that it got.
        added: Vec<Tag>,
        /// Those that it lost.
        removed: Vec<Tag>,
    },
    /// Nothing but ratings, notes and a reopening follows.
    Ended {
        /// Why, when somebody said so.
        reason: Option<Reason>,
    },
    /// It goes on; queued, unless `Assigned` follows in the same append.
    Reopened,
}

/// How a conversation starts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Start {
    /// The widget that it came from.
    pub site: SiteId,
    /// Whose queue it joins.
    pub team: TeamId,
    /// Who asks.
    pub visitor: VisitorCard,
    /// What it is about.
    pub subject: Option<Subject>,
    /// What the page told.
    pub attributes: Attributes,
}

/// How an agent got a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AssignReason {
    /// The agent accepted it.
    Accept,
    /// The router gave it to the agent.
    Auto,
    /// A supervisor took it from another.
    TakeOver,
    /// Another agent gave it to them.
    Transfer,
    /// The agent had it last, and opened it again.
    Reopen,
}

/// Why an agent no longer has a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReleaseReason {
    /// The agent, or a supervisor, gave it back.
    Released,
    /// It was given to a team.
    Transfer,
    /// The agent stopped being present.
    AgentGone,
    /// The agent set their status to offline.
    Offline,
    /// It came to an agent who held as many as they may.
    OverCapacity,
    /// The agent was disabled.
    Disabled,
}

/// The agent or team that a conversation is given to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TransferTo {
    /// To one agent.
    Agent(AgentCard),
    /// To a team's queue.
    Team(TeamId),
}

/// What a visitor thinks of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rating {
    /// 1 to 5.
    pub score: u8,
    /// In the visitor's words.
    pub comment: Option<Paragraph<2000>>,
}

/// What an event takes when stored without its texts, in bytes: an upper bound, held by the store's test.
pub const EVENT_WEIGHT_BASE: u64 = 512;
/// The same for what only a start has, for one file of a message, and for one attribute.
const START_WEIGHT_BASE: u64 = 128;
const FILE_WEIGHT_BASE: u64 = 128;
const ATTRIBUTE_WEIGHT_BASE: u64 = 64;
/// The same for a candidate of an assignment, and for a tag.
const CANDIDATE_WEIGHT: u64 = 128;
const TAG_WEIGHT_BASE: u64 = 8;
/// The same for a word of an attribute that is a list.
const LIST_WORD_WEIGHT_BASE: u64 = 8;

impl Event {
    /// What it takes when stored, in bytes: never less, and not much more.
    pub fn weight(&self) -> u64 {
        let request = self.request.as_ref().map_or(0, |mark| text_weight(mark.client_id.as_str()));
        EVENT_WEIGHT_BASE + self.by.weight() + request + self.kind.weight()
    }
}

impl Author {
    fn weight(&self) -> u64 {
        match self {
            Author::Visitor { name, .. } => name.as_ref().map_or(0, line_weight),
            Author::Agent(card) => line_weight(&card.name),
            Author::Bot { name, .. } => line_weight(name),
            Author::System => 0,
        }
    }
}

impl EventKind {
    fn weight(&self) -> u64 {
        match self {
            EventKind::Started(start) => {
                let VisitorCard { name, email, .. } = &start.visitor;
                START_WEIGHT_BASE
                    + start.subject.as_ref().map_or(0, line_weight)
                    + name.as_ref().map_or(0, line_weight)
                    + email.as_ref().map_or(0, |email| text_weight(email.as_str()))
                    + start.attributes.weight()
            }
            EventKind::MessagePosted { text, files, .. } | EventKind::NotePosted { text, files, .. } => {
                let file = |file: &FileCard| {
                    FILE_WEIGHT_BASE + line_weight(&file.name) + text_weight(file.mime.as_str())
                };
                text.as_ref().map_or(0, |text| text_weight(text.as_str()))
                    + files.iter().map(file).sum::<u64>()
            }
            EventKind::Assigned { agent, why, .. } => {
                let candidates = why.as_ref().map_or(0, |why| why.candidates.len() as u64);
                line_weight(&agent.name) + CANDIDATE_WEIGHT * candidates
            }
            EventKind::Released { agent, .. } => line_weight(&agent.name),
            EventKind::Tagged { added, removed } => {
                added.iter().chain(removed).map(|tag| TAG_WEIGHT_BASE + line_weight(tag)).sum()
            }
            EventKind::Reopened => 0,
            EventKind::Transferred { to: TransferTo::Agent(agent) } => line_weight(&agent.name),
            EventKind::Transferred { to: TransferTo::Team(_) } => 0,
            EventKind::Identified { visitor } => {
                visitor.name.as_ref().map_or(0, line_weight)
                    + visitor.email.as_ref().map_or(0, |email| text_weight(email.as_str()))
            }
            EventKind::Rated(rating) => rating.comment.as_ref().map_or(0, |text| text_weight(text.as_str())),
            EventKind::Ended { reason } => reason.as_ref().map_or(0, |text| text_weight(text.as_str())),
        }
    }
}

impl Attributes {
    fn weight(&self) -> u64 {
        let of = |value: &Attribute| match value {
            Attribute::Text(text) => text_weight(text),
            Attribute::List(words) => {
                words.iter().map(|word| LIST_WORD_WEIGHT_BASE + line_weight(word)).sum()
            }
            Attribute::Number(_) | Attribute::Flag(_) => 0,
        };
        self.iter().map(|(key, value)| ATTRIBUTE_WEIGHT_BASE + text_weight(key) + of(value)).sum()
    }
}

fn line_weight<const CHARACTERS: usize>(line: &Line<CHARACTERS>) -> u64 {
    text_weight(line.as_str())
}

/// Stores may write a quote, a backslash, a tab and a line end as two bytes. (Texts hold no other control character.)
fn text_weight(text: &str) -> u64 {
    let doubled = |byte: &u8| u8::from(*byte == b'"' || *byte == b'\\' || *byte < b' ');
    // A chunk's count fits a byte, so that many bytes are looked at in one instruction: each message is weighed often.
    let doubled_in = |chunk: &[u8]| u64::from(chunk.iter().map(doubled).sum::<u8>());
    text.len() as u64 + text.as_bytes().chunks(u8::MAX.into()).map(doubled_in).sum::<u64>()
}
