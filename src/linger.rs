//! The end of a connection that was answered before its peer was done sending.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// How long a peer may go on sending, unread, so that it reads the answer instead of a reset.
const LINGER: Duration = Duration::from_secs(2);

/// Closes our side, and reads what the peer still sends, for a short while: closing with unread bytes would reset the
/// connection, and the peer would lose the answer.
pub(crate) async fn linger(mut tcp: TcpStream) {
    let drained = async {
        tcp.shutdown().await?;
        let mut unread = [0; 2048];
        while tcp.read(&mut unread).await? > 0 {}
        std::io::Result::Ok(())
    };
    match tokio::time::timeout(LINGER, drained).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::trace!(%error, "the peer closed first"),
        Err(_) => tracing::debug!("a peer went on sending after its answer"),
    }
}
