//! Runs a connection whose peer was admitted, until it ends: of a data connection a reader and a writer, each a task of
//! its own, of a control connection pings and pongs.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf, split};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};

use super::super::control_link::{ControlLink, PingError};
use super::super::data_link::{AskCaller, DataLink};
use super::super::frame::{Decoder, FRAME_BYTES_MAX};
use super::super::inbox::IncomingTell;
#[cfg(test)]
use super::super::mutant::{self, Mutant};
use super::super::peer::{LinkEvent, ProtocolError};
use super::super::shapes::Introduction;
use super::shared::{Ready, Shared};
use super::wire::BoxedWire;
use crate::name::NodeName;

/// Why a connection ended: for the log.
#[derive(Debug, thiserror::Error)]
pub(super) enum Ended {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("the peer closed it")]
    Closed,
    #[error("the peer broke the protocol: {0}")]
    Protocol(#[from] ProtocolError),
    #[error("the peer broke the protocol: {0}")]
    Ping(#[from] PingError),
    #[error("the peer is silent")]
    Silent,
    #[error("another connection replaced it, or the peer is none any more")]
    Replaced,
}

/// Runs it until it ends.
pub(super) async fn run(shared: &Arc<Shared>, stream: BoxedWire, ready: Ready) -> Ended {
    let Ready { admitted, pings } = ready;
    let name = admitted.peer.name.clone();
    let ended = match (admitted.link(), pings) {
        (Some(link), _) => tokio::select! {
            ended = data(shared, &name, stream, link) => ended,
            () = admitted.closed() => Ended::Replaced,
        },
        (None, decoder) => {
            let decoder = decoder.unwrap_or_else(|| Decoder::new(FRAME_BYTES_MAX));
            tokio::select! {
                ended = control(shared, &admitted.peer, stream, decoder) => ended,
                () = admitted.closed() => Ended::Replaced,
            }
        }
    };
    tracing::debug!(peer = %name, %ended, "a connection ended");
    ended
}

async fn data(shared: &Arc<Shared>, name: &NodeName, stream: BoxedWire, link: Arc<DataLink>) -> Ended {
    let (reader, writer) = split(stream);
    let mut tasks = JoinSet::new();
    tasks.spawn(read(Arc::clone(shared), name.clone(), reader, Arc::clone(&link)));
    tasks.spawn(write(writer, link));
    tasks.spawn(silence(Arc::clone(shared), name.clone()));
    // The others end with it.
    match tasks.join_next().await {
        Some(Ok(ended)) => ended,
        Some(Err(error)) => io::Error::other(error).into(),
        None => Ended::Closed,
    }
}

/// Never waits for anything but bytes.
async fn read(
    shared: Arc<Shared>,
    name: NodeName,
    mut reader: ReadHalf<BoxedWire>,
    link: Arc<DataLink>,
) -> Ended {
    let mut buffer = vec![0; FRAME_BYTES_MAX];
    let (mut newest, mut read) = (0, 0);
    loop {
        // What came behind the handshake first: nothing was read yet.
        let (events, received) = link.receive(&buffer[..read]);
        for event in events {
            #[cfg(test)]
            while mutant::is(Mutant::ReaderWaits) && shared.inbox.is_full(&name) {
                sleep(shared.settings.ping_every / 10).await;
            }
            let version = hand_on(&shared, &name, &link, event);
            if version > newest {
                newest = version;
                shared.saw_version(&name, version);
            }
        }
        if let Err(error) = received {
            return error.into();
        }
        read = match reader.read(&mut buffer).await {
            Ok(0) => return Ended::Closed,
            Ok(read) => read,
            Err(error) => return error.into(),
        };
    }
}

/// Puts what came where the program takes it, and gives the view version that it carried.
fn hand_on(shared: &Shared, name: &NodeName, link: &Arc<DataLink>, event: LinkEvent<AskCaller>) -> u64 {
    match event {
        LinkEvent::Asked { id, version, payload } => {
            shared.inbox.push_ask(name, version, payload, link, id);
            version
        }
        LinkEvent::Told { version, payload } => {
            if !shared.inbox.push_tell(IncomingTell { peer: name.clone(), version, payload }) {
                link.count(|counters| counters.tells_dropped += 1);
            }
            version
        }
        LinkEvent::Published { version, publication } => {
            if !shared.inbox.push_publication(name, link, publication) {
                link.count(|counters| counters.publications_gone += 1);
            }
            version
        }
        // The link has ended it.
        LinkEvent::Ended(_) => 0,
    }
}

async fn write(mut writer: WriteHalf<BoxedWire>, link: Arc<DataLink>) -> Ended {
    let mut out = Vec::with_capacity(FRAME_BYTES_MAX);
    while link.fill(&mut out).await {
        if let Err(error) = send(&mut writer, &out).await {
            return error.into();
        }
        out.clear();
    }
    Ended::Replaced
}

/// Completes when the peer has sent no pong for too long: what is in flight must end, although TCP would wait for many
/// minutes.
async fn silence(shared: Arc<Shared>, name: NodeName) -> Ended {
    let since_ms = shared.now_ms();
    let silence_ms = shared.settings.silence.as_millis() as u64;
    loop {
        sleep(shared.settings.ping_every).await;
        let pong = shared.roster().get(&name).and_then(|entry| entry.extra.pong);
        let heard_ms = pong.map_or(since_ms, |(_, pong)| pong.received_ms.max(since_ms));
        if shared.now_ms().saturating_sub(heard_ms) > silence_ms {
            return Ended::Silent;
        }
    }
}

async fn control(shared: &Shared, peer: &Introduction, mut stream: BoxedWire, decoder: Decoder) -> Ended {
    let mut pings = ControlLink::new(decoder);
    let mut buffer = vec![0; 1024];
    let mut every = interval(shared.settings.ping_every);
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut heard = Instant::now();
    let mut read = 0;
    loop {
        // What came behind the handshake first: nothing was read yet.
        let received = pings.receive(
            shared.now_ms(),
            version(shared),
            &*shared.vitals,
            &buffer[..std::mem::take(&mut read)],
        );
        let out = match received {
            Ok((pong, out)) => {
                if let Some(pong) = pong {
                    shared.saw_version(&peer.name, pong.version);
                    shared.saw_pong(peer, pong);
                }
                out
            }
            Err(error) => return error.into(),
        };
        if let Err(ended) = send_in_time(shared, &mut stream, &out).await {
            return ended;
        }
        tokio::select! {
            now = every.tick() => {
                if now.duration_since(heard) > shared.settings.silence {
                    return Ended::Silent;
                }
                let ping = pings.ping(shared.now_ms(), version(shared));
                if let Err(ended) = send_in_time(shared, &mut stream, &ping).await {
                    return ended;
                }
            }
            received = stream.read(&mut buffer) => match received {
                Ok(0) => return Ended::Closed,
                Ok(bytes) => {
                    heard = Instant::now();
                    read = bytes;
                }
                Err(error) => return error.into(),
            },
        }
    }
}

/// A peer that does not read its pings for so long is silent.
async fn send_in_time(shared: &Shared, stream: &mut BoxedWire, bytes: &[u8]) -> Result<(), Ended> {
    match timeout(shared.settings.silence, send(stream, bytes)).await {
        Ok(sent) => Ok(sent?),
        Err(_) => Err(Ended::Silent),
    }
}

async fn send(writer: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> io::Result<()> {
    writer.write_all(bytes).await?;
    // TLS keeps what the socket did not take.
    writer.flush().await
}

fn version(shared: &Shared) -> u64 {
    shared.version.load(Ordering::Relaxed)
}
