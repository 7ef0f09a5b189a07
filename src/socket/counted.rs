//! A socket's connection, on which every frame counts: also those that the WebSocket library answers or puts together
//! by itself and tells nobody of, such as pongs and empty fragments.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::rates::{Bucket, Quota};

/// The other side sent more frames than it may. Reading goes on failing with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many frames")]
pub(super) struct TooManyFrames;

/// A connection after its upgrade.
pub(super) struct Counted {
    tcp: TcpStream,
    /// What came in behind the upgrade request, and is read first.
    read_ahead: Vec<u8>,
    frames: Option<Bucket>,
    cursor: Cursor,
    over: bool,
}

impl Counted {
    /// `quota`: how many frames may come; none: any number.
    pub(super) fn new(tcp: TcpStream, read_ahead: Vec<u8>, quota: Option<Quota>) -> Self {
        let frames = quota.map(Bucket::full);
        Self { tcp, read_ahead, frames, cursor: Cursor::First, over: false }
    }

    /// What came so far does not count any more.
    pub(super) fn forgive(&mut self) {
        self.frames = self.frames.map(Bucket::refilled);
    }

    pub(super) fn into_inner(self) -> TcpStream {
        self.tcp
    }

    /// How many of these bytes, which come next, may be passed on: all, or those before the first frame too many.
    fn allowed(&mut self, bytes: &[u8]) -> usize {
        let Some(frames) = &mut self.frames else { return bytes.len() };
        let mut left = bytes;
        while !left.is_empty() {
            if self.cursor == Cursor::First && frames.take().is_err() {
                self.over = true;
                break;
            }
            left = self.cursor.advance(left);
        }
        bytes.len() - left.len()
    }
}

/// Where in a frame the next byte stands (RFC 6455, section 5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cursor {
    /// A frame's first byte.
    First,
    /// The byte with the mask's bit and a short length.
    Length,
    /// So many bytes of a longer length.
    LongLength { left: u8, length: u64, masked: bool },
    /// So many bytes of the mask.
    Mask { left: u8, length: u64 },
    /// So many bytes of the payload.
    Payload { left: u64 },
}

impl Cursor {
    /// Passes over some of `bytes`, which are not empty, but never over the end of a frame; gives the others.
    fn advance<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let Some((&byte, rest)) = bytes.split_first() else { return bytes };
        *self = match *self {
            Cursor::First => Cursor::Length,
            Cursor::Length => {
                let masked = byte & 0x80 != 0;
                match byte & 0x7f {
                    126 => Cursor::LongLength { left: 2, length: 0, masked },
                    127 => Cursor::LongLength { left: 8, length: 0, masked },
                    short => Self::after_length(short.into(), masked),
                }
            }
            Cursor::LongLength { left, length, masked } => {
                let length = length << 8 | u64::from(byte);
                match left {
                    1 => Self::after_length(length, masked),
                    left => Cursor::LongLength { left: left - 1, length, masked },
                }
            }
            Cursor::Mask { left: 1, length } => Self::payload(length),
            Cursor::Mask { left, length } => Cursor::Mask { left: left - 1, length },
            Cursor::Payload { left } => {
                let passed = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
                *self = Self::payload(left - passed as u64);
                return &bytes[passed..];
            }
        };
        rest
    }

    fn after_length(length: u64, masked: bool) -> Self {
        if masked { Cursor::Mask { left: 4, length } } else { Self::payload(length) }
    }

    fn payload(left: u64) -> Self {
        if left == 0 { Cursor::First } else { Cursor::Payload { left } }
    }
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.over {
            return Poll::Ready(Err(io::Error::other(TooManyFrames)));
        }
        let before = buffer.filled().len();
        if self.read_ahead.is_empty() {
            ready!(Pin::new(&mut self.tcp).poll_read(cx, buffer))?;
        } else {
            let taken = self.read_ahead.len().min(buffer.remaining());
            buffer.put_slice(&self.read_ahead[..taken]);
            self.read_ahead.drain(..taken);
            self.read_ahead.shrink_to_fit();
        }
        let allowed = self.allowed(&buffer.filled()[before..]);
        buffer.set_filled(before + allowed);
        if allowed == 0 && self.over {
            return Poll::Ready(Err(io::Error::other(TooManyFrames)));
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Counted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tcp).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(first: u8, payload: usize, masked: bool) -> Vec<u8> {
        let mask = if masked { 0x80 } else { 0 };
        let mut bytes = vec![first];
        match payload {
            0..=125 => bytes.push(mask | payload as u8),
            126..=65_535 => {
                bytes.push(mask | 126);
                bytes.extend_from_slice(&(payload as u16).to_be_bytes());
            }
            _ => {
                bytes.push(mask | 127);
                bytes.extend_from_slice(&(payload as u64).to_be_bytes());
            }
        }
        bytes.resize(bytes.len() + if masked { 4 } else { 0 } + payload, 0xff);
        bytes
    }

    #[test]
    fn frames_of_every_length_are_told_apart_however_they_are_cut() {
        let mut bytes = Vec::new();
        let mut begins = Vec::new();
        for (first, payload) in
            [(0x81, 5), (0x8a, 0), (0x00, 0), (0x80, 0), (0x89, 125), (0x81, 126), (0x81, 65_536), (0x81, 0)]
        {
            for masked in [true, false] {
                begins.push(bytes.len());
                bytes.extend(frame(first, payload, masked));
            }
        }
        for cut in [1, 2, 3, 7, 4096, usize::MAX] {
            let (mut cursor, mut found, mut at) = (Cursor::First, Vec::new(), 0);
            for mut piece in bytes.chunks(cut.min(bytes.len())) {
                while !piece.is_empty() {
                    if cursor == Cursor::First {
                        found.push(at);
                    }
                    let left = cursor.advance(piece);
                    at += piece.len() - left.len();
                    piece = left;
                }
            }
            assert_eq!((found, cursor), (begins.clone(), Cursor::First), "cut after {cut}");
        }
    }
}
