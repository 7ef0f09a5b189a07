//! The one place into which all clients of a run enter what they do and see.

use std::sync::{Arc, Mutex, PoisonError};

use crate::history::{Attempt, Digest, Entry, History, Seen};

/// Shared by all clients of a run; a clone writes into the same history. The lock makes the order of the entries the
/// order in which things happened.
#[derive(Clone, Debug, Default)]
pub struct Recorder {
    entries: Arc<Mutex<Vec<Entry>>>,
}

impl Recorder {
    /// Before the first byte of a send, or of its repeat, leaves.
    pub fn send(&self, conversation: &str, sender: &str, client_id: &str, text: &str) -> Attempt {
        let mut entries = self.lock();
        // An attempt is named after its entry's place, which no other entry has.
        let attempt = Attempt(entries.len() as u64);
        entries.push(Entry::Send {
            attempt,
            conversation: conversation.to_owned(),
            sender: sender.to_owned(),
            client_id: client_id.to_owned(),
            digest: Digest::of(text),
        });
        attempt
    }

    /// Once the server has said that it is stored.
    pub fn acknowledged(&self, attempt: Attempt, message_id: &str, seq: u64) {
        self.push(Entry::Acknowledged { attempt, message_id: message_id.to_owned(), seq });
    }

    /// Once it is clear that no answer comes.
    pub fn unknown(&self, attempt: Attempt) {
        self.push(Entry::Unknown { attempt });
    }

    /// Once the server has refused it.
    pub fn refused(&self, attempt: Attempt, code: &str) {
        self.push(Entry::Refused { attempt, code: code.to_owned() });
    }

    /// Before an observer subscribes, or asks for the page after `after`.
    pub fn resumed(&self, observer: &str, conversation: &str, after: Option<u64>) {
        self.push(Entry::Resumed {
            observer: observer.to_owned(),
            conversation: conversation.to_owned(),
            after,
        });
    }

    /// For each event that reaches an observer.
    pub fn observed(&self, observer: &str, conversation: &str, event: Seen) {
        self.push(Entry::Observed {
            observer: observer.to_owned(),
            conversation: conversation.to_owned(),
            event,
        });
    }

    /// When an observer is told of a gap.
    pub fn gap(&self, observer: &str, conversation: &str, from: u64, to: u64) {
        self.push(Entry::Gap {
            observer: observer.to_owned(),
            conversation: conversation.to_owned(),
            from,
            to,
        });
    }

    /// When an observer is told that it has everything.
    pub fn caught_up(&self, observer: &str, conversation: &str, seq: u64) {
        self.push(Entry::CaughtUp {
            observer: observer.to_owned(),
            conversation: conversation.to_owned(),
            seq,
        });
    }

    /// Before the first page of a whole log is asked for.
    pub fn read_began(&self, reader: &str, conversation: &str) {
        self.push(Entry::ReadBegan { reader: reader.to_owned(), conversation: conversation.to_owned() });
    }

    /// Once the whole log has been paged.
    pub fn read(&self, reader: &str, conversation: &str, log: Vec<Seen>) {
        self.push(Entry::Read { reader: reader.to_owned(), conversation: conversation.to_owned(), log });
    }

    /// What has been entered so far.
    pub fn history(&self) -> History {
        History { entries: self.lock().clone() }
    }

    fn push(&self, entry: Entry) {
        self.lock().push(entry);
    }

    /// A client that panicked left whole entries behind, so its poison is no reason to lose the history.
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
