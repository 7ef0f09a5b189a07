//! Bare connections: from any address of this machine, with any bytes, and reading or not.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

/// How long the server may take to close a connection on which nothing more is sent.
const PATIENCE: Duration = Duration::from_secs(20);
/// What a client that reads nothing lets its system read for it.
const SMALL_BUFFER_BYTES: u32 = 4096;

/// An answer as it came.
#[derive(Clone, Debug)]
pub(super) struct Heard {
    pub(super) status: u16,
    pub(super) head: String,
    pub(super) body: Vec<u8>,
}

impl Heard {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(": ")?;
            key.eq_ignore_ascii_case(name).then_some(value)
        })
    }
}

/// Connects from an address of this machine's own network.
pub(super) async fn connect(server: SocketAddr, from: Ipv4Addr) -> io::Result<TcpStream> {
    open(server, from, None).await
}

/// The same, with little room for what is not read.
pub(super) async fn connect_narrow(server: SocketAddr, from: Ipv4Addr) -> io::Result<TcpStream> {
    open(server, from, Some(SMALL_BUFFER_BYTES)).await
}

async fn open(server: SocketAddr, from: Ipv4Addr, buffer: Option<u32>) -> io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    if let Some(bytes) = buffer {
        socket.set_recv_buffer_size(bytes)?;
    }
    socket.bind(SocketAddr::from((from, 0)))?;
    socket.connect(server).await
}

/// Sends all, says that nothing more comes, and gives every answer until the server closes.
pub(super) async fn exchange(server: SocketAddr, bytes: &[u8]) -> Vec<Heard> {
    let mut stream = TcpStream::connect(server).await.unwrap();
    // The server may refuse to read on, or have closed: what it answered is what counts.
    let _written = stream.write_all(bytes).await;
    let _half_closed = stream.shutdown().await;
    answers(&read_to_end(&mut stream).await)
}

/// All that comes until the server closes; a reset is an end like any other.
pub(super) async fn read_to_end(stream: &mut TcpStream) -> Vec<u8> {
    let mut all = Vec::new();
    let mut page = [0; 4096];
    let reads = async {
        while let Ok(read @ 1..) = stream.read(&mut page).await {
            all.extend_from_slice(&page[..read]);
        }
    };
    timeout(PATIENCE, reads).await.expect("the server closes");
    all
}

/// The answers in these bytes, one after the other.
pub(super) fn answers(mut bytes: &[u8]) -> Vec<Heard> {
    let mut all = Vec::new();
    while let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        let mut heard = Heard { status: status.expect("a status line"), head, body: Vec::new() };
        bytes = &bytes[end + 4..];
        let length = heard.header("content-length").map_or(0, |length| length.parse().unwrap());
        heard.body = bytes[..length].to_vec();
        bytes = &bytes[length..];
        all.push(heard);
    }
    assert!(bytes.is_empty(), "what is this? {:?}", String::from_utf8_lossy(bytes));
    all
}
