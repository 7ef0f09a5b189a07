//! What carries a connection's bytes: TCP, or TLS over it.

use tokio::io::{AsyncRead, AsyncWrite};

/// A stream of bytes both ways.
pub(super) trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Wire for T {}

/// One of them.
pub(super) type BoxedWire = Box<dyn Wire>;
