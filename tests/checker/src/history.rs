//! What was done and seen, entry by entry. Written by clients through a [`Recorder`](crate::Recorder).
//!
//! The entries stand in real time: one that stands before another had happened when the other began. The check
//! relies on it (a message sent after an acknowledgement must come after it), so a send is entered before its
//! first byte leaves, and what arrives is entered once it has arrived.

use std::io::{BufRead, Write};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// A conversation's id, as the server gave it.
pub type ConversationId = String;
/// The principal that sends, as the `id` of an event's `by`: all devices of one visitor are one sender.
pub type Sender = String;
/// What the sender called its message; unique per sender and conversation.
pub type ClientId = String;
/// What the server called the message.
pub type MessageId = String;
/// One stream of events: a socket that reconnects, or a long poll that goes on, stays the same observer.
pub type Observer = String;

/// Names one attempt to send, so that its outcome can be entered later. Unique in a history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Attempt(pub u64);

/// The first 8 bytes of a text's SHA-256: histories compare texts without holding them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Digest(pub u64);

impl Digest {
    /// Of a message's text, exactly as sent or received.
    pub fn of(text: &str) -> Self {
        let hash = Sha256::digest(text.as_bytes());
        let first: [u8; 8] = hash[..8].try_into().expect("SHA-256 has 32 bytes");
        Self(u64::from_be_bytes(first))
    }
}

/// A message or a note, as it stands in an event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Who sent it.
    pub sender: Sender,
    /// What its sender called it.
    pub client_id: ClientId,
    /// What the server called it.
    pub message_id: MessageId,
    /// Of its text.
    pub digest: Digest,
}

/// One event of a log, as somebody saw it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// Its place in the log.
    pub seq: u64,
    /// The event's `kind`; `hidden` where the observer may see the place only.
    pub kind: String,
    /// Set when `kind` is `message` or `note`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<Message>,
}

impl Seen {
    /// Whether both can be the same event, one of them perhaps hidden from its observer.
    pub(crate) fn agrees_with(&self, other: &Self) -> bool {
        let hides = |hidden: &Self, shown: &Self| hidden.kind == HIDDEN && shown.kind != "message";
        self == other || (self.seq == other.seq && (hides(self, other) || hides(other, self)))
    }
}

/// The kind of an event whose content is kept from the observer. A message is never hidden.
pub(crate) const HIDDEN: &str = "hidden";

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Entry {
    /// A sender is about to send; its first byte has not left yet. A repeat is an attempt of its own.
    Send {
        /// Names the attempt for its outcome.
        attempt: Attempt,
        /// Where to.
        conversation: ConversationId,
        /// The sender.
        sender: Sender,
        /// The same in each repeat.
        client_id: ClientId,
        /// Of the text.
        digest: Digest,
    },
    /// The server said that it is stored.
    Acknowledged {
        /// Which attempt.
        attempt: Attempt,
        /// The message's name.
        message_id: MessageId,
        /// The message's place.
        seq: u64,
    },
    /// No answer, or one that leaves it open (a time-out, a 5xx, a lost socket). An attempt without any outcome
    /// counts as this.
    Unknown {
        /// Which attempt.
        attempt: Attempt,
    },
    /// The server said no, and means that it stored nothing.
    Refused {
        /// Which attempt.
        attempt: Attempt,
        /// The error's code.
        code: String,
    },
    /// An observer begins, or begins again after its connection was lost.
    Resumed {
        /// Who.
        observer: Observer,
        /// What it looks at.
        conversation: ConversationId,
        /// The last event it has; none: it asks for live events only.
        after: Option<u64>,
    },
    /// An event reached an observer.
    Observed {
        /// The observer.
        observer: Observer,
        /// Of which log.
        conversation: ConversationId,
        /// What.
        event: Seen,
    },
    /// An observer was told that events are missing from its stream, and goes on behind them.
    Gap {
        /// Who.
        observer: Observer,
        /// Of which log.
        conversation: ConversationId,
        /// The first that is missing.
        from: u64,
        /// The last that is missing.
        to: u64,
    },
    /// An observer was told that it has everything up to `seq`.
    CaughtUp {
        /// Who.
        observer: Observer,
        /// Of which log.
        conversation: ConversationId,
        /// The last event it must have.
        seq: u64,
    },
    /// Somebody is about to page a whole log, and must find what was known by now.
    ReadBegan {
        /// Who.
        reader: Observer,
        /// Of which log.
        conversation: ConversationId,
    },
    /// The whole log has been paged, from the first event to the last of that moment.
    Read {
        /// Who.
        reader: Observer,
        /// Of which log.
        conversation: ConversationId,
        /// In the order in which the pages gave them.
        log: Vec<Seen>,
    },
}

/// All that happened, in the order in which it happened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    /// Oldest first.
    pub entries: Vec<Entry>,
}

/// A history could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// The file failed.
    #[error("the history's file failed: {0}")]
    Io(#[from] std::io::Error),
    /// A line is no entry.
    #[error("line {line} is no entry: {cause}")]
    Line {
        /// Counted from 1.
        line: usize,
        /// What is wrong with it.
        cause: serde_json::Error,
    },
}

impl History {
    /// Writes one entry a line, as JSON.
    pub fn write_to(&self, mut out: impl Write) -> Result<(), HistoryError> {
        for entry in &self.entries {
            serde_json::to_writer(&mut out, entry).map_err(std::io::Error::from)?;
            out.write_all(b"\n")?;
        }
        Ok(out.flush()?)
    }

    /// Reads what [`History::write_to`] wrote.
    pub fn read_from(input: impl BufRead) -> Result<Self, HistoryError> {
        let mut entries = Vec::new();
        for (index, line) in input.lines().enumerate() {
            let entry = serde_json::from_str(&line?)
                .map_err(|cause| HistoryError::Line { line: index + 1, cause })?;
            entries.push(entry);
        }
        Ok(Self { entries })
    }
}
