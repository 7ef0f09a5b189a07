//! Asks of this side that have not ended: queued for the wire, or in flight. Each ends once, in one way.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use super::frame::PAYLOAD_BYTES_MAX;
#[cfg(test)]
use super::mutant::{self, Mutant};

/// Asks to one peer that have not ended, and their bytes.
pub(super) const ASKS_MAX: usize = 1_024;
pub(super) const ASK_BYTES_MAX: usize = 1024 * 1024;

/// Why an ask has no answer. Nothing was done, except after [`AskError::Lost`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    /// It never went to the wire: there is no link, or it was lost before. Ask again.
    #[error("not sent: there is no link")]
    NotSent,
    /// Its budget was over before it went to the wire, or before the peer began. Ask again, if there is time.
    #[error("its budget was over before anything was done")]
    Expired,
    /// Too many asks are in flight to that peer, or it is doing too much. Ask again later.
    #[error("too many asks are in flight")]
    Overloaded,
    /// It is longer than a frame. To ask again does not help.
    #[error("longer than a frame")]
    TooLong,
    /// It went to the wire and no answer came: the link was lost, or the budget was over, or there is no answer.
    /// Whether it was done is unknown; only what repeats to the same may be asked again.
    #[error("no answer: whether it was done is unknown")]
    Lost,
}

/// An ask that ended, by what its caller waits with.
pub(super) type Ended<R> = (R, Result<Bytes, AskError>);

/// What the table knows of an answer's id.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answered<R> {
    Caller(R),
    /// The ask has ended already.
    Late,
    /// No such ask went to the wire.
    NeverSent,
}

#[derive(Debug)]
struct Open<R> {
    reply: R,
    deadline_ms: u64,
    bytes: usize,
    /// Until it goes to the wire.
    payload: Option<Bytes>,
}

/// All asks that have not ended, by id.
#[derive(Debug)]
pub(super) struct AskTable<R> {
    last_id: u64,
    last_sent_id: u64,
    queued: BTreeMap<u64, Open<R>>,
    in_flight: BTreeMap<u64, Open<R>>,
    /// Deadline and id of all of them.
    deadlines: BTreeSet<(u64, u64)>,
    bytes: usize,
}

impl<R> AskTable<R> {
    pub(super) fn new() -> Self {
        Self {
            last_id: 0,
            last_sent_id: 0,
            queued: BTreeMap::new(),
            in_flight: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            bytes: 0,
        }
    }

    /// Takes an ask on and gives its id; on an error `reply` comes back with it.
    pub(super) fn push(
        &mut self,
        now_ms: u64,
        reply: R,
        payload: Bytes,
        budget_ms: u32,
    ) -> Result<u64, (R, AskError)> {
        let bytes = payload.len();
        if bytes > PAYLOAD_BYTES_MAX {
            return Err((reply, AskError::TooLong));
        }
        if budget_ms == 0 {
            return Err((reply, AskError::Expired));
        }
        if self.deadlines.len() >= ASKS_MAX || self.bytes + bytes > ASK_BYTES_MAX {
            return Err((reply, AskError::Overloaded));
        }
        self.last_id += 1;
        let deadline_ms = now_ms + u64::from(budget_ms);
        self.bytes += bytes;
        self.deadlines.insert((deadline_ms, self.last_id));
        self.queued.insert(self.last_id, Open { reply, deadline_ms, bytes, payload: Some(payload) });
        Ok(self.last_id)
    }

    /// The length of what [`AskTable::send`] gives next.
    pub(super) fn next_bytes(&self) -> Option<usize> {
        self.queued.first_key_value().map(|(_, ask)| ask.bytes)
    }

    /// The next ask, which counts as in flight from now on, with what remains of its budget.
    pub(super) fn send(&mut self, now_ms: u64) -> Option<(u64, u32, Bytes)> {
        let (id, mut ask) = self.queued.pop_first()?;
        let payload = ask.payload.take().unwrap_or_default();
        let remaining_ms = ask.deadline_ms.saturating_sub(now_ms);
        self.in_flight.insert(id, ask);
        self.last_sent_id = id;
        Some((id, u32::try_from(remaining_ms).unwrap_or(u32::MAX), payload))
    }

    /// Ends the ask that an answer is for.
    pub(super) fn answer(&mut self, id: u64) -> Answered<R> {
        match self.in_flight.remove(&id) {
            Some(ask) => Answered::Caller(self.end(id, ask)),
            None if id == 0 || id > self.last_sent_id => Answered::NeverSent,
            None => Answered::Late,
        }
    }

    /// Ends those whose budget is over: what was done of those in flight is unknown.
    pub(super) fn expire(&mut self, now_ms: u64, ended: &mut Vec<Ended<R>>) {
        while let Some(&(deadline_ms, id)) = self.deadlines.first() {
            if deadline_ms > now_ms {
                return;
            }
            if let Some(ask) = self.queued.remove(&id) {
                ended.push((self.end(id, ask), Err(AskError::Expired)));
            } else if let Some(ask) = self.in_flight.remove(&id) {
                ended.push((self.end(id, ask), Err(Self::in_flight_expired())));
            }
        }
    }

    fn in_flight_expired() -> AskError {
        #[cfg(test)]
        if mutant::is(Mutant::InFlightExpires) {
            return AskError::Expired;
        }
        AskError::Lost
    }

    /// Nobody waits for it any more; says whether it was there. If it is not on the wire yet, it never goes there.
    pub(super) fn forget(&mut self, id: u64) -> bool {
        match self.queued.remove(&id).or_else(|| self.in_flight.remove(&id)) {
            Some(ask) => {
                self.end(id, ask);
                true
            }
            None => false,
        }
    }

    /// The link is lost: ends all of them.
    pub(super) fn lose(self) -> Vec<Ended<R>> {
        let queued = self.queued.into_values().map(|ask| (ask.reply, Err(AskError::NotSent)));
        let in_flight = self.in_flight.into_values().map(|ask| {
            #[cfg(test)]
            if mutant::is(Mutant::SentCountsAsNotSent) {
                return (ask.reply, Err(AskError::NotSent));
            }
            (ask.reply, Err(AskError::Lost))
        });
        queued.chain(in_flight).collect()
    }

    /// The ask whose budget is over first.
    #[cfg(test)]
    pub(super) fn first(&self) -> Option<(u64, &R)> {
        let (_, id) = self.deadlines.first()?;
        let ask = self.queued.get(id).or_else(|| self.in_flight.get(id))?;
        Some((*id, &ask.reply))
    }

    /// How many have not ended.
    pub(super) fn len(&self) -> usize {
        self.deadlines.len()
    }

    /// Bytes of those that have not ended.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    fn end(&mut self, id: u64, ask: Open<R>) -> R {
        self.bytes -= ask.bytes;
        self.deadlines.remove(&(ask.deadline_ms, id));
        ask.reply
    }
}
