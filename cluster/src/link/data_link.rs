//! An established data link, shared by its reader, its writer and those who use it. After [`DataLink::close`] it is
//! lost: asks end, and nothing more is taken on. Nobody waits for a lock for longer than a few frames take.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, timeout_at};

use super::asks::{AskError, Ended};
use super::counters::LinkCounters;
use super::frame::Decoder;
use super::peer::{LinkEvent, Peer, ProtocolError};
use super::shapes::{AskReply, Opaque};

/// What the caller of an ask waits with.
pub(super) type AskCaller = oneshot::Sender<Result<Bytes, AskError>>;

#[derive(Debug)]
pub(super) struct DataLink {
    /// None: the link is lost.
    peer: Mutex<Option<Peer<AskCaller>>>,
    /// The writer waits for it.
    work: Notify,
    began: Instant,
    /// This node's view version, which frames carry.
    version: Arc<AtomicU64>,
}

impl DataLink {
    /// Goes on with the bytes that came behind the handshake.
    pub(super) fn new(decoder: Decoder, version: Arc<AtomicU64>) -> Self {
        let peer = Mutex::new(Some(Peer::new(decoder)));
        Self { peer, work: Notify::new(), began: Instant::now(), version }
    }

    /// Asks, and waits for the answer, at most for the budget. Dropped, it leaves nothing behind.
    pub(super) async fn ask(&self, payload: Bytes, budget: Duration) -> Result<Bytes, AskError> {
        let (caller, mut answer) = oneshot::channel();
        let now_ms = self.now_ms();
        let budget_ms = u32::try_from(budget.as_millis()).unwrap_or(u32::MAX);
        let id = match self.peer().as_mut() {
            None => return Err(AskError::NotSent),
            Some(peer) => peer.ask(now_ms, caller, payload, budget_ms).map_err(|(_, error)| error)?,
        };
        self.work.notify_one();
        let _forget = Forget { link: self, id };
        let deadline = self.began + Duration::from_millis(now_ms + u64::from(budget_ms));
        let ended = match timeout_at(deadline, &mut answer).await {
            Ok(ended) => ended.ok(),
            Err(_) => {
                self.expire();
                answer.try_recv().ok()
            }
        };
        ended.unwrap_or(Err(AskError::Lost))
    }

    /// False: there is no link, or no room.
    pub(super) fn tell(&self, payload: Bytes) -> bool {
        let is_queued = self.peer().as_mut().is_some_and(|peer| peer.tell(payload));
        self.work.notify_one();
        is_queued
    }

    /// False: there is no link.
    pub(super) fn publish(&self, key: Bytes, body: Bytes) -> bool {
        let is_queued = self.peer().as_mut().map(|peer| peer.publish(key, body)).is_some();
        self.work.notify_one();
        is_queued
    }

    /// Before an ask of the peer's is done: what remains of its budget. None: it is over, and nothing may be done.
    pub(super) fn begin(&self, id: u64) -> Option<Duration> {
        let remaining_ms = self.peer().as_mut()?.begin(self.now_ms(), id);
        if remaining_ms.is_none() {
            self.work.notify_one();
        }
        remaining_ms.map(|ms| Duration::from_millis(ms.into()))
    }

    /// Answers an ask of the peer's; none: there is no answer.
    pub(super) fn answer(&self, id: u64, answer: Option<Bytes>) {
        if let Some(peer) = self.peer().as_mut() {
            peer.answer(id, answer.map_or(AskReply::Unanswered, |answer| AskReply::Done(Opaque(answer))));
        }
        self.work.notify_one();
    }

    /// Completes when there is something to write, which `out` has then; false: the link is lost.
    pub(super) async fn fill(&self, out: &mut Vec<u8>) -> bool {
        loop {
            let ended = match self.peer().as_mut() {
                None => return false,
                Some(peer) => peer.fill(self.now_ms(), self.version.load(Ordering::Relaxed), out),
            };
            end(ended);
            if !out.is_empty() {
                return true;
            }
            self.work.notified().await;
        }
    }

    /// Takes what was read. Asks end here; the other events are the reader's.
    pub(super) fn receive(&self, bytes: &[u8]) -> (Vec<LinkEvent<AskCaller>>, Result<(), ProtocolError>) {
        let mut events = Vec::new();
        let now_ms = self.now_ms();
        let received = self.peer().as_mut().map_or(Ok(()), |peer| peer.receive(now_ms, bytes, &mut events));
        // The peer answers by itself what comes too late or is too much.
        self.work.notify_one();
        let (ended, others): (Vec<_>, Vec<_>) =
            events.into_iter().partition(|event| matches!(event, LinkEvent::Ended(_)));
        end(ended
            .into_iter()
            .filter_map(|event| if let LinkEvent::Ended(ended) = event { Some(ended) } else { None }));
        (others, received)
    }

    /// The link is lost. What was counted; none: it was lost before.
    pub(super) fn close(&self) -> Option<LinkCounters> {
        let (ended, counters) = self.peer().take()?.lose();
        end(ended);
        self.work.notify_one();
        Some(counters)
    }

    /// What was counted, how many asks have not ended, and the bytes that are kept; none: the link is lost.
    pub(super) fn stats(&self) -> Option<(LinkCounters, usize, usize)> {
        self.peer().as_ref().map(|peer| (peer.counters(), peer.asks_open(), peer.bytes()))
    }

    /// Counts what the reader found no room for.
    pub(super) fn count(&self, count: impl FnOnce(&mut LinkCounters)) {
        if let Some(peer) = self.peer().as_mut() {
            count(peer.counters_mut());
        }
    }

    fn expire(&self) {
        let ended = self.peer().as_mut().map(|peer| peer.expire(self.now_ms()));
        end(ended.into_iter().flatten());
    }

    fn now_ms(&self) -> u64 {
        self.began.elapsed().as_millis() as u64
    }

    fn peer(&self) -> MutexGuard<'_, Option<Peer<AskCaller>>> {
        self.peer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes an ask out when nobody waits for it any more; one that ended is not there.
struct Forget<'a> {
    link: &'a DataLink,
    id: u64,
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        if let Some(peer) = self.link.peer().as_mut() {
            peer.forget(self.id);
        }
    }
}

fn end(ended: impl IntoIterator<Item = Ended<AskCaller>>) {
    for (caller, end) in ended {
        // A caller that is gone wants nothing.
        let _ = caller.send(end);
    }
}
