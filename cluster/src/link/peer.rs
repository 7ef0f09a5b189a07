//! One side of an established data link: what is queued for the wire, what is in flight, and what the bytes that come mean.
//! No IO, no clock: the driver, and the simulation, give it the time and carry its bytes.
//!
//! Each class keeps its order, and takes its turn with the others frame by frame, so that an ask never waits behind a megabyte of
//! publications. Between classes there is no order.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;

use super::asks::{self, Answered, AskError, AskTable, Ended};
use super::codec::{self, CodecError};
use super::counters::LinkCounters;
use super::frame::{
    self, Class, Decoder, FRAME_BYTES_MAX, Frame, FrameError, HEADER_BYTES, PAYLOAD_BYTES_MAX,
    PUBLICATION_BYTES_MAX,
};
#[cfg(test)]
use super::mutant::{self, Mutant};
use super::publications::{Publication, PublicationQueue, Queued};
use super::shapes::{Opaque, Published, Reply};

#[cfg(test)]
mod schedules;
#[cfg(test)]
mod tests;

/// One write takes all that is queued, up to this: batching without a timer.
pub(super) const WRITE_BYTES_MAX: usize = FRAME_BYTES_MAX;
/// Tells that wait for the wire, or for the program, and their bytes.
pub(super) const TELLS_MAX: usize = 4_096;
pub(super) const TELL_BYTES_MAX: usize = 1024 * 1024;
/// Asks of the peer that are open here: its own bound, held here as well, in bytes too. Beyond, they are refused.
pub(super) const OPEN_MAX: usize = asks::ASKS_MAX;
/// Refusals of asks that wait for the wire: a peer that asks and never reads has no link.
const ANSWERS_MAX: usize = 4 * OPEN_MAX;
/// Answers that wait for the wire: beyond, an answer is left out, and its asker does not know.
pub(super) const ANSWER_BYTES_MAX: usize = 1024 * 1024;
/// A publication's key.
pub(super) const KEY_BYTES_MAX: usize = 256;
/// What a publication's encoding adds to key and body, at most.
const PUBLISHED_BYTES: usize = 16;
/// The same of an answer's.
const REPLY_BYTES: usize = 16;

/// What came, or ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Event<R> {
    Ended(Ended<R>),
    /// To be begun by [`Peer::begin`] and answered by [`Peer::answer`].
    Asked {
        id: u64,
        version: u64,
        payload: Bytes,
    },
    Told {
        version: u64,
        payload: Bytes,
    },
    Published {
        version: u64,
        publication: Publication,
    },
}

/// The peer does not speak our protocol: the link is to be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ProtocolError {
    #[error("no frame: {0}")]
    Frame(#[from] FrameError),
    #[error("no message: {0}")]
    Message(#[from] CodecError),
    #[error("a control frame on the data connection")]
    Control,
    #[error("ask {0} after a later one")]
    AskId(u64),
    #[error("an answer to {0}, which was never asked")]
    AnswerId(u64),
    #[error("it asks and does not read the answers")]
    NeverReads,
}

/// What takes turns.
#[derive(Clone, Copy, Debug)]
enum Turn {
    Answer,
    Ask,
    Tell,
    Publish,
}

impl Turn {
    const COUNT: usize = 4;

    fn next(self) -> Self {
        match self {
            Self::Answer => Self::Ask,
            Self::Ask => Self::Tell,
            Self::Tell => Self::Publish,
            Self::Publish => Self::Answer,
        }
    }
}

/// A publication on its way to the wire, part by part.
#[derive(Debug)]
struct Publishing {
    id: u64,
    encoded: Bytes,
}

/// One side of a data link. `R`: what the caller of an ask waits with.
#[derive(Debug)]
pub(super) struct Peer<R> {
    decoder: Decoder,
    asks: AskTable<R>,
    tells: VecDeque<Bytes>,
    tell_bytes: usize,
    publications: PublicationQueue,
    publishing: Option<Publishing>,
    last_publication: u64,
    /// The peer's asks that are not answered: when their budget is over, and their bytes.
    open: BTreeMap<u64, (u64, usize)>,
    open_bytes: usize,
    last_asked: u64,
    answers: VecDeque<(u64, Vec<u8>)>,
    answer_bytes: usize,
    turn: Turn,
    counters: LinkCounters,
}

impl<R> Peer<R> {
    /// Goes on with the bytes that came behind the handshake.
    pub(super) fn new(decoder: Decoder) -> Self {
        Self {
            decoder,
            asks: AskTable::new(),
            tells: VecDeque::new(),
            tell_bytes: 0,
            publications: PublicationQueue::default(),
            publishing: None,
            last_publication: 0,
            open: BTreeMap::new(),
            open_bytes: 0,
            last_asked: 0,
            answers: VecDeque::new(),
            answer_bytes: 0,
            turn: Turn::Answer,
            counters: LinkCounters { links: 1, ..LinkCounters::default() },
        }
    }

    /// Queues an ask and gives its id; on an error nothing is queued, and `reply` comes back.
    pub(super) fn ask(
        &mut self,
        now_ms: u64,
        reply: R,
        payload: Bytes,
        budget_ms: u32,
    ) -> Result<u64, (R, AskError)> {
        match self.asks.push(now_ms, reply, payload, budget_ms) {
            Ok(id) => {
                self.counters.asks += 1;
                Ok(id)
            }
            Err(refused) => {
                self.counters.refused += 1;
                Err(refused)
            }
        }
    }

    /// Nobody waits for this ask any more.
    pub(super) fn forget(&mut self, id: u64) {
        self.counters.forgotten += u64::from(self.asks.forget(id));
    }

    /// Queues a tell; false: there is no room, or it is longer than a frame, and it is left out.
    pub(super) fn tell(&mut self, payload: Bytes) -> bool {
        let has_room = self.tells.len() < TELLS_MAX && self.tell_bytes + payload.len() <= TELL_BYTES_MAX;
        if !has_room || payload.len() > PAYLOAD_BYTES_MAX {
            self.counters.tells_dropped += 1;
            return false;
        }
        self.tell_bytes += payload.len();
        self.tells.push_back(payload);
        true
    }

    /// Queues a publication; where there is no room, or it is too long, a `Gone` under its key.
    pub(super) fn publish(&mut self, key: Bytes, body: Bytes) {
        debug_assert!(key.len() <= KEY_BYTES_MAX);
        let queued = if key.len() + body.len() + PUBLISHED_BYTES > PUBLICATION_BYTES_MAX {
            self.publications.push_gone(key)
        } else {
            self.publications.push(key, body)
        };
        self.counters.publications_gone += u64::from(queued != Queued::Body);
    }

    /// Before an ask of the peer's is done: what remains of its budget. None: it is over, the asker hears that nothing was done,
    /// and nothing may be done.
    pub(super) fn begin(&mut self, now_ms: u64, id: u64) -> Option<u32> {
        let (deadline_ms, _) = *self.open.get(&id)?;
        let remaining_ms = u32::try_from(deadline_ms.saturating_sub(now_ms)).unwrap_or(u32::MAX);
        #[cfg(test)]
        if mutant::is(Mutant::ExpiredIsDone) {
            return Some(remaining_ms);
        }
        if remaining_ms == 0 {
            self.answer(id, Reply::Expired);
            return None;
        }
        Some(remaining_ms)
    }

    /// Answers an ask of the peer's, once; a second answer is ignored.
    pub(super) fn answer(&mut self, id: u64, reply: Reply) {
        let Some((_, asked_bytes)) = self.open.remove(&id) else { return };
        self.open_bytes -= asked_bytes;
        if matches!(reply, Reply::Expired | Reply::Overloaded) {
            self.counters.declined += 1;
        }
        let bytes = if let Reply::Done(Opaque(answer)) = &reply { answer.len() + REPLY_BYTES } else { 0 };
        let fits = bytes <= PAYLOAD_BYTES_MAX && self.answer_bytes + bytes <= ANSWER_BYTES_MAX;
        let encoded = codec::encode(&if fits { reply } else { Reply::Unanswered });
        self.answer_bytes += encoded.len();
        self.answers.push_back((id, encoded));
    }

    /// Ends the asks whose budget is over.
    pub(super) fn expire(&mut self, now_ms: u64) -> Vec<Ended<R>> {
        let mut ended = Vec::new();
        self.asks.expire(now_ms, &mut ended);
        for (_, end) in &ended {
            self.count(end);
        }
        ended
    }

    /// Appends what goes into the next write, in frames of this view version; nothing: nothing is queued.
    pub(super) fn fill(&mut self, now_ms: u64, version: u64, out: &mut Vec<u8>) -> Vec<Ended<R>> {
        let ended = self.expire(now_ms);
        let before = out.len();
        let mut idle = 0;
        while idle < Turn::COUNT {
            let Some(room) = WRITE_BYTES_MAX.checked_sub(out.len() - before + HEADER_BYTES) else { break };
            idle = if self.write_one(now_ms, version, room, out) { 0 } else { idle + 1 };
            self.turn = self.turn.next();
        }
        self.counters.sent_bytes += (out.len() - before) as u64;
        ended
    }

    /// Whether [`Peer::fill`] would have something.
    #[cfg(test)]
    pub(super) fn has_work(&self) -> bool {
        self.asks.next_bytes().is_some()
            || !self.answers.is_empty()
            || !self.tells.is_empty()
            || self.publishing.is_some()
            || !self.publications.is_empty()
    }

    /// Takes what was read; on an error the link is to be closed, and what was pushed before holds.
    pub(super) fn receive(
        &mut self,
        now_ms: u64,
        bytes: &[u8],
        events: &mut Vec<Event<R>>,
    ) -> Result<(), ProtocolError> {
        self.counters.received_bytes += bytes.len() as u64;
        self.decoder.feed(bytes);
        while let Some(frame) = self.decoder.next()? {
            events.extend(self.take(now_ms, frame)?);
        }
        Ok(())
    }

    /// The link is lost: ends every ask, and gives what was counted.
    pub(super) fn lose(mut self) -> (Vec<Ended<R>>, LinkCounters) {
        let asks = std::mem::replace(&mut self.asks, AskTable::new());
        let ended = asks.lose();
        for (_, end) in &ended {
            self.count(end);
        }
        self.counters.tells_dropped += self.tells.len() as u64;
        (ended, self.counters)
    }

    pub(super) fn counters(&self) -> LinkCounters {
        self.counters
    }

    /// For what the driver counts.
    pub(super) fn counters_mut(&mut self) -> &mut LinkCounters {
        &mut self.counters
    }

    /// Asks that have not ended.
    pub(super) fn asks_open(&self) -> usize {
        self.asks.len()
    }

    /// Bytes that this side keeps for the link: queued, in flight, and on the way to the wire.
    pub(super) fn bytes(&self) -> usize {
        self.asks.bytes()
            + self.tell_bytes
            + self.answer_bytes
            + self.publications.bytes()
            + self.publishing.as_ref().map_or(0, |publishing| publishing.encoded.len())
    }

    /// Writes one frame of the class whose turn it is, if there is one and its payload fits.
    fn write_one(&mut self, now_ms: u64, version: u64, room: usize, out: &mut Vec<u8>) -> bool {
        match self.turn {
            Turn::Answer => {
                if self.answers.front().is_none_or(|(_, encoded)| encoded.len() > room) {
                    return false;
                }
                let Some((id, encoded)) = self.answers.pop_front() else { return false };
                self.answer_bytes -= encoded.len();
                frame::write(out, Class::Answer, id, version, 0, &encoded);
            }
            Turn::Ask => {
                if self.asks.next_bytes().is_none_or(|bytes| bytes > room) {
                    return false;
                }
                let Some((id, budget_ms, payload)) = self.asks.send(now_ms) else { return false };
                frame::write(out, Class::Ask, id, version, budget_ms, &payload);
            }
            Turn::Tell => {
                if self.tells.front().is_none_or(|payload| payload.len() > room) {
                    return false;
                }
                let Some(payload) = self.tells.pop_front() else { return false };
                self.tell_bytes -= payload.len();
                self.counters.tells += 1;
                frame::write(out, Class::Tell, 0, version, 0, &payload);
            }
            Turn::Publish => return self.write_part(version, room, out),
        }
        true
    }

    /// Writes the next part of a publication, or all of a short one.
    fn write_part(&mut self, version: u64, room: usize, out: &mut Vec<u8>) -> bool {
        let publishing = match self.publishing.take() {
            Some(publishing) => publishing,
            None => {
                let Some(publication) = self.publications.pop() else { return false };
                self.last_publication += 1;
                let encoded = codec::encode(&published(publication)).into();
                Publishing { id: self.last_publication, encoded }
            }
        };
        let Publishing { id, mut encoded } = publishing;
        let is_last = encoded.len() <= PAYLOAD_BYTES_MAX;
        if encoded.len().min(PAYLOAD_BYTES_MAX) > room {
            self.publishing = Some(Publishing { id, encoded });
            return false;
        }
        if is_last {
            self.counters.publications += 1;
            frame::write(out, Class::Publish, id, version, 0, &encoded);
        } else {
            let part = encoded.split_to(PAYLOAD_BYTES_MAX);
            frame::write(out, Class::PublishPart, id, version, 0, &part);
            self.publishing = Some(Publishing { id, encoded });
        }
        true
    }

    fn take(&mut self, now_ms: u64, frame: Frame) -> Result<Option<Event<R>>, ProtocolError> {
        let Frame { class, id, version, budget_ms, payload } = frame;
        match class {
            Class::Control => Err(ProtocolError::Control),
            Class::Ask => self.asked(id, version, now_ms + u64::from(budget_ms), payload),
            Class::Answer => self.answered(id, &payload),
            Class::Tell => Ok(Some(Event::Told { version, payload })),
            // Parts come as the one publication that they are.
            Class::Publish | Class::PublishPart => {
                let publication = match codec::decode(&payload)? {
                    Published::Body { key: Opaque(key), body: Opaque(body) } => {
                        Publication::Body { key, body }
                    }
                    Published::Gone { key: Opaque(key) } => Publication::Gone { key },
                    Published::GoneAll => Publication::GoneAll,
                };
                Ok(Some(Event::Published { version, publication }))
            }
        }
    }

    fn asked(
        &mut self,
        id: u64,
        version: u64,
        deadline_ms: u64,
        payload: Bytes,
    ) -> Result<Option<Event<R>>, ProtocolError> {
        if id <= self.last_asked {
            return Err(ProtocolError::AskId(id));
        }
        if self.answers.len() > ANSWERS_MAX {
            return Err(ProtocolError::NeverReads);
        }
        self.last_asked = id;
        self.counters.asked += 1;
        self.open.insert(id, (deadline_ms, payload.len()));
        self.open_bytes += payload.len();
        if self.open.len() > OPEN_MAX || self.open_bytes > asks::ASK_BYTES_MAX {
            self.answer(id, Reply::Overloaded);
            return Ok(None);
        }
        Ok(Some(Event::Asked { id, version, payload }))
    }

    fn answered(&mut self, id: u64, payload: &[u8]) -> Result<Option<Event<R>>, ProtocolError> {
        let end = match codec::decode(payload)? {
            Reply::Done(Opaque(answer)) => Ok(answer),
            Reply::Expired => Err(AskError::Expired),
            Reply::Overloaded => Err(AskError::Overloaded),
            Reply::Unanswered => Err(AskError::Lost),
        };
        match self.asks.answer(id) {
            Answered::Caller(reply) => {
                self.count(&end);
                Ok(Some(Event::Ended((reply, end))))
            }
            Answered::Late => {
                self.counters.late += 1;
                Ok(None)
            }
            Answered::NeverSent => Err(ProtocolError::AnswerId(id)),
        }
    }

    fn count(&mut self, end: &Result<Bytes, AskError>) {
        let counters = &mut self.counters;
        match end {
            Ok(_) => counters.answered += 1,
            Err(AskError::NotSent) => counters.not_sent += 1,
            Err(AskError::Expired) => counters.expired += 1,
            Err(AskError::Overloaded) => counters.overloaded += 1,
            Err(AskError::Lost) => counters.lost += 1,
            // Such an ask was never taken on.
            Err(AskError::TooLong) => {}
        }
    }
}

fn published(publication: Publication) -> Published {
    match publication {
        Publication::Body { key, body } => Published::Body { key: Opaque(key), body: Opaque(body) },
        Publication::Gone { key } => Published::Gone { key: Opaque(key) },
        Publication::GoneAll => Published::GoneAll,
    }
}
