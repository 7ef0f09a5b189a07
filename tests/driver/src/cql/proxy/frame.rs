//! Frames of the CQL native protocol, version 4: as much of them as the proxy must understand.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt};

/// Version, flags, stream (2), opcode, length of the body (4).
const HEADER_BYTES: usize = 9;
/// The protocol's own limit.
const BODY_BYTES_MAX: usize = 256 * 1024 * 1024;
const REQUEST_VERSION: u8 = 4;
const ANSWER_VERSION: u8 = 0x84;
const COMPRESSED: u8 = 1;
const TRACED: u8 = 2;
const WITH_PAYLOAD: u8 = 4;
const WITH_WARNINGS: u8 = 8;
/// The kind of a RESULT that answers a PREPARE.
const PREPARED: i32 = 4;

/// What tells frames apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opcode {
    Error,
    Query,
    Result,
    Prepare,
    Execute,
    Batch,
    /// The others pass as they are.
    Other,
}

/// A request or an answer, with its header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Frame(Vec<u8>);

/// What a request asks to be executed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    Text(String),
    Prepared(Vec<u8>),
}

impl Frame {
    /// The next one; None at the end of the connection.
    pub(super) async fn read(from: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<Self>> {
        let mut bytes = vec![0; HEADER_BYTES];
        match from.read_exact(&mut bytes).await {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            Err(error) => return Err(error),
        }
        let length = u32::from_be_bytes([bytes[5], bytes[6], bytes[7], bytes[8]]) as usize;
        if length > BODY_BYTES_MAX {
            return Err(io::Error::other(format!("a frame of {length} bytes")));
        }
        bytes.resize(HEADER_BYTES + length, 0);
        from.read_exact(&mut bytes[HEADER_BYTES..]).await?;
        Ok(Some(Self(bytes)))
    }

    /// An ERROR answer.
    pub(super) fn error(stream: i16, body: &[u8]) -> Self {
        Self::new(ANSWER_VERSION, stream, 0, body)
    }

    fn new(version: u8, stream: i16, opcode: u8, body: &[u8]) -> Self {
        let mut bytes = vec![version, 0];
        bytes.extend(stream.to_be_bytes());
        bytes.push(opcode);
        bytes.extend(u32::try_from(body.len()).expect("the proxy writes short bodies").to_be_bytes());
        bytes.extend(body);
        Self(bytes)
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Which request an answer belongs to; negative for what the server says unasked.
    pub(super) fn stream(&self) -> i16 {
        i16::from_be_bytes([self.0[2], self.0[3]])
    }

    pub(super) fn with_stream(mut self, stream: i16) -> Self {
        self.0[2..4].copy_from_slice(&stream.to_be_bytes());
        self
    }

    pub(super) fn opcode(&self) -> Opcode {
        match self.0[4] {
            0x00 => Opcode::Error,
            0x07 => Opcode::Query,
            0x08 => Opcode::Result,
            0x09 => Opcode::Prepare,
            0x0a => Opcode::Execute,
            0x0d => Opcode::Batch,
            _ => Opcode::Other,
        }
    }

    /// Why the proxy cannot read this request, which it must then refuse.
    pub(super) fn unreadable(&self) -> Option<&'static str> {
        if self.0[0] != REQUEST_VERSION {
            // The words by which clients know that they should offer an older version.
            return Some("Invalid or unsupported protocol version: the proxy speaks version 4");
        }
        if self.0[1] & (COMPRESSED | WITH_PAYLOAD) != 0 {
            return Some("the proxy reads neither compression nor payloads");
        }
        None
    }

    /// What a QUERY, PREPARE, EXECUTE or BATCH asks to be executed, a batch by its first statement.
    pub(super) fn asked(&self) -> Option<Asked> {
        let mut body = Body(&self.0[HEADER_BYTES..]);
        match self.opcode() {
            Opcode::Query | Opcode::Prepare => body.long_string().map(Asked::Text),
            Opcode::Execute => body.short_bytes().map(|id| Asked::Prepared(id.to_vec())),
            Opcode::Batch => {
                body.take(1)?; // logged, unlogged, counter
                if body.u16()? == 0 {
                    return Some(Asked::Text(String::new()));
                }
                match body.take(1)? {
                    [0] => body.long_string().map(Asked::Text),
                    _ => body.short_bytes().map(|id| Asked::Prepared(id.to_vec())),
                }
            }
            Opcode::Error | Opcode::Result | Opcode::Other => None,
        }
    }

    /// The id that this answer gives to a statement that was to be prepared.
    pub(super) fn prepared_id(&self) -> Option<Vec<u8>> {
        if self.opcode() != Opcode::Result {
            return None;
        }
        let flags = self.0[1];
        let mut body = Body(&self.0[HEADER_BYTES..]);
        if flags & TRACED != 0 {
            body.take(16)?;
        }
        if flags & WITH_WARNINGS != 0 {
            for _ in 0..body.u16()? {
                body.short_bytes()?;
            }
        }
        if flags & WITH_PAYLOAD != 0 {
            for _ in 0..body.u16()? {
                body.short_bytes()?;
                let length = body.i32()?;
                body.take(usize::try_from(length).unwrap_or_default())?;
            }
        }
        if body.i32()? != PREPARED {
            return None;
        }
        body.short_bytes().map(<[u8]>::to_vec)
    }
}

/// What is left to read of a body; every read is None when the body is too short.
struct Body<'a>(&'a [u8]);

impl<'a> Body<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, left) = self.0.split_at_checked(count)?;
        self.0 = left;
        Some(taken)
    }

    fn u16(&mut self) -> Option<u16> {
        self.take(2).map(|bytes| u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    fn i32(&mut self) -> Option<i32> {
        self.take(4).map(|bytes| i32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }

    fn short_bytes(&mut self) -> Option<&'a [u8]> {
        let length = self.u16()?;
        self.take(length.into())
    }

    fn long_string(&mut self) -> Option<String> {
        let length = self.i32()?;
        let text = self.take(usize::try_from(length).ok()?)?;
        Some(String::from_utf8_lossy(text).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(opcode: u8, body: &[u8]) -> Frame {
        Frame::new(REQUEST_VERSION, 5, opcode, body)
    }

    #[test]
    fn a_request_says_what_it_asks() {
        let text = Some(Asked::Text("SELECT".to_owned()));
        let id = Some(Asked::Prepared(vec![1, 2]));
        assert_eq!(request(0x07, b"\0\0\0\x06SELECT\0\x01\0").asked(), text);
        assert_eq!(request(0x09, b"\0\0\0\x06SELECT").asked(), text);
        assert_eq!(request(0x0a, b"\0\x02\x01\x02\0\x01\0").asked(), id);
        assert_eq!(request(0x0d, b"\0\0\x02\0\0\0\0\x06SELECT\0\0\x01").asked(), text);
        assert_eq!(request(0x0d, b"\0\0\x02\x01\0\x02\x01\x02\0\0\x01").asked(), id);
        assert_eq!(request(0x0d, b"\0\0\0\0\x01").asked(), Some(Asked::Text(String::new())));
        // OPTIONS asks for nothing, and a length that lies is no text.
        assert_eq!(request(0x05, b"").asked(), None);
        assert_eq!(request(0x07, b"\0\0\0\x07SELECT").asked(), None);
    }

    #[test]
    fn a_prepared_id_is_found_behind_all_that_may_stand_before_it() {
        let answer = |flags: u8, before: &[u8]| {
            let mut frame =
                Frame::new(ANSWER_VERSION, 5, 0x08, &[before, b"\0\0\0\x04\0\x02\x01\x02\0"].concat());
            frame.0[1] = flags;
            frame.prepared_id()
        };
        let trace = [7; 16];
        let warnings = b"\0\x02\0\x01a\0\x02bc";
        let payload = b"\0\x01\0\x01k\0\0\0\x01v";
        assert_eq!(answer(0, b""), Some(vec![1, 2]));
        assert_eq!(answer(TRACED, &trace), Some(vec![1, 2]));
        assert_eq!(answer(WITH_WARNINGS, warnings), Some(vec![1, 2]));
        let all = [&trace[..], warnings, payload].concat();
        assert_eq!(answer(TRACED | WITH_WARNINGS | WITH_PAYLOAD, &all), Some(vec![1, 2]));
        // Rows, and an error.
        assert_eq!(Frame::new(ANSWER_VERSION, 5, 0x08, b"\0\0\0\x02").prepared_id(), None);
        assert_eq!(Frame::error(5, b"\0\0\0\x04\0\x02\x01\x02\0").prepared_id(), None);
    }

    #[test]
    fn what_it_cannot_read_is_refused() {
        let compressed = Frame(vec![REQUEST_VERSION, COMPRESSED, 0, 1, 7, 0, 0, 0, 0]);
        assert!(compressed.unreadable().unwrap().contains("compression"));
        assert!(Frame::new(5, 1, 7, b"").unreadable().unwrap().contains("unsupported protocol version"));
        assert_eq!(request(7, b"").unreadable(), None);
    }

    #[tokio::test]
    async fn frames_are_read_one_by_one_until_the_end() {
        let (first, second) = (request(0x07, b"one"), request(0x05, b""));
        let wire = [first.bytes(), second.bytes()].concat();
        let mut from = wire.as_slice();
        assert_eq!(Frame::read(&mut from).await.unwrap(), Some(first));
        assert_eq!(Frame::read(&mut from).await.unwrap(), Some(second.clone()));
        assert_eq!(Frame::read(&mut from).await.unwrap(), None);
        assert_eq!(second.stream(), 5);
        assert_eq!(second.with_stream(0x6001).stream(), 0x6001);

        let mut cut = &wire[..HEADER_BYTES + 1];
        assert!(Frame::read(&mut cut).await.is_err());
        let mut endless: &[u8] = &[4, 0, 0, 1, 7, 0xff, 0, 0, 0];
        assert!(Frame::read(&mut endless).await.is_err());
    }
}
