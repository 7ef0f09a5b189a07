//! Publications on their way to the wire, one after the other, the longer ones in parts.

use bytes::Bytes;

use super::codec;
use super::frame::{Class, PAYLOAD_BYTES_MAX, PUBLICATION_BYTES_MAX};
use super::publications::{Delivery, PublicationQueue, Queued};
use super::shapes::{Opaque, Published};

/// A publication's key.
pub(super) const KEY_BYTES_MAX: usize = 256;
/// What a publication's encoding adds to key and body, at most.
const PUBLISHED_BYTES: usize = 16;

/// The next frame of a publication.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) class: Class,
    pub(super) id: u64,
    pub(super) payload: Bytes,
}

#[derive(Debug, Default)]
pub(super) struct Publisher {
    queue: PublicationQueue,
    /// What is left of the publication whose turn it is, under `last_id`.
    current: Option<Bytes>,
    last_id: u64,
}

impl Publisher {
    /// Queues a publication; where there is no room, or it is too long, a `Gone` under its key.
    pub(super) fn push(&mut self, key: Bytes, body: Bytes) -> Queued {
        debug_assert!(key.len() <= KEY_BYTES_MAX);
        if key.len() + body.len() + PUBLISHED_BYTES > PUBLICATION_BYTES_MAX {
            self.queue.push_gone(key)
        } else {
            self.queue.push(key, body)
        }
    }

    /// The length of what [`Publisher::send`] gives next.
    pub(super) fn next_bytes(&mut self) -> Option<usize> {
        if self.current.is_none() {
            let publication = self.queue.pop()?;
            self.last_id += 1;
            self.current = Some(codec::encode(&published(publication)).into());
        }
        self.current.as_ref().map(|current| current.len().min(PAYLOAD_BYTES_MAX))
    }

    /// The next part.
    pub(super) fn send(&mut self) -> Option<Part> {
        let bytes = self.next_bytes()?;
        let mut current = self.current.take()?;
        let payload = current.split_to(bytes);
        let class = if current.is_empty() { Class::Publish } else { Class::PublishPart };
        self.current = Some(current).filter(|current| !current.is_empty());
        Some(Part { class, id: self.last_id, payload })
    }

    /// Bytes that wait.
    pub(super) fn bytes(&self) -> usize {
        self.queue.bytes() + self.current.as_ref().map_or(0, Bytes::len)
    }
}

fn published(publication: Delivery) -> Published {
    match publication {
        Delivery::Body { key, body } => Published::Body { key: Opaque(key), body: Opaque(body) },
        Delivery::Gone { key } => Published::Gone { key: Opaque(key) },
        Delivery::GoneAll => Published::GoneAll,
    }
}
