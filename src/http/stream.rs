//! A TCP stream that gives up on a peer who does not read, and keeps back what hyper would answer on its own.
//!
//! hyper answers what it cannot parse with an empty 400, 414 or 431, without asking anybody. Before the first request
//! of a connection reached its service, whatever hyper writes is such an answer: it is kept back here, and
//! [`crate::http::accept`] writes the contract's in its place. (Later ones, after a whole request on the same
//! connection, stay empty.)

use std::future::Future;
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;

/// What is kept of hyper's own answer: its status line is all that is looked at.
const KEPT_BACK_MAX: usize = 64;

/// A TCP stream under a connection's limits.
pub(crate) struct Stream {
    tcp: TcpStream,
    /// How long a write may wait for the peer.
    stall: Duration,
    /// Runs while a write waits.
    stalled: Option<Pin<Box<Sleep>>>,
    /// The service has seen a request.
    asked: Arc<AtomicBool>,
    kept_back: Vec<u8>,
}

impl Stream {
    /// `asked` becomes true with the first request that the service sees.
    pub(crate) fn new(tcp: TcpStream, stall: Duration, asked: Arc<AtomicBool>) -> Self {
        Self { tcp, stall, stalled: None, asked, kept_back: Vec::new() }
    }

    /// The bare stream, and the status that hyper would have answered with on its own.
    pub(crate) fn into_parts(self) -> (TcpStream, Option<u16>) {
        let status = self.kept_back.get(9..12).and_then(|digits| std::str::from_utf8(digits).ok());
        (self.tcp, status.and_then(|digits| digits.parse().ok()))
    }

    fn poll_write_with(
        &mut self,
        cx: &mut Context<'_>,
        first: &[u8],
        total: usize,
        write: impl FnOnce(Pin<&mut TcpStream>, &mut Context<'_>) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if !self.asked.load(Ordering::Relaxed) {
            let room = KEPT_BACK_MAX.saturating_sub(self.kept_back.len()).min(first.len());
            self.kept_back.extend_from_slice(&first[..room]);
            return Poll::Ready(Ok(total));
        }
        match write(Pin::new(&mut self.tcp), cx) {
            Poll::Ready(outcome) => {
                self.stalled = None;
                Poll::Ready(outcome)
            }
            Poll::Pending => {
                let stall = self.stall;
                let stalled = self.stalled.get_or_insert_with(|| Box::pin(tokio::time::sleep(stall)));
                ready!(stalled.as_mut().poll(cx));
                Poll::Ready(Err(io::Error::new(ErrorKind::TimedOut, "the peer does not read")))
            }
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_with(cx, bytes, bytes.len(), |tcp, cx| tcp.poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let first = pieces.iter().find(|piece| !piece.is_empty()).map_or(&[][..], |piece| piece);
        let total = pieces.iter().map(|piece| piece.len()).sum();
        self.poll_write_with(cx, first, total, |tcp, cx| tcp.poll_write_vectored(cx, pieces))
    }

    fn is_write_vectored(&self) -> bool {
        self.tcp.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }
}
