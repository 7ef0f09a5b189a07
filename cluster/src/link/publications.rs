//! Publications that wait, for the wire or for the program: in their order, within a bound of bytes. Where there is no
//! room a `Gone` stands at their place, one for a key, and covers all of that key until it is taken: its reader reads
//! from the store, where everything is before it is published.

use std::collections::{HashSet, VecDeque};

use bytes::Bytes;

#[cfg(test)]
use super::mutant::{self, Mutant};

#[cfg(test)]
mod tests;

/// Bodies and their keys.
pub(super) const BYTES_MAX: usize = 1024 * 1024;
/// Keys of `Gone`s that wait; beyond, one `GoneAll` stands for all. About 2,500 conversations.
pub(super) const GONE_BYTES_MAX: usize = 256 * 1024;
/// What an entry takes beside its bytes, so that many small ones are bounded as well.
pub(super) const ENTRY_BYTES: usize = 64;

/// What somebody published under a key, or that it was left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// It came, right after all before it under this key, if no `Gone` or `GoneAll` came between.
    Body {
        /// The conversation or topic that it is of.
        key: Bytes,
        /// What was published.
        body: Bytes,
    },
    /// Publications under this key are missing here.
    Gone {
        /// The conversation or topic that they were of.
        key: Bytes,
    },
    /// Publications under any key may be missing here; the link may have been lost.
    GoneAll,
}

/// What became of a publication.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Queued {
    Body,
    /// A `Gone` or `GoneAll` was put at its place.
    Gone,
    /// One that waits covers it.
    Covered,
}

#[derive(Debug, Default)]
pub(super) struct PublicationQueue {
    entries: VecDeque<Delivery>,
    bytes: usize,
    /// Keys whose `Gone` waits.
    gone: HashSet<Bytes>,
    gone_bytes: usize,
    all_gone: bool,
}

impl PublicationQueue {
    /// Puts it behind the others, or a `Gone` where there is no room.
    pub(super) fn push(&mut self, key: Bytes, body: Bytes) -> Queued {
        let bytes = cost(&key) + body.len();
        if self.all_gone || self.gone.contains(&key) {
            return Queued::Covered;
        }
        if self.bytes + bytes > BYTES_MAX {
            #[cfg(test)]
            if mutant::is(Mutant::OverflowIsSilent) {
                return Queued::Covered;
            }
            return self.push_gone(key);
        }
        self.bytes += bytes;
        self.entries.push_back(Delivery::Body { key, body });
        Queued::Body
    }

    /// From here on publications under `key` are missing, until the `Gone` is taken.
    pub(super) fn push_gone(&mut self, key: Bytes) -> Queued {
        if self.all_gone || self.gone.contains(&key) {
            return Queued::Covered;
        }
        if self.gone_bytes + cost(&key) > GONE_BYTES_MAX {
            return self.push_all_gone();
        }
        self.gone_bytes += cost(&key);
        self.gone.insert(key.clone());
        self.entries.push_back(Delivery::Gone { key });
        Queued::Gone
    }

    /// The same for every key.
    pub(super) fn push_all_gone(&mut self) -> Queued {
        if self.all_gone {
            return Queued::Covered;
        }
        self.all_gone = true;
        self.entries.push_back(Delivery::GoneAll);
        Queued::Gone
    }

    pub(super) fn pop(&mut self) -> Option<Delivery> {
        let publication = self.entries.pop_front()?;
        match &publication {
            Delivery::Body { key, body } => self.bytes -= cost(key) + body.len(),
            Delivery::Gone { key } => {
                self.gone.remove(key);
                self.gone_bytes -= cost(key);
            }
            Delivery::GoneAll => self.all_gone = false,
        }
        Some(publication)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Bytes that wait.
    pub(super) fn bytes(&self) -> usize {
        self.bytes + self.gone_bytes
    }
}

fn cost(key: &Bytes) -> usize {
    key.len() + ENTRY_BYTES
}
