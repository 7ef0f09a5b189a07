//! What came over links and waits for the program. Readers put and never wait: what finds no room is refused, left out
//! and counted, or stands under a `Gone`. The program takes, each class by itself, so that a slow one holds up no
//! other.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Notify;

use super::data_link::DataLink;
use super::peer::{TELL_BYTES_MAX, TELLS_MAX};
use super::publications::{Delivery, PublicationQueue, Queued};
use crate::name::NodeName;

#[cfg(test)]
mod tests;

/// An ask of a peer's. Dropped without an answer, its asker does not know what became of it.
#[derive(Debug)]
pub struct IncomingAsk {
    /// The node that asks.
    pub peer: NodeName,
    /// Its view version.
    pub version: u64,
    /// What it asks.
    pub payload: Bytes,
    /// What remained of the budget when the ask was taken: what takes longer is answered to nobody.
    pub budget: Duration,
    answerer: Answerer,
}

impl IncomingAsk {
    /// Answers it. An answer longer than a frame is not sent: its asker does not know.
    pub fn answer(mut self, answer: Bytes) {
        if let Some(link) = self.answerer.link.take() {
            link.answer(self.answerer.id, Some(answer));
        }
    }
}

#[derive(Debug)]
struct Answerer {
    link: Option<Arc<DataLink>>,
    id: u64,
}

impl Drop for Answerer {
    fn drop(&mut self) {
        if let Some(link) = self.link.take() {
            link.answer(self.id, None);
        }
    }
}

/// What a peer tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IncomingTell {
    /// The node that tells.
    pub peer: NodeName,
    /// Its view version.
    pub version: u64,
    /// What it tells.
    pub payload: Bytes,
}

/// What a peer publishes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IncomingPublication {
    /// The node that publishes.
    pub peer: NodeName,
    /// The publication, or that some are missing.
    pub publication: Delivery,
}

/// An ask before it is taken.
struct Waiting {
    peer: NodeName,
    version: u64,
    payload: Bytes,
    answerer: Answerer,
}

#[derive(Default)]
struct Queues {
    /// Their bound is that of asks that are open, of each link.
    asks: VecDeque<Waiting>,
    tells: VecDeque<IncomingTell>,
    /// Count and bytes of the tells of each peer.
    told: BTreeMap<NodeName, (usize, usize)>,
    publications: BTreeMap<NodeName, PublicationQueue>,
    /// The link of each peer that stands. What an older one still brings comes too late: its order would be lost.
    links: BTreeMap<NodeName, Arc<DataLink>>,
    /// The peers whose publications wait, by turns.
    publishing: VecDeque<NodeName>,
}

impl Queues {
    fn publish(&mut self, peer: &NodeName, publication: Delivery) -> Queued {
        let queue = self.publications.entry(peer.clone()).or_default();
        if queue.is_empty() {
            self.publishing.push_back(peer.clone());
        }
        match publication {
            Delivery::Body { key, body } => queue.push(key, body),
            Delivery::Gone { key } => queue.push_gone(key),
            Delivery::GoneAll => queue.push_all_gone(),
        }
    }
}

#[derive(Default)]
struct Shared {
    queues: Mutex<Queues>,
    asked: Notify,
    told: Notify,
    published: Notify,
}

/// What came over all links of this node. Clones take from the same queues.
#[derive(Clone, Default)]
pub struct LinkInbox(Arc<Shared>);

impl LinkInbox {
    /// The next ask whose budget is not over; those whose budget is over are answered so, and are not done.
    pub async fn ask(&self) -> IncomingAsk {
        loop {
            let waiting = {
                let mut queues = self.queues();
                let waiting = queues.asks.pop_front();
                if !queues.asks.is_empty() {
                    self.0.asked.notify_one();
                }
                waiting
            };
            match waiting {
                None => self.0.asked.notified().await,
                Some(Waiting { peer, version, payload, answerer }) => {
                    let link = answerer.link.as_ref();
                    // Of a link that is lost nothing is done: nobody would hear.
                    if let Some(budget) = link.and_then(|link| link.begin(answerer.id)) {
                        return IncomingAsk { peer, version, payload, budget, answerer };
                    }
                }
            }
        }
    }

    /// The next tell.
    pub async fn tell(&self) -> IncomingTell {
        loop {
            if let Some(tell) = self.pop_tell() {
                return tell;
            }
            self.0.told.notified().await;
        }
    }

    /// The next publication: of each peer in its order, the peers by turns.
    pub async fn publication(&self) -> IncomingPublication {
        loop {
            if let Some(publication) = self.pop_publication() {
                return publication;
            }
            self.0.published.notified().await;
        }
    }

    pub(super) fn push_ask(
        &self,
        peer: &NodeName,
        version: u64,
        payload: Bytes,
        link: &Arc<DataLink>,
        id: u64,
    ) {
        let answerer = Answerer { link: Some(Arc::clone(link)), id };
        self.queues().asks.push_back(Waiting { peer: peer.clone(), version, payload, answerer });
        self.0.asked.notify_one();
    }

    /// False: there was no room, and it is left out.
    pub(super) fn push_tell(&self, tell: IncomingTell) -> bool {
        let mut queues = self.queues();
        let (count, bytes) = queues.told.entry(tell.peer.clone()).or_default();
        if *count >= TELLS_MAX || *bytes + tell.payload.len() > TELL_BYTES_MAX {
            return false;
        }
        (*count, *bytes) = (*count + 1, *bytes + tell.payload.len());
        queues.tells.push_back(tell);
        self.0.told.notify_one();
        true
    }

    /// Publications of this link are taken from now on, and of no other link of the peer.
    pub(super) fn link_up(&self, peer: &NodeName, link: &Arc<DataLink>) {
        let mut queues = self.queues();
        if queues.links.insert(peer.clone(), Arc::clone(link)).is_some() {
            queues.publish(peer, Delivery::GoneAll);
            self.0.published.notify_one();
        }
    }

    /// The link was lost: its asks are not done any more, and publications may be missing from here on.
    pub(super) fn link_lost(&self, peer: &NodeName, link: &Arc<DataLink>) {
        let is_of_it = |of: &Waiting| of.answerer.link.as_ref().is_some_and(|of| Arc::ptr_eq(of, link));
        let mut queues = self.queues();
        let asks = std::mem::take(&mut queues.asks);
        let (lost, kept) = asks.into_iter().partition(is_of_it);
        queues.asks = kept;
        if queues.links.get(peer).is_some_and(|current| Arc::ptr_eq(current, link)) {
            queues.links.remove(peer);
            queues.publish(peer, Delivery::GoneAll);
            self.0.published.notify_one();
        }
        drop(queues);
        // An ask that is dropped says to its link that there is no answer.
        drop::<VecDeque<Waiting>>(lost);
    }

    /// True: it waits. False: it stands under a `Gone`, here or on the way, or its link was lost.
    pub(super) fn push_publication(
        &self,
        peer: &NodeName,
        link: &Arc<DataLink>,
        publication: Delivery,
    ) -> bool {
        let mut queues = self.queues();
        if !queues.links.get(peer).is_some_and(|current| Arc::ptr_eq(current, link)) {
            return false;
        }
        self.0.published.notify_one();
        queues.publish(peer, publication) == Queued::Body
    }

    /// Whether publications of this peer would find no room.
    #[cfg(test)]
    pub(super) fn is_full(&self, peer: &NodeName) -> bool {
        let queues = self.queues();
        queues.publications.get(peer).is_some_and(|queue| queue.bytes() > super::publications::BYTES_MAX / 2)
    }

    fn pop_tell(&self) -> Option<IncomingTell> {
        let mut queues = self.queues();
        let tell = queues.tells.pop_front()?;
        if let Some((count, bytes)) = queues.told.get_mut(&tell.peer) {
            (*count, *bytes) = (*count - 1, *bytes - tell.payload.len());
            if *count == 0 {
                queues.told.remove(&tell.peer);
            }
        }
        if !queues.tells.is_empty() {
            self.0.told.notify_one();
        }
        Some(tell)
    }

    fn pop_publication(&self) -> Option<IncomingPublication> {
        let mut queues = self.queues();
        let peer = queues.publishing.pop_front()?;
        let queue = queues.publications.get_mut(&peer)?;
        let publication = queue.pop()?;
        if queue.is_empty() {
            queues.publications.remove(&peer);
        } else {
            queues.publishing.push_back(peer.clone());
        }
        if !queues.publishing.is_empty() {
            self.0.published.notify_one();
        }
        Some(IncomingPublication { peer, publication })
    }

    fn queues(&self) -> MutexGuard<'_, Queues> {
        self.0.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
