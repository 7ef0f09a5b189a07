//! Frames: bytes in, frames out, in whatever pieces the bytes come. No IO, no clock.
//!
//! A frame is its length (of what follows, 4 bytes), its class (1), id (8), the sender's view version (8), for asks the
//! budget that remains in milliseconds (4), and the payload; numbers are big-endian. Longer publications cross in
//! parts, which other frames may stand between, but no part of another publication.

use bytes::Bytes;

#[cfg(test)]
mod tests;

/// What stands before the payload.
pub(super) const HEADER_BYTES: usize = 25;
/// The longest frame of an established link, header and all.
pub(super) const FRAME_BYTES_MAX: usize = 64 * 1024;
/// The longest frame of a handshake.
pub(super) const HANDSHAKE_FRAME_BYTES_MAX: usize = 4 * 1024;
/// The longest payload of one frame.
pub(super) const PAYLOAD_BYTES_MAX: usize = FRAME_BYTES_MAX - HEADER_BYTES;
/// The longest publication, all its parts together.
pub(super) const PUBLICATION_BYTES_MAX: usize = 256 * 1024;
const LENGTH_BYTES: usize = 4;

/// What a frame is. Append-only: the number is what crosses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Class {
    Control = 0,
    Ask = 1,
    Answer = 2,
    Tell = 3,
    /// A publication, or the last part of one.
    Publish = 4,
    /// A part of a publication that more follows of, under the same id.
    PublishPart = 5,
}

impl Class {
    fn of(number: u8) -> Option<Self> {
        let all = [Self::Control, Self::Ask, Self::Answer, Self::Tell, Self::Publish, Self::PublishPart];
        all.into_iter().find(|class| *class as u8 == number)
    }
}

/// What crosses a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LinkFrame {
    pub(super) class: Class,
    /// Given by the side that asks, pings or publishes; answers and pongs carry it back.
    pub(super) id: u64,
    /// The view version of the sender.
    pub(super) version: u64,
    /// What remains of an ask's budget; of others 0.
    pub(super) budget_ms: u32,
    pub(super) payload: Bytes,
}

/// Bytes that are no frames: nothing behind them can be read either.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum FrameError {
    #[error("a frame of {0} bytes")]
    Length(usize),
    #[error("a frame of class {0}")]
    Class(u8),
    #[error("a budget where there is no ask")]
    Budget,
    #[error("parts of two publications at once")]
    Parts,
    #[error("a publication of more than 256 KiB")]
    Publication,
}

/// Appends a frame to what is to be written.
pub(super) fn write(out: &mut Vec<u8>, class: Class, id: u64, version: u64, budget_ms: u32, payload: &[u8]) {
    debug_assert!(payload.len() <= PAYLOAD_BYTES_MAX);
    let length = (HEADER_BYTES - LENGTH_BYTES + payload.len()) as u32;
    out.extend_from_slice(&length.to_be_bytes());
    out.push(class as u8);
    out.extend_from_slice(&id.to_be_bytes());
    out.extend_from_slice(&version.to_be_bytes());
    out.extend_from_slice(&budget_ms.to_be_bytes());
    out.extend_from_slice(payload);
}

/// Makes frames of bytes. It holds what was fed and not taken, and the parts of one publication.
#[derive(Debug)]
pub(super) struct Decoder {
    frame_bytes_max: usize,
    buffer: Vec<u8>,
    /// How much of the buffer was taken.
    taken: usize,
    parts: Option<(u64, Vec<u8>)>,
}

impl Decoder {
    /// Refuses longer frames than this.
    pub(super) fn new(frame_bytes_max: usize) -> Self {
        Self { frame_bytes_max, buffer: Vec::new(), taken: 0, parts: None }
    }

    /// The limit from the next frame on: a handshake's are shorter.
    pub(super) fn set_frame_bytes_max(&mut self, frame_bytes_max: usize) {
        self.frame_bytes_max = frame_bytes_max;
    }

    /// Adds what was read. All whole frames are to be taken before the next piece is fed: then no more is held than one
    /// frame that is not whole, one piece, and one publication.
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.taken);
        self.taken = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// The next frame; none: more has to be fed. Parts of a publication come as the one publication that they are.
    pub(super) fn next(&mut self) -> Result<Option<LinkFrame>, FrameError> {
        while let Some(frame) = self.next_part()? {
            if let Some(whole) = self.join(frame)? {
                return Ok(Some(whole));
            }
        }
        Ok(None)
    }

    /// Bytes that are held.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.buffer.capacity() + self.parts.as_ref().map_or(0, |(_, parts)| parts.capacity())
    }

    fn next_part(&mut self) -> Result<Option<LinkFrame>, FrameError> {
        let bytes = &self.buffer[self.taken..];
        let Some((length, rest)) = bytes.split_first_chunk::<LENGTH_BYTES>() else { return Ok(None) };
        let length = u32::from_be_bytes(*length) as usize;
        // The length and the class are judged before anything else has come.
        if !(HEADER_BYTES - LENGTH_BYTES..=self.frame_bytes_max - LENGTH_BYTES).contains(&length) {
            return Err(FrameError::Length(length));
        }
        let Some(&class) = rest.first() else { return Ok(None) };
        let class = Class::of(class).ok_or(FrameError::Class(class))?;
        if rest.len() < length {
            return Ok(None);
        }
        let (header, payload) = rest[..length].split_at(HEADER_BYTES - LENGTH_BYTES);
        let number = |at: usize| u64::from_be_bytes(header[at..at + 8].try_into().expect("eight bytes"));
        let budget_ms = u32::from_be_bytes(header[17..21].try_into().expect("four bytes"));
        if class != Class::Ask && budget_ms != 0 {
            return Err(FrameError::Budget);
        }
        let payload = Bytes::copy_from_slice(payload);
        let frame = LinkFrame { class, id: number(1), version: number(9), budget_ms, payload };
        self.taken += LENGTH_BYTES + length;
        Ok(Some(frame))
    }

    /// The frame, or the publication whose last part it is; none: more parts follow.
    fn join(&mut self, frame: LinkFrame) -> Result<Option<LinkFrame>, FrameError> {
        let is_last = match frame.class {
            Class::Publish => true,
            Class::PublishPart => false,
            Class::Control | Class::Ask | Class::Answer | Class::Tell => return Ok(Some(frame)),
        };
        let (id, mut parts) = match self.parts.take() {
            Some(parts) => parts,
            None if is_last => return Ok(Some(frame)),
            None => (frame.id, Vec::new()),
        };
        if id != frame.id {
            return Err(FrameError::Parts);
        }
        if parts.len() + frame.payload.len() > PUBLICATION_BYTES_MAX {
            return Err(FrameError::Publication);
        }
        parts.extend_from_slice(&frame.payload);
        if is_last {
            return Ok(Some(LinkFrame { payload: parts.into(), ..frame }));
        }
        self.parts = Some((id, parts));
        Ok(None)
    }
}
