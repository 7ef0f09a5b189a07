//! One side of a control connection: pings out, pongs for the peer's. No IO, no clock.

use std::collections::VecDeque;

use super::codec::{self, CodecError};
use super::frame::{self, Class, Decoder, FrameError};
use super::shapes::{Control, Vitals};

#[cfg(test)]
mod tests;

/// A main runtime that has not ticked for so long sends no pong: a wedged server must not look alive.
pub(super) const TICK_AGE_MS_MAX: u64 = 3_000;
/// Pings that wait for their pong; older ones are forgotten.
const SENT_MAX: usize = 64;

/// The peer does not speak our protocol: the connection is to be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum PingError {
    #[error("no frame: {0}")]
    Frame(#[from] FrameError),
    #[error("no message: {0}")]
    Message(#[from] CodecError),
    #[error("not a control frame")]
    Class,
    #[error("a pong for {0}, which was never sent")]
    Id(u64),
}

/// A pong, as it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct AnsweredPing {
    pub(super) vitals: Vitals,
    /// When its ping was sent: the peer has lived since.
    pub(super) pinged_ms: u64,
    pub(super) received_ms: u64,
    /// The peer's view version.
    pub(super) version: u64,
}

/// One side of a control connection.
#[derive(Debug)]
pub(super) struct ControlLink {
    decoder: Decoder,
    last_id: u64,
    /// Id and time of those that wait for their pong.
    sent: VecDeque<(u64, u64)>,
}

impl ControlLink {
    /// Goes on with the bytes that came behind the handshake.
    pub(super) fn new(decoder: Decoder) -> Self {
        Self { decoder, last_id: 0, sent: VecDeque::new() }
    }

    /// The next ping, to be written.
    pub(super) fn ping(&mut self, now_ms: u64, version: u64) -> Vec<u8> {
        self.last_id += 1;
        self.sent.push_back((self.last_id, now_ms));
        if self.sent.len() > SENT_MAX {
            self.sent.pop_front();
        }
        framed(self.last_id, version, &Control::Ping)
    }

    /// Takes what was read: the newest pong in it, and what is to be written. `vitals` are this node's own.
    pub(super) fn receive(
        &mut self,
        now_ms: u64,
        version: u64,
        vitals: &dyn Fn() -> Vitals,
        bytes: &[u8],
    ) -> Result<(Option<AnsweredPing>, Vec<u8>), PingError> {
        self.decoder.feed(bytes);
        let (mut newest, mut out) = (None, Vec::new());
        while let Some(frame) = self.decoder.next()? {
            if frame.class != Class::Control {
                return Err(PingError::Class);
            }
            match codec::decode(&frame.payload)? {
                Control::Ping => {
                    let vitals = vitals();
                    if vitals.tick_age_ms <= TICK_AGE_MS_MAX {
                        out.extend(framed(frame.id, version, &Control::Pong(vitals)));
                    }
                }
                Control::Pong(vitals) => {
                    if frame.id == 0 || frame.id > self.last_id {
                        return Err(PingError::Id(frame.id));
                    }
                    let Some(at) = self.sent.iter().position(|(id, _)| *id == frame.id) else { continue };
                    let (_, pinged_ms) = self.sent[at];
                    // Pongs come in the order of their pings: what was not answered before never will be.
                    self.sent.drain(..=at);
                    newest =
                        Some(AnsweredPing { vitals, pinged_ms, received_ms: now_ms, version: frame.version });
                }
            }
        }
        Ok((newest, out))
    }
}

fn framed(id: u64, version: u64, control: &Control) -> Vec<u8> {
    let mut out = Vec::new();
    frame::write(&mut out, Class::Control, id, version, 0, &codec::encode(control));
    out
}
