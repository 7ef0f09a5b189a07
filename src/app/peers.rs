//! Who is at the other end of a connection: the peer itself, or the client that a trusted proxy speaks for.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};

use http::{HeaderMap, HeaderName};
use ipnet::IpNet;

use crate::config::{Config, ForwardingHeader};

mod forwarded;

use forwarded::Hop;

/// Longest chain of proxies that is walked.
const HOPS_MAX: usize = 16;
/// The headers in which proxies name their clients.
const FORWARDING: [HeaderName; 3] = [
    ForwardingHeader::XForwardedFor.header_name(),
    ForwardingHeader::Forwarded.header_name(),
    ForwardingHeader::XRealIp.header_name(),
];

/// Which proxies speak for others, and how.
pub struct Peers {
    trusted: Vec<IpNet>,
    header: ForwardingHeader,
    /// A person was told of a header that is not believed.
    warned: AtomicBool,
}

impl Peers {
    /// As the config says.
    pub fn new(config: &Config) -> Self {
        let (trusted, header) = (config.trusted_proxies.clone(), config.trusted_proxy_header);
        Self { trusted, header, warned: AtomicBool::new(false) }
    }

    /// The client's address: `peer`, unless that is a trusted proxy; then the last address of the trusted header that
    /// is not one. What a client wrote there itself stands further left and is never reached.
    ///
    /// An element that names no address (`unknown`, a hidden name, nonsense) ends the walk: the client then counts as
    /// the proxy that wrote it.
    pub fn client_address(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let peer = peer.to_canonical();
        if !self.is_trusted(peer) {
            self.warn_of_disbelief(peer, headers, "this peer is not one of trusted_proxies");
            return peer;
        }
        let mut nearest = peer;
        let mut hops = 0;
        let name = self.header.header_name();
        // Several lines are one list (RFC 9110, section 5.3), of which the last stands nearest.
        for line in headers.get_all(&name).iter().rev() {
            let line = String::from_utf8_lossy(line.as_bytes());
            for hop in forwarded::from_the_right(self.header, &line) {
                let Hop::Address(address) = hop else { return nearest };
                nearest = address;
                hops += 1;
                if hops == HOPS_MAX || !self.is_trusted(address) {
                    return address;
                }
            }
        }
        if hops == 0 {
            self.warn_of_disbelief(peer, headers, "it is not the header that trusted_proxy_header names");
        }
        nearest
    }

    /// It may speak for others, so limits by address do not hold for it.
    pub fn is_trusted(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.trusted.iter().any(|network| network.contains(&address))
    }

    /// Once a start: behind a proxy that is not known as one, all clients share that proxy's limits.
    fn warn_of_disbelief(&self, peer: IpAddr, headers: &HeaderMap, why: &'static str) {
        if self.warned.load(Ordering::Relaxed) {
            return;
        }
        if let Some(name) = FORWARDING.iter().find(|name| headers.contains_key(*name))
            && !self.warned.swap(true, Ordering::Relaxed)
        {
            tracing::warn!(%peer, header = name.as_str(), why, "a forwarding header is not believed");
        }
    }
}

#[cfg(test)]
mod tests;
