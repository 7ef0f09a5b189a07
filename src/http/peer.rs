//! Who is at the other end of a connection: the peer itself, or whom a trusted proxy speaks for.

use std::net::IpAddr;

use http::HeaderMap;
use ipnet::IpNet;

/// Longest chain of proxies that is walked.
const HOPS_MAX: usize = 16;

/// The client's address: `peer`, unless that is a trusted proxy; then the last address of `X-Forwarded-For` that is
/// not one. What a client wrote there itself stands further left and is never reached.
pub fn client_address(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let peer = peer.to_canonical();
    if !is_trusted(peer, trusted) {
        return peer;
    }
    let mut nearest = peer;
    let lines = headers.get_all("x-forwarded-for").iter().rev();
    let hops = lines.flat_map(|line| line.to_str().unwrap_or_default().rsplit(','));
    for hop in hops.take(HOPS_MAX) {
        let Some(address) = parse_hop(hop.trim()) else { return nearest };
        nearest = address;
        if !is_trusted(address, trusted) {
            return address;
        }
    }
    nearest
}

/// It may speak for others, so limits by address do not hold for it.
pub fn is_trusted(address: IpAddr, trusted: &[IpNet]) -> bool {
    let address = address.to_canonical();
    trusted.iter().any(|network| network.contains(&address))
}

/// `192.0.2.1`, `192.0.2.1:5000`, `2001:db8::1`, `[2001:db8::1]:5000`.
fn parse_hop(text: &str) -> Option<IpAddr> {
    let address =
        text.parse::<IpAddr>().or_else(|_| text.parse::<std::net::SocketAddr>().map(|hop| hop.ip()));
    address.ok().map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_trusted_proxy_speaks_for_others_and_only_the_last_foreign_hop_counts() {
        let trusted: Vec<IpNet> = vec!["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()];
        for (peer, lines, client) in [
            ("192.0.2.9", vec!["203.0.113.1"], "192.0.2.9"),
            ("10.0.0.1", vec![], "10.0.0.1"),
            ("10.0.0.1", vec!["203.0.113.1"], "203.0.113.1"),
            ("::ffff:10.0.0.1", vec!["203.0.113.1"], "203.0.113.1"),
            ("10.0.0.1", vec!["198.51.100.7, 203.0.113.1, 10.0.0.2"], "203.0.113.1"),
            ("10.0.0.1", vec!["198.51.100.7", "203.0.113.1:4711"], "203.0.113.1"),
            ("fd00::1", vec!["[2001:db8::1]:80"], "2001:db8::1"),
            ("10.0.0.1", vec!["203.0.113.1, unknown"], "10.0.0.1"),
            ("10.0.0.1", vec!["203.0.113.1, <x>, 10.0.0.2"], "10.0.0.2"),
        ] {
            let mut headers = HeaderMap::new();
            for line in &lines {
                headers.append("x-forwarded-for", line.parse().unwrap());
            }
            let found = client_address(peer.parse().unwrap(), &headers, &trusted);
            assert_eq!(found, client.parse::<IpAddr>().unwrap(), "{peer} {lines:?}");
        }
    }
}
