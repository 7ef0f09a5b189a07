//! A listen address as people write it: `127.0.0.1:8080`, `[::1]:8080`, `localhost:8080`, `:8080` or `8080`. Without a
//! host it is this machine alone: to be reached from elsewhere must be said.

use std::net::{Ipv4Addr, SocketAddr};

use serde::{Deserialize, Deserializer, de::Error};

const RULE: &str = "must be an address and a port such as 127.0.0.1:8080 or [::1]:8080; \
    8080, :8080 and localhost:8080 are ports of this machine alone";

/// The address; or the rule, with examples.
///
/// # Errors
/// The rule, for the person who wrote it.
pub fn parse_listen(text: &str) -> Result<SocketAddr, String> {
    let text = text.trim();
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    let port = match text.rsplit_once(':') {
        Some((host, port)) if host.is_empty() || host.eq_ignore_ascii_case("localhost") => port,
        Some(_) => return Err(RULE.to_owned()),
        None => text,
    };
    let digits = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    match port.parse() {
        Ok(port) if digits => Ok((Ipv4Addr::LOCALHOST, port).into()),
        Ok(_) | Err(_) => Err(RULE.to_owned()),
    }
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SocketAddr, D::Error> {
    parse_listen(&String::deserialize(deserializer)?).map_err(D::Error::custom)
}

pub(super) fn deserialize_some<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<SocketAddr>, D::Error> {
    deserialize(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_alone_is_of_this_machine() {
        for (text, address) in [
            ("8080", "127.0.0.1:8080"),
            (":8080", "127.0.0.1:8080"),
            ("localhost:8080", "127.0.0.1:8080"),
            ("LocalHost:0", "127.0.0.1:0"),
            (" 127.0.0.1:80 ", "127.0.0.1:80"),
            ("0.0.0.0:443", "0.0.0.0:443"),
            ("[::]:443", "[::]:443"),
        ] {
            assert_eq!(parse_listen(text), Ok(address.parse().unwrap()), "{text}");
        }
        for text in
            ["", ":", "+80", "80x", "99999", "127.0.0.1", "::1", "host:80", "http://127.0.0.1:80", "-1"]
        {
            let rule = parse_listen(text).unwrap_err();
            assert!(rule.contains("such as 127.0.0.1:8080"), "{text}: {rule}");
        }
    }
}
