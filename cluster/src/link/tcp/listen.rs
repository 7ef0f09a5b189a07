//! Takes connections of peers whose name is the greater. Before a handshake is done a connection costs little, for a
//! short time, and of each address there are few.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::super::handshake::{Greeted, Handshake};
use super::super::tls;
use super::greet::{GreetError, greet};
use super::run::run;
use super::settings::LinkSettings;
use super::shared::{Ready, Shared};
use super::wire::BoxedWire;

/// The pause after the system could not accept, such as when descriptors ran out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Accepts until the task is dropped, and with it all connections that it accepted.
pub(super) async fn listen(shared: Arc<Shared>, listener: TcpListener) {
    let half_open = Arc::new(HalfOpen::default());
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let (stream, address) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "connections of other nodes are not accepted");
                sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Some(guard) = HalfOpen::enter(&half_open, address.ip(), &shared.settings) else {
            shared.refused.fetch_add(1, Ordering::Relaxed);
            tracing::debug!(%address, "too many connections whose handshake is not done");
            continue;
        };
        connections.spawn(accept(Arc::clone(&shared), stream, address, guard));
    }
}

async fn accept(shared: Arc<Shared>, stream: TcpStream, address: SocketAddr, guard: Entered) {
    let accepted = timeout(shared.settings.handshake, shake(&shared, stream)).await;
    drop(guard);
    match accepted.unwrap_or(Err(GreetError::TimedOut)) {
        Ok((stream, ready)) => drop(run(&shared, stream, ready).await),
        Err(error) => {
            shared.refused.fetch_add(1, Ordering::Relaxed);
            tracing::warn!(%address, %error, "a connection to the port of links was refused");
        }
    }
}

async fn shake(shared: &Arc<Shared>, stream: TcpStream) -> Result<(BoxedWire, Ready), GreetError> {
    stream.set_nodelay(true)?;
    let handshake = Handshake::accept(shared.me.clone(), shared.secret.clone(), rand::random());
    let Some(tls) = &shared.tls else {
        let mut stream = stream;
        let admit = |greeted, rest| Ok(shared.admit(greeted, rest)?);
        let ready = greet(&mut stream, handshake, Vec::new(), admit).await?;
        return Ok((Box::new(stream), ready));
    };
    let mut stream = tls.accept(stream).await?;
    let certificate = tls::certificate(&stream);
    let admit = |greeted: Greeted, rest| {
        let name = &greeted.peer.name;
        if !certificate.as_ref().is_some_and(|certificate| tls::names(certificate, name)) {
            return Err(GreetError::Certificate(name.clone()));
        }
        Ok(shared.admit(greeted, rest)?)
    };
    let ready = greet(&mut stream, handshake, Vec::new(), admit).await?;
    Ok((Box::new(stream), ready))
}

/// How many connections there are whose handshake is not done.
#[derive(Debug, Default)]
struct HalfOpen(Mutex<(usize, HashMap<IpAddr, usize>)>);

impl HalfOpen {
    /// None: there are too many.
    fn enter(half_open: &Arc<Self>, address: IpAddr, settings: &LinkSettings) -> Option<Entered> {
        let mut counts = half_open.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of_address = counts.1.get(&address).copied().unwrap_or(0);
        if counts.0 >= settings.half_open_max || of_address >= settings.half_open_of_address_max {
            return None;
        }
        counts.0 += 1;
        counts.1.insert(address, of_address + 1);
        Some(Entered { half_open: Arc::clone(half_open), address })
    }
}

/// One of them; dropped, it is none any more.
#[derive(Debug)]
struct Entered {
    half_open: Arc<HalfOpen>,
    address: IpAddr,
}

impl Drop for Entered {
    fn drop(&mut self) {
        let mut counts = self.half_open.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts.0 -= 1;
        let of_address = counts.1.remove(&self.address).unwrap_or(1);
        if of_address > 1 {
            counts.1.insert(self.address, of_address - 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_open_connections_are_bounded_of_all_and_of_each_address() {
        let settings =
            LinkSettings { half_open_max: 3, half_open_of_address_max: 2, ..LinkSettings::default() };
        let half_open = Arc::new(HalfOpen::default());
        let enter = |last: u8| HalfOpen::enter(&half_open, IpAddr::from([10, 0, 0, last]), &settings);
        let first = (enter(1).unwrap(), enter(1).unwrap());
        assert!(enter(1).is_none());
        let other = enter(2).unwrap();
        assert!(enter(3).is_none());
        drop((first, other));
        assert!(enter(1).is_some() && enter(3).is_some());
        assert!(half_open.0.lock().unwrap().1.is_empty());
    }
}
