//! A socket of bare bytes, for what a library would not send and for what it answers by itself.

use driver::Api;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::PATIENCE;

/// First bytes of frames: the final one of a message, with its opcode.
pub(super) const TEXT: u8 = 0x81;
pub(super) const BINARY: u8 = 0x82;
pub(super) const PING: u8 = 0x89;
pub(super) const PONG: u8 = 0x8a;
/// The first fragment of a text, one in the middle, and the last.
pub(super) const TEXT_BEGINS: u8 = 0x01;
pub(super) const TEXT_GOES_ON: u8 = 0x00;
pub(super) const TEXT_ENDS: u8 = 0x80;

/// The bits of the first byte that say what a frame is.
const OPCODE: u8 = 0x0f;
const CLOSE: u8 = 0x08;
const MASKED: u8 = 0x80;

/// An upgraded connection.
pub(super) struct Raw {
    stream: TcpStream,
    /// The answer to the upgrade, in lower case.
    pub(super) head: String,
}

impl Raw {
    /// Asks for an upgrade with these lines beside those that it needs.
    pub(super) async fn open(api: &Api, lines: &str) -> Self {
        let mut stream = TcpStream::connect(api.address()).await.unwrap();
        let request = format!(
            "GET /api/v1/chat/socket HTTP/1.1\r\nhost: {}\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n{lines}\r\n",
            api.address()
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(timeout(PATIENCE, stream.read_u8()).await.unwrap().unwrap());
        }
        Self { stream, head: String::from_utf8(head).unwrap().to_lowercase() }
    }

    /// One that has said hello and read its welcome.
    pub(super) async fn greeted(api: &Api, token: &str) -> Self {
        let mut raw = Self::open(api, "").await;
        assert!(raw.head.starts_with("http/1.1 101 "), "{}", raw.head);
        raw.write(&frame(TEXT, format!(r#"{{"type":"hello","token":"{token}"}}"#).as_bytes())).await;
        let welcome = raw.next_text().await;
        assert!(welcome.contains(r#""type":"welcome""#), "{welcome}");
        raw
    }

    /// Bytes that the server may have refused to read are not this side's fault: how it closes says what it thought.
    pub(super) async fn write(&mut self, bytes: &[u8]) {
        let _refused = timeout(PATIENCE, self.stream.write_all(bytes)).await.unwrap();
    }

    /// The code with which the server closes; none when the connection just ends. Nothing is answered meanwhile, not
    /// even a ping.
    pub(super) async fn close_code(&mut self) -> Option<u16> {
        loop {
            let (opcode, payload) = self.frame().await?;
            if opcode == CLOSE {
                return Some(u16::from_be_bytes([payload[0], payload[1]]));
            }
        }
    }

    /// The next text that the server sends.
    pub(super) async fn next_text(&mut self) -> String {
        loop {
            let (opcode, payload) = self.frame().await.expect("a text");
            if opcode == TEXT & OPCODE {
                return String::from_utf8(payload).unwrap();
            }
        }
    }

    /// The next frame's opcode and payload; none at the end.
    async fn frame(&mut self) -> Option<(u8, Vec<u8>)> {
        timeout(PATIENCE, self.read_frame()).await.expect("the server neither sends nor closes").ok()
    }

    async fn read_frame(&mut self) -> std::io::Result<(u8, Vec<u8>)> {
        let opcode = self.stream.read_u8().await? & OPCODE;
        let length = match self.stream.read_u8().await? {
            126 => self.stream.read_u16().await?.into(),
            127 => self.stream.read_u64().await?,
            short => short.into(),
        };
        let mut payload = vec![0; usize::try_from(length).unwrap()];
        self.stream.read_exact(&mut payload).await?;
        Ok((opcode, payload))
    }
}

/// A frame as clients send it, under a mask of zeros, which leaves the payload as it is.
pub(super) fn frame(first_byte: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = header(first_byte, MASKED, payload.len());
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}

/// A frame that breaks the protocol: a client's must be masked.
pub(super) fn unmasked(first_byte: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = header(first_byte, 0, payload.len());
    frame.extend(payload);
    frame
}

fn header(first_byte: u8, mask: u8, length: usize) -> Vec<u8> {
    let mut header = vec![first_byte];
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(length @ ..=125), _) => header.push(mask | length),
        (_, Ok(length)) => {
            header.push(mask | 126);
            header.extend(length.to_be_bytes());
        }
        (_, Err(_)) => {
            header.push(mask | 127);
            header.extend((length as u64).to_be_bytes());
        }
    }
    header
}
