//! The agent's socket: frames go out together, whatever waits at once.

use std::sync::{Mutex, PoisonError};

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc;

/// Frames that wait for the agent; who has one more waits with it.
const FRAMES_MAX: usize = 4096;
/// Frames that go out together.
const WRITE_TOGETHER: usize = 64;

/// The one agent: the last client that came.
#[derive(Default)]
pub(crate) struct Agent(Mutex<Option<mpsc::Sender<Vec<u8>>>>);

impl Agent {
    /// Takes over the connection of an agent who has asked for a socket.
    pub(crate) fn comes(&self, connection: OnUpgrade) {
        let (sender, frames) = mpsc::channel(FRAMES_MAX);
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(sender);
        tokio::spawn(async move {
            if let Err(error) = write(connection, frames).await {
                eprintln!("the agent's socket: {error}");
            }
        });
    }

    /// Sends the agent a text, if they are there.
    pub(crate) async fn push(&self, text: &[u8]) {
        let sender = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(sender) = sender {
            // It fails when the agent has gone, as at the end of each run.
            let _ = sender.send(frame(text)).await;
        }
    }
}

/// A text frame, without a mask, as servers send it.
fn frame(text: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(text.len() + 4);
    frame.push(0x81);
    match u8::try_from(text.len()) {
        Ok(length @ ..126) => frame.push(length),
        Ok(_) | Err(_) => {
            let length = u16::try_from(text.len()).expect("the bench sends short texts");
            frame.push(126);
            frame.extend(length.to_be_bytes());
        }
    }
    frame.extend_from_slice(text);
    frame
}

async fn write(connection: OnUpgrade, mut frames: mpsc::Receiver<Vec<u8>>) -> anyhow::Result<()> {
    let mut socket = TokioIo::new(connection.await?);
    let mut together = Vec::new();
    while frames.recv_many(&mut together, WRITE_TOGETHER).await > 0 {
        socket.write_all(&together.concat()).await?;
        socket.flush().await?;
        together.clear();
    }
    Ok(())
}
