//! One side of an established data link: what is queued for the wire, what is in flight, and what the bytes that come
//! mean. No IO, no clock: the driver, and the simulation, give it the time and carry its bytes.
//!
//! Each class keeps its order, and takes its turn with the others frame by frame, so that an ask never waits behind a
//! megabyte of publications. Between classes there is no order.

use std::collections::VecDeque;

use bytes::Bytes;

use super::answers::{AnswerTable, AskedError};
use super::asks::{Answered, AskError, AskTable, Ended};
use super::codec::{self, CodecError};
use super::counters::LinkCounters;
use super::frame::{
    self, Class, Decoder, FRAME_BYTES_MAX, FrameError, HEADER_BYTES, LinkFrame, PAYLOAD_BYTES_MAX,
};
use super::publications::{Delivery, Queued};
use super::publisher::Publisher;
use super::shapes::{AskReply, Opaque, Published};

#[cfg(test)]
mod schedules;
#[cfg(test)]
mod tests;

/// One write takes all that is queued, up to this: batching without a timer.
pub(super) const WRITE_BYTES_MAX: usize = FRAME_BYTES_MAX;
/// Tells that wait for the wire, or for the program, and their bytes.
pub(super) const TELLS_MAX: usize = 4_096;
pub(super) const TELL_BYTES_MAX: usize = 1024 * 1024;

/// What came, or ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum LinkEvent<R> {
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
        publication: Delivery,
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
    #[error("{0}")]
    Asked(#[from] AskedError),
    #[error("an answer to {0}, which was never asked")]
    AnswerId(u64),
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

/// One side of a data link. `R`: what the caller of an ask waits with.
#[derive(Debug)]
pub(super) struct Peer<R> {
    decoder: Decoder,
    asks: AskTable<R>,
    tells: VecDeque<Bytes>,
    tell_bytes: usize,
    publisher: Publisher,
    answers: AnswerTable,
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
            publisher: Publisher::default(),
            answers: AnswerTable::default(),
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
        let queued = self.publisher.push(key, body);
        self.counters.publications_gone += u64::from(queued != Queued::Body);
    }

    /// Before an ask of the peer's is done: what remains of its budget. None: it is over, the asker hears that nothing
    /// was done, and nothing may be done.
    pub(super) fn begin(&mut self, now_ms: u64, id: u64) -> Option<u32> {
        self.answers.begin(now_ms, id)
    }

    /// Answers an ask of the peer's, once; a second answer is ignored.
    pub(super) fn answer(&mut self, id: u64, reply: AskReply) {
        self.answers.answer(id, reply);
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
        let (mut idle, mut too_long) = (0, None);
        while idle < Turn::COUNT {
            let Some(room) = WRITE_BYTES_MAX.checked_sub(out.len() - before + HEADER_BYTES) else { break };
            match self.next_bytes() {
                Some(bytes) if bytes <= room => {
                    self.write_one(now_ms, version, out);
                    idle = 0;
                }
                found => {
                    too_long = too_long.or(found.map(|_| self.turn));
                    idle += 1;
                }
            }
            self.turn = self.turn.next();
        }
        // What did not fit here begins the next write, however much of other classes there is.
        self.turn = too_long.unwrap_or(self.turn);
        self.counters.sent_bytes += (out.len() - before) as u64;
        ended
    }

    /// Takes what was read; on an error the link is to be closed, and what was pushed before holds.
    pub(super) fn receive(
        &mut self,
        now_ms: u64,
        bytes: &[u8],
        events: &mut Vec<LinkEvent<R>>,
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
        (ended, self.counters())
    }

    pub(super) fn counters(&self) -> LinkCounters {
        LinkCounters { declined: self.answers.declined(), ..self.counters }
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
        self.asks.bytes() + self.tell_bytes + self.answers.bytes() + self.publisher.bytes()
    }

    /// The length of the next payload of the class whose turn it is.
    fn next_bytes(&mut self) -> Option<usize> {
        match self.turn {
            Turn::Answer => self.answers.next_bytes(),
            Turn::Ask => self.asks.next_bytes(),
            Turn::Tell => self.tells.front().map(Bytes::len),
            Turn::Publish => self.publisher.next_bytes(),
        }
    }

    /// Writes one frame of the class whose turn it is, if there is one.
    fn write_one(&mut self, now_ms: u64, version: u64, out: &mut Vec<u8>) {
        match self.turn {
            Turn::Answer => {
                let Some((id, encoded)) = self.answers.send() else { return };
                frame::write(out, Class::Answer, id, version, 0, &encoded);
            }
            Turn::Ask => {
                let Some((id, budget_ms, payload)) = self.asks.send(now_ms) else { return };
                frame::write(out, Class::Ask, id, version, budget_ms, &payload);
            }
            Turn::Tell => {
                let Some(payload) = self.tells.pop_front() else { return };
                self.tell_bytes -= payload.len();
                self.counters.tells += 1;
                frame::write(out, Class::Tell, 0, version, 0, &payload);
            }
            Turn::Publish => {
                let Some(part) = self.publisher.send() else { return };
                self.counters.publications += u64::from(part.class == Class::Publish);
                frame::write(out, part.class, part.id, version, 0, &part.payload);
            }
        }
    }

    fn take(&mut self, now_ms: u64, frame: LinkFrame) -> Result<Option<LinkEvent<R>>, ProtocolError> {
        let LinkFrame { class, id, version, budget_ms, payload } = frame;
        match class {
            Class::Control => Err(ProtocolError::Control),
            Class::Ask => self.asked(id, version, now_ms + u64::from(budget_ms), payload),
            Class::Answer => self.answered(id, &payload),
            Class::Tell => Ok(Some(LinkEvent::Told { version, payload })),
            // Parts come as the one publication that they are.
            Class::Publish | Class::PublishPart => {
                let publication = match codec::decode(&payload)? {
                    Published::Body { key: Opaque(key), body: Opaque(body) } => Delivery::Body { key, body },
                    Published::Gone { key: Opaque(key) } => Delivery::Gone { key },
                    Published::GoneAll => Delivery::GoneAll,
                };
                Ok(Some(LinkEvent::Published { version, publication }))
            }
        }
    }

    fn asked(
        &mut self,
        id: u64,
        version: u64,
        deadline_ms: u64,
        payload: Bytes,
    ) -> Result<Option<LinkEvent<R>>, ProtocolError> {
        let is_to_be_done = self.answers.asked(id, deadline_ms, payload.len())?;
        self.counters.asked += 1;
        if !is_to_be_done {
            return Ok(None);
        }
        Ok(Some(LinkEvent::Asked { id, version, payload }))
    }

    fn answered(&mut self, id: u64, payload: &[u8]) -> Result<Option<LinkEvent<R>>, ProtocolError> {
        let end = match codec::decode(payload)? {
            AskReply::Done(Opaque(answer)) => Ok(answer),
            AskReply::Expired => Err(AskError::Expired),
            AskReply::Overloaded => Err(AskError::Overloaded),
            AskReply::Unanswered => Err(AskError::Lost),
        };
        match self.asks.answer(id) {
            Answered::Caller(reply) => {
                self.count(&end);
                Ok(Some(LinkEvent::Ended((reply, end))))
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
