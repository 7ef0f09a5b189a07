//! A TCP stream that gives up on a peer who does not read or does not end a request's head, and keeps back what hyper
//! would answer on its own.
//!
//! hyper has one timer for a head and for the wait between two requests. That one is the long one, the wait; the head's
//! runs here, from its first byte, or for the first head from the start.
//!
//! hyper answers what it cannot parse with an empty 400, 414 or 431, without asking anybody. Before the first request
//! of a connection reached its service, whatever hyper writes is such an answer: it is kept back here, and
//! [`crate::http::engine::accept`] writes the contract's in its place. (Later ones, after a whole request on the same
//! connection, stay empty.)

use std::future::Future;
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep};

use crate::late::fired_late;

/// What is kept of hyper's own answer: its status line is all that is looked at.
const KEPT_BACK_MAX: usize = 64;

/// How far a connection is, as its service sees it.
#[derive(Default)]
pub(crate) struct Progress {
    begun: AtomicU32,
    ended: AtomicU32,
}

impl Progress {
    /// The service has got a request.
    pub(crate) fn begin(&self) {
        self.begun.fetch_add(1, Ordering::Relaxed);
    }

    /// It has answered.
    pub(crate) fn end(&self) {
        self.ended.fetch_add(1, Ordering::Relaxed);
    }

    fn requests(&self) -> u32 {
        self.begun.load(Ordering::Relaxed)
    }

    fn is_serving(&self) -> bool {
        self.requests() != self.ended.load(Ordering::Relaxed)
    }
}

/// How long the other side may take.
#[derive(Clone, Copy)]
pub(crate) struct Patience {
    /// For a request's head.
    pub(crate) head: Duration,
    /// To read what it is sent.
    pub(crate) stall: Duration,
}

/// A TCP stream under a connection's limits.
pub(crate) struct Stream {
    tcp: TcpStream,
    patience: Patience,
    head: Head,
    /// Runs while a write waits.
    stalled: Option<Pin<Box<Sleep>>>,
    progress: Arc<Progress>,
    kept_back: Vec<u8>,
}

/// The head that is being read.
#[derive(Default)]
struct Head {
    /// How many requests came before it.
    after: u32,
    /// Runs since it began.
    timer: Option<Pin<Box<Sleep>>>,
    /// It did not come in time.
    is_late: bool,
}

/// What is left of a connection on which hyper has ended.
pub(crate) struct Left {
    pub(crate) tcp: TcpStream,
    /// The status that hyper would have answered with on its own.
    pub(crate) refused_with: Option<u16>,
    /// It ended because a head did not come in time.
    pub(crate) head_is_late: bool,
}

impl Stream {
    /// `progress` is kept by the service.
    pub(crate) fn new(tcp: TcpStream, patience: Patience, progress: Arc<Progress>) -> Self {
        Self { tcp, patience, head: Head::default(), stalled: None, progress, kept_back: Vec::new() }
    }

    pub(crate) fn into_left(self) -> Left {
        let status = self.kept_back.get(9..12).and_then(|digits| std::str::from_utf8(digits).ok());
        let refused_with = status.and_then(|digits| digits.parse().ok());
        Left { tcp: self.tcp, refused_with, head_is_late: self.head.is_late }
    }

    /// Whether the head that is awaited is late; none is awaited while a request is served.
    fn poll_head(&mut self, cx: &mut Context<'_>, began: bool) -> Poll<io::Error> {
        if began && self.head.timer.is_none() {
            self.head.timer = Some(Box::pin(sleep(self.patience.head)));
        }
        let Some(timer) = &mut self.head.timer else { return Poll::Pending };
        ready!(timer.as_mut().poll(cx));
        if fired_late(timer.deadline()) {
            timer.as_mut().reset(Instant::now() + self.patience.head);
            ready!(timer.as_mut().poll(cx));
        }
        self.head.is_late = true;
        Poll::Ready(io::Error::new(ErrorKind::TimedOut, "a head did not come in time"))
    }

    fn poll_write_with(
        &mut self,
        cx: &mut Context<'_>,
        first: &[u8],
        total: usize,
        write: impl FnOnce(Pin<&mut TcpStream>, &mut Context<'_>) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if self.progress.requests() == 0 {
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
                let stall = self.patience.stall;
                let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(stall)));
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
        let requests = self.progress.requests();
        let serves = self.progress.is_serving();
        if serves || self.head.after != requests {
            self.head = Head { after: requests, ..Head::default() };
        }
        let before = buffer.filled().len();
        // What waits is read before the time is judged.
        let read = Pin::new(&mut self.tcp).poll_read(cx, buffer);
        if serves || matches!(read, Poll::Ready(Err(_))) {
            return read;
        }
        let began = requests == 0 || buffer.filled().len() > before;
        match (self.poll_head(cx, began), read) {
            (Poll::Ready(late), Poll::Pending) => Poll::Ready(Err(late)),
            (_, read) => read,
        }
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
