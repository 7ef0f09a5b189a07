use super::*;

fn peers(header: ForwardingHeader) -> Peers {
    let trusted_proxies = vec!["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()];
    Peers::new(&Config { trusted_proxies, trusted_proxy_header: header, ..Config::default() })
}

/// Peer, lines of the header, client.
type Case = (&'static str, &'static [&'static str], &'static str);

fn assert_found(header: ForwardingHeader, cases: &[Case]) {
    for (peer, lines, client) in cases {
        let mut headers = HeaderMap::new();
        for line in *lines {
            headers.append(header.header_name(), line.parse().unwrap());
        }
        let found = peers(header).client_address(peer.parse().unwrap(), &headers);
        assert_eq!(found, client.parse::<IpAddr>().unwrap(), "{peer} {lines:?}");
    }
}

#[test]
fn only_a_trusted_proxy_speaks_for_others_and_only_the_last_foreign_hop_counts() {
    assert_found(
        ForwardingHeader::XForwardedFor,
        &[
            ("192.0.2.9", &["203.0.113.1"], "192.0.2.9"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &["203.0.113.1"], "203.0.113.1"),
            ("::ffff:10.0.0.1", &["203.0.113.1"], "203.0.113.1"),
            ("10.0.0.1", &["198.51.100.7, 203.0.113.1, 10.0.0.2"], "203.0.113.1"),
            ("10.0.0.1", &["198.51.100.7", "203.0.113.1:4711"], "203.0.113.1"),
            ("10.0.0.1", &["203.0.113.1", "10.0.0.3", "10.0.0.2"], "203.0.113.1"),
            ("10.0.0.1", &["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
            ("fd00::1", &["[2001:db8::1]:80"], "2001:db8::1"),
            ("10.0.0.1", &["2001:db8::1"], "2001:db8::1"),
            ("10.0.0.1", &["[2001:db8::1]"], "2001:db8::1"),
            ("10.0.0.1", &["\"[2001:db8::1]:443\""], "2001:db8::1"),
            ("10.0.0.1", &["\"203.0.113.1\""], "203.0.113.1"),
            ("10.0.0.1", &["fe80::1%eth0"], "fe80::1"),
            ("10.0.0.1", &["[fe80::1%25eth0]:80"], "fe80::1"),
            ("10.0.0.1", &["::ffff:203.0.113.1"], "203.0.113.1"),
            ("10.0.0.1", &["203.0.113.1,"], "203.0.113.1"),
            ("10.0.0.1", &[", 203.0.113.1 , ,"], "203.0.113.1"),
            ("10.0.0.1", &["203.0.113.1", ""], "203.0.113.1"),
            ("10.0.0.1", &["203.0.113.1,,\t10.0.0.2"], "203.0.113.1"),
            ("10.0.0.1", &["203.0.113.1:_hidden"], "203.0.113.1"),
        ],
    );
}

#[test]
fn what_names_no_address_ends_the_walk_at_the_proxy_that_wrote_it() {
    assert_found(
        ForwardingHeader::XForwardedFor,
        &[
            ("10.0.0.1", &["203.0.113.1, unknown"], "10.0.0.1"),
            ("10.0.0.1", &["203.0.113.1, <x>, 10.0.0.2"], "10.0.0.2"),
            ("10.0.0.1", &["203.0.113.1, _hidden"], "10.0.0.1"),
            ("10.0.0.1", &["203.0.113.1, 203.0.113.256"], "10.0.0.1"),
            ("10.0.0.1", &["203.0.113.1, [2001:db8::1"], "10.0.0.1"),
            ("10.0.0.1", &["203.0.113.1, 203.0.113.1:99999"], "10.0.0.1"),
            ("10.0.0.1", &["203.0.113.1, \"203.0.113.2"], "10.0.0.1"),
            ("10.0.0.1", &["203.0.113.1, shop.example"], "10.0.0.1"),
            ("10.0.0.1", &["203.0.113.1", "\u{e9}"], "10.0.0.1"),
        ],
    );
}

#[test]
fn forwarded_is_read_as_its_rfc_writes_it() {
    assert_found(
        ForwardingHeader::Forwarded,
        &[
            ("192.0.2.9", &["for=203.0.113.1"], "192.0.2.9"),
            ("10.0.0.1", &["for=203.0.113.1"], "203.0.113.1"),
            ("10.0.0.1", &["For=\"203.0.113.1:4711\""], "203.0.113.1"),
            ("10.0.0.1", &["FOR=\"[2001:db8:cafe::17]:4711\""], "2001:db8:cafe::17"),
            ("10.0.0.1", &["for=192.0.2.60;proto=http;by=203.0.113.43"], "192.0.2.60"),
            ("10.0.0.1", &["proto=https ; for=192.0.2.60"], "192.0.2.60"),
            ("10.0.0.1", &["for=192.0.2.43, for=198.51.100.17"], "198.51.100.17"),
            ("10.0.0.1", &["for=192.0.2.43, for=10.0.0.9"], "192.0.2.43"),
            ("10.0.0.1", &["for=192.0.2.43", "for=10.0.0.9"], "192.0.2.43"),
            ("10.0.0.1", &["for=192.0.2.43;ext=\"a,b;for=1.2.3.4\""], "192.0.2.43"),
            ("10.0.0.1", &["for=192.0.2.43;ext=\"a\\\",b\""], "192.0.2.43"),
            ("10.0.0.1", &["for=\"192\\.0.2.43\""], "192.0.2.43"),
            ("10.0.0.1", &[", for=192.0.2.43,,"], "192.0.2.43"),
            // A client's open quote does not swallow what the proxy wrote.
            ("10.0.0.1", &["for=\"1.2.3.4, for=203.0.113.1"], "203.0.113.1"),
            ("10.0.0.1", &["for=\"1.2.3.4, for=203.0.113.1, for=10.0.0.2"], "203.0.113.1"),
            ("10.0.0.1", &["for=203.0.113.1, for=unknown"], "10.0.0.1"),
            ("10.0.0.1", &["for=203.0.113.1, for=_gazonk"], "10.0.0.1"),
            ("10.0.0.1", &["for=203.0.113.1, proto=https"], "10.0.0.1"),
            ("10.0.0.1", &["for=203.0.113.1, for=1.2.3.4;for=5.6.7.8"], "10.0.0.1"),
            ("10.0.0.1", &["for=203.0.113.1, for=2001:db8::1:_x"], "10.0.0.1"),
        ],
    );
}

#[test]
fn x_real_ip_is_one_address_and_the_last_line_counts() {
    assert_found(
        ForwardingHeader::XRealIp,
        &[
            ("192.0.2.9", &["203.0.113.1"], "192.0.2.9"),
            ("10.0.0.1", &["203.0.113.1"], "203.0.113.1"),
            ("10.0.0.1", &[" 2001:db8::1 "], "2001:db8::1"),
            ("10.0.0.1", &["1.2.3.4", "203.0.113.1"], "203.0.113.1"),
            ("10.0.0.1", &["203.0.113.1, 1.2.3.4"], "10.0.0.1"),
            ("10.0.0.1", &["unknown"], "10.0.0.1"),
            ("10.0.0.1", &[""], "10.0.0.1"),
        ],
    );
}

#[test]
fn another_header_than_the_trusted_one_is_not_believed_and_told_once() {
    let peers = peers(ForwardingHeader::Forwarded);
    let headers = HeaderMap::from_iter([(
        ForwardingHeader::XForwardedFor.header_name(),
        http::HeaderValue::from_static("203.0.113.1"),
    )]);
    let proxy: IpAddr = [10, 0, 0, 1].into();
    assert_eq!(peers.client_address(proxy, &HeaderMap::new()), proxy);
    assert!(!peers.warned.load(Ordering::Relaxed));
    for _ in 0..2 {
        assert_eq!(peers.client_address(proxy, &headers), proxy);
        assert!(peers.warned.load(Ordering::Relaxed));
    }
}
