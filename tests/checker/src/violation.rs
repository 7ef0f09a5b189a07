//! What can be wrong with a history. Each variant names one broken promise and what it was seen on.

use std::fmt;

use crate::history::{ClientId, ConversationId, Observer, Sender};
use crate::misrouting::Misrouting;

/// One broken promise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// In which conversation; empty when it is an agent's, or when the history itself cannot be judged.
    pub conversation: ConversationId,
    /// What is broken.
    pub fault: Fault,
}

/// Which promise is broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Acknowledged, and absent from a log that was read afterwards.
    Lost {
        /// Whose.
        sender: Sender,
        /// Which.
        client_id: ClientId,
        /// Where it was said to be.
        seq: u64,
        /// Who read the log without it.
        reader: Observer,
    },
    /// One message at several places.
    Doubled {
        /// Whose.
        sender: Sender,
        /// Which.
        client_id: ClientId,
        /// All places, ascending.
        seqs: Vec<u64>,
    },
    /// At another place than was acknowledged.
    Moved {
        /// Whose.
        sender: Sender,
        /// Which.
        client_id: ClientId,
        /// Where it was said to be.
        acknowledged: u64,
        /// Where it is.
        found: u64,
    },
    /// Before something that was known when it was sent.
    Reordered {
        /// Whose.
        sender: Sender,
        /// Which.
        client_id: ClientId,
        /// Where it is.
        seq: u64,
        /// The last place that was acknowledged to somebody, or seen by somebody, when it was first sent.
        known: u64,
    },
    /// In a log, but not as it was sent.
    Phantom {
        /// Whose, as the log says.
        sender: Sender,
        /// Which, as the log says.
        client_id: ClientId,
        /// Where it was seen.
        seq: u64,
        /// What is wrong with it.
        why: Phantom,
    },
    /// Repeats of one message were answered differently.
    Changed {
        /// Whose.
        sender: Sender,
        /// Which.
        client_id: ClientId,
        /// The first answer: message's name and place.
        first: (String, u64),
        /// The later one.
        later: (String, u64),
    },
    /// A paged log is not 1, 2, 3 ...
    Hole {
        /// Who read it.
        reader: Observer,
        /// What should have come.
        expected: u64,
        /// What came.
        found: u64,
    },
    /// A paged log ends before something that was known when it was read.
    Short {
        /// Who read it.
        reader: Observer,
        /// Its last event.
        last: u64,
        /// What was known.
        known: u64,
    },
    /// An observer got an event again, or an older one.
    Repeated {
        /// Who.
        observer: Observer,
        /// The last it had.
        after: u64,
        /// What came.
        found: u64,
    },
    /// An observer did not get an event and was not told.
    Skipped {
        /// Who.
        observer: Observer,
        /// The last it had.
        after: u64,
        /// What came, or was said to have come, or was claimed when it resumed.
        found: u64,
    },
    /// Two that looked at the same place saw different events.
    Disagree {
        /// The place.
        seq: u64,
        /// Who saw the one.
        one: Observer,
        /// Who saw the other.
        other: Observer,
    },
    /// Something was acknowledged, and nobody read the log afterwards: nothing is proven.
    Unread,
    /// The end of something that never began (an attempt, a read): the recording client is wrong.
    Stray {
        /// The entry's place in the history, from 0.
        entry: usize,
    },
    /// At rest, something of a team is not as it must be.
    Misrouted(Misrouting),
}

/// Why an event should not be where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phantom {
    /// Nobody sent it, or not yet.
    NeverSent,
    /// It was refused, each time.
    Refused,
    /// Its text is not what was sent.
    Altered,
}

impl fmt::Display for Violation {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}", self.conversation, self.fault)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lost { sender, client_id, seq, reader } => {
                write!(
                    out,
                    "lost: {client_id} of {sender}, acknowledged as {seq}, is not in what {reader} read"
                )
            }
            Self::Doubled { sender, client_id, seqs } => {
                write!(out, "doubled: {client_id} of {sender} is at {seqs:?}")
            }
            Self::Moved { sender, client_id, acknowledged, found } => {
                write!(out, "moved: {client_id} of {sender}, acknowledged as {acknowledged}, is at {found}")
            }
            Self::Reordered { sender, client_id, seq, known } => {
                write!(out, "reordered: {client_id} of {sender} is at {seq}, sent when {known} was known")
            }
            Self::Phantom { sender, client_id, seq, why } => {
                let why = match why {
                    Phantom::NeverSent => "was never sent",
                    Phantom::Refused => "was refused",
                    Phantom::Altered => "was sent with another text",
                };
                write!(out, "phantom: {client_id} of {sender} at {seq} {why}")
            }
            Self::Changed { sender, client_id, first, later } => {
                write!(
                    out,
                    "changed: {client_id} of {sender} was acknowledged as {first:?}, then as {later:?}"
                )
            }
            Self::Hole { reader, expected, found } => {
                write!(out, "hole: {reader} read {found} where {expected} should be")
            }
            Self::Short { reader, last, known } => {
                write!(out, "short: {reader} read up to {last} when {known} was known")
            }
            Self::Repeated { observer, after, found } => {
                write!(out, "repeated: {observer} had {after} and got {found}")
            }
            Self::Skipped { observer, after, found } => {
                write!(out, "skipped: {observer} had {after} and got {found}")
            }
            Self::Disagree { seq, one, other } => {
                write!(out, "disagree: {one} and {other} saw different events at {seq}")
            }
            Self::Unread => write!(out, "unread: nobody read the log after its last acknowledgement"),
            Self::Stray { entry } => write!(out, "stray: entry {entry} ends what never began"),
            Self::Misrouted(misrouting) => write!(out, "at rest: {misrouting}"),
        }
    }
}
