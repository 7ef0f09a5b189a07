//! A handshake over a stream.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::super::frame::{Decoder, HANDSHAKE_FRAME_BYTES_MAX};
use super::super::handshake::{Greeted, Handshake, Refused};
use super::super::roster::NotAdmitted;
use super::shared::Ready;
use super::wire::Wire;
use crate::name::NodeName;

/// Why a connection came to nothing: for the log.
#[derive(Debug, thiserror::Error)]
pub(super) enum GreetError {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("it took too long")]
    TimedOut,
    #[error("{0}")]
    Refused(#[from] Refused),
    #[error("its certificate does not name it {0}")]
    Certificate(NodeName),
    #[error("{0}")]
    NotAdmitted(#[from] NotAdmitted),
}

/// Carries a handshake's bytes until it is done. `admit` judges the peer before this side's last message goes out, so
/// that a peer that is not admitted is told nothing.
pub(super) async fn greet(
    stream: &mut impl Wire,
    mut handshake: Handshake,
    first: Vec<u8>,
    admit: impl FnOnce(Greeted, Decoder) -> Result<Ready, GreetError>,
) -> Result<Ready, GreetError> {
    send(stream, &first).await?;
    let mut buffer = vec![0; HANDSHAKE_FRAME_BYTES_MAX];
    loop {
        let read = stream.read(&mut buffer).await?;
        if read == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        let progress = handshake.receive(&buffer[..read])?;
        let Some(greeted) = progress.greeted else {
            send(stream, &progress.send).await?;
            continue;
        };
        let ready = admit(greeted, handshake.finish())?;
        send(stream, &progress.send).await?;
        return Ok(ready);
    }
}

async fn send(stream: &mut impl Wire, bytes: &[u8]) -> io::Result<()> {
    stream.write_all(bytes).await?;
    // TLS keeps what the socket did not take.
    stream.flush().await
}
