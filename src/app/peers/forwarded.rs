//! The elements of a forwarding header, from the right: the one that the nearest proxy wrote comes first.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::config::ForwardingHeader;

/// One element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hop {
    /// An address.
    Address(IpAddr),
    /// Something that names none.
    Unknown,
}

/// The elements of one line, the last one first. Empty ones are none (RFC 9110, section 5.6.1).
pub(super) fn from_the_right(header: ForwardingHeader, line: &str) -> Vec<Hop> {
    match header {
        ForwardingHeader::XForwardedFor => {
            let elements = line.rsplit(',').map(trim).filter(|element| !element.is_empty());
            elements.map(|element| hop(unquoted(element))).collect()
        }
        ForwardingHeader::Forwarded => elements(line).iter().map(|element| forwarded_for(element)).collect(),
        // It is no list, and names the client alone.
        ForwardingHeader::XRealIp => match trim(line) {
            "" => Vec::new(),
            address => vec![hop(unquoted(address))],
        },
    }
}

fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}

/// Cut at the commas that stand in no quotes. From the right and each with quotes of its own, so that a quote that a
/// client left open cannot swallow what a proxy wrote behind it.
fn elements(line: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = String::new();
    for piece in line.rsplit(',') {
        let element = if open.is_empty() { piece.to_owned() } else { format!("{piece},{open}") };
        if is_closed(&element) {
            open.clear();
            if !trim(&element).is_empty() {
                found.push(trim(&element).to_owned());
            }
        } else {
            open = element;
        }
    }
    if !open.is_empty() {
        found.push(open);
    }
    found
}

/// Every quote in it is closed.
fn is_closed(text: &str) -> bool {
    let (mut quoted, mut escaped) = (false, false);
    for c in text.chars() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ => {}
        }
    }
    !quoted
}

/// The `for` of an element of `Forwarded` (RFC 7239, section 4); without one the hop is unknown.
fn forwarded_for(element: &str) -> Hop {
    let mut rest = element;
    let mut found = None;
    loop {
        let (pair, more) = cut_pair(rest);
        if let Some((name, value)) = pair.split_once('=')
            && trim(name).eq_ignore_ascii_case("for")
            && found.replace(trim(value)).is_some()
        {
            // Two of them say nothing.
            return Hop::Unknown;
        }
        match more {
            Some(more) => rest = more,
            None => break,
        }
    }
    found.map_or(Hop::Unknown, |value| hop(&unescaped(unquoted(value))))
}

/// Up to the first semicolon that stands in no quotes, and what comes behind it.
fn cut_pair(text: &str) -> (&str, Option<&str>) {
    let ends = text.match_indices(';').find(|(at, _)| is_closed(&text[..*at]));
    match ends {
        Some((at, _)) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    }
}

fn unquoted(text: &str) -> &str {
    text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).map_or(text, trim)
}

fn unescaped(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        plain.extend(if c == '\\' { chars.next() } else { Some(c) });
    }
    plain
}

/// An address with or without brackets, zone and port.
fn hop(text: &str) -> Hop {
    address(text).map_or(Hop::Unknown, |address| Hop::Address(address.to_canonical()))
}

fn address(text: &str) -> Option<IpAddr> {
    if let Some(bracketed) = text.strip_prefix('[') {
        let (inside, behind) = bracketed.split_once(']')?;
        let port = behind.is_empty() || behind.strip_prefix(':').is_some_and(is_port);
        return if port { v6(inside) } else { None };
    }
    if let Ok(address) = text.parse::<Ipv4Addr>() {
        return Some(address.into());
    }
    if let Some(address) = v6(text) {
        return Some(address);
    }
    let (address, port) = text.split_once(':')?;
    if is_port(port) { address.parse::<Ipv4Addr>().ok().map(IpAddr::from) } else { None }
}

/// A number, or a hidden name (`_a1`).
fn is_port(text: &str) -> bool {
    let hidden = |name: &str| {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        !name.is_empty() && name.bytes().all(allowed)
    };
    text.strip_prefix('_').is_some_and(hidden) || text.parse::<u16>().is_ok()
}

/// Without its zone, which means something on the proxy's machine alone.
fn v6(text: &str) -> Option<IpAddr> {
    let (address, zone) = text.split_once('%').map_or((text, None), |(address, zone)| (address, Some(zone)));
    if zone == Some("") {
        return None;
    }
    address.parse::<Ipv6Addr>().ok().map(IpAddr::from)
}
