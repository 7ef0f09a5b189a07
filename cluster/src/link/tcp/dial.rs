//! Dials a peer whose name is the lesser, again and again, with pauses that grow.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

use super::super::handshake::Handshake;
use super::super::shapes::ConnectionKind;
use super::greet::{GreetError, greet};
use super::run::run;
use super::settings::LinkSettings;
use super::shared::{Ready, Shared};
use super::wire::BoxedWire;
use crate::name::NodeName;

/// A connection that stood for so long lets the pauses begin anew.
const STOOD: Duration = Duration::from_secs(2);

/// Keeps a connection of this kind to the peer, until the task is dropped.
pub(super) async fn dial(shared: Arc<Shared>, name: NodeName, kind: ConnectionKind) {
    let mut failed = 0;
    loop {
        let dialed = timeout(shared.settings.handshake, connect(&shared, &name, kind)).await;
        match dialed.unwrap_or(Err(GreetError::TimedOut)) {
            Ok((stream, ready)) => {
                let began = Instant::now();
                run(&shared, stream, ready).await;
                failed = if began.elapsed() >= STOOD { 0 } else { failed + 1 };
            }
            Err(error) => {
                if !matches!(error, GreetError::Io(_)) {
                    shared.refused.fetch_add(1, Ordering::Relaxed);
                }
                tracing::debug!(peer = %name, ?kind, %error, "not connected");
                failed += 1;
            }
        }
        sleep(pause(&shared.settings, failed, rand::random())).await;
    }
}

async fn connect(
    shared: &Arc<Shared>,
    name: &NodeName,
    kind: ConnectionKind,
) -> Result<(BoxedWire, Ready), GreetError> {
    let address = shared.roster().get(name).map(|entry| entry.address.clone());
    let address = address.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let mut stream: BoxedWire = match &shared.tls {
        Some(tls) => Box::new(tls.connect(name, stream).await?),
        None => Box::new(stream),
    };
    let (handshake, hello) =
        Handshake::dial(shared.me.clone(), shared.secret.clone(), name.clone(), kind, rand::random());
    let ready =
        greet(&mut stream, handshake, hello, |greeted, rest| Ok(shared.admit(greeted, rest)?)).await?;
    Ok((stream, ready))
}

/// The pause after so many failures in a row; `random` takes up to a half off it.
fn pause(settings: &LinkSettings, failed: u32, random: u16) -> Duration {
    let doubled = settings.dial_pause_min.saturating_mul(1 << failed.saturating_sub(1).min(16));
    let pause = doubled.min(settings.dial_pause_max);
    pause - pause.mul_f64(f64::from(random) / f64::from(u16::MAX) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_two_seconds_less_up_to_a_half() {
        let settings = LinkSettings::default();
        let longest = [(0, 100), (1, 100), (2, 200), (3, 400), (5, 1_600), (6, 2_000), (u32::MAX, 2_000)];
        for (failed, ms) in longest {
            assert_eq!(pause(&settings, failed, 0), Duration::from_millis(ms), "{failed}");
            assert_eq!(pause(&settings, failed, u16::MAX), Duration::from_millis(ms / 2), "{failed}");
        }
    }
}
