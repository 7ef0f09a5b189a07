//! How the server is reached: its port on this machine, its public URL as browsers have it, and the proxies between.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use http::{StatusCode, header};
use ipnet::IpNet;
use tokio::net::TcpListener;

use super::report::Report;
use crate::config::Config;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// What only this program answers to `/healthz` begins so.
const LIVES: &str = "{\"status\":\"ok\",\"version\":";
/// A network of this many addresses or more is no list of proxies.
const WIDE_BITS: u32 = 24;

/// Whether the address is free, or a Switchboard listens there already; says whether one does.
pub(super) async fn port(listen: SocketAddr, report: &mut Report) -> bool {
    let what = format!("address {listen}");
    match TcpListener::bind(listen).await {
        Ok(_) => {
            report.ok(&what, "free: no server runs there now");
            false
        }
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            let url = format!("http://{}/healthz", here(listen));
            let ours = asked(&url).await.is_ok_and(|answer| answer.lives);
            if ours {
                report.ok(&what, "a Switchboard serves there");
            } else {
                report.fail(
                    &what,
                    "another program listens there: end it, or give another address with --listen",
                );
            }
            ours
        }
        Err(error) => {
            let todo = "is it an address of this machine, and may this user listen on its port?";
            report.fail(&what, format!("cannot be listened on: {error}; {todo}"));
            false
        }
    }
}

/// One that listens everywhere is asked here.
fn here(listen: SocketAddr) -> SocketAddr {
    match listen {
        SocketAddr::V4(address) if address.ip().is_unspecified() => ([127, 0, 0, 1], address.port()).into(),
        SocketAddr::V6(address) if address.ip().is_unspecified() => {
            (std::net::Ipv6Addr::LOCALHOST, address.port()).into()
        }
        other => other,
    }
}

/// Whether browsers find the server where `public_url` says, sockets included.
pub(super) async fn public_url(config: &Config, serves: bool, report: &mut Report) {
    let Some(url) = &config.public_url else {
        return report.ok("public_url", "not set: only this machine reaches the server");
    };
    let what = format!("public_url {url}");
    if !serves {
        return report.warn(&what, "not tried, for no server runs: start it, and call doctor again");
    }
    match asked(&format!("{url}/healthz")).await {
        Ok(answer) if answer.lives => {}
        Ok(answer) => return report.fail(&what, not_ours(&answer)),
        Err(error) => {
            let todo = "do the name and the certificate belong to this machine, and does the proxy run?";
            return report.fail(&what, format!("cannot be reached from here: {error}; {todo}"));
        }
    }
    match upgraded(&format!("{url}/api/v1/chat/socket")).await {
        Ok(StatusCode::SWITCHING_PROTOCOLS) => report.ok(&what, "reached as written, sockets too"),
        Ok(status) => {
            let todo =
                "let the proxy pass the headers Upgrade and Connection over HTTP/1.1 (docs/install.md)";
            report.fail(&what, format!("reached, but a WebSocket upgrade is answered {status}: {todo}"));
        }
        Err(error) => report.fail(&what, format!("reached, but not by a WebSocket: {error}")),
    }
}

fn not_ours(answer: &Answer) -> String {
    match &answer.location {
        Some(to) => format!("answers with a redirect to {to}: public_url must be where browsers end up"),
        None => format!("another server answers there ({}): lead the name to this one", answer.status),
    }
}

/// Whether the word of the proxies is taken, and of nobody else.
pub(super) fn proxies(config: &Config, report: &mut Report) {
    let (what, trusted) = ("trusted_proxies", &config.trusted_proxies);
    let wide = trusted.iter().find(|network| width(network) > WIDE_BITS);
    let behind_proxy = config.public_url.as_deref().is_some_and(|url| url.starts_with("https://"));
    if let Some(network) = wide {
        report.fail(
            what,
            format!("{network} lets nearly everybody say whose address is theirs: name the proxies alone"),
        );
    } else if trusted.is_empty() && behind_proxy {
        let todo = "set trusted_proxies to its address, such as [\"127.0.0.1\"]";
        report.fail(what, format!("public_url is https, so a proxy stands in front, and all clients count as one address: {todo}"));
    } else if trusted.is_empty() {
        report.ok(what, "none: each client is known by its own address");
    } else {
        let listed: Vec<String> = trusted.iter().map(ToString::to_string).collect();
        let header = config.trusted_proxy_header.header_name();
        report.ok(what, format!("the {header} of {} is believed", listed.join(", ")));
    }
}

/// How many bits of an address are left open.
fn width(network: &IpNet) -> u32 {
    match network {
        IpNet::V4(network) => u32::from(32 - network.prefix_len()),
        // The half of an address that a site gives itself is one house.
        IpNet::V6(network) => u32::from(128 - network.prefix_len()).saturating_sub(64),
    }
}

struct Answer {
    status: StatusCode,
    lives: bool,
    location: Option<String>,
}

/// Neither the environment's proxies nor redirects: the URL as it is written.
fn client() -> Result<reqwest::Client, reqwest::Error> {
    let builder = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
    builder.timeout(PATIENCE).http1_only().build()
}

async fn asked(url: &str) -> Result<Answer, String> {
    let answer = client().map_err(told)?.get(url).send().await.map_err(told)?;
    let (status, location) = (answer.status(), answer.headers().get(header::LOCATION));
    let location = location.and_then(|location| location.to_str().ok()).map(str::to_owned);
    let text = answer.text().await.map_err(told)?;
    Ok(Answer { status, lives: status == StatusCode::OK && text.starts_with(LIVES), location })
}

/// The status of an upgrade; the socket is closed at once.
async fn upgraded(url: &str) -> Result<StatusCode, String> {
    let request = client().map_err(told)?.get(url).header(header::CONNECTION, "Upgrade");
    let request = request.header(header::UPGRADE, "websocket").header(header::SEC_WEBSOCKET_VERSION, "13");
    let request = request.header(header::SEC_WEBSOCKET_KEY, "c3dpdGNoYm9hcmQgZG9jdA==");
    Ok(request.send().await.map_err(told)?.status())
}

/// An error with its causes: the last one says most.
fn told(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    /// Answers every request with the next of these, as a proxy or a server in front would.
    async fn answering(answers: &'static [&'static str]) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            for answer in answers {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut head = [0; 4096];
                let _read = stream.read(&mut head).await.unwrap();
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
            // Still listens, so that the port stays taken.
            std::future::pending::<()>().await;
            drop(listener);
        });
        address
    }

    const OURS: &str = "HTTP/1.1 200 OK\r\nContent-Length: 31\r\nConnection: close\r\n\r\n{\"status\":\"ok\",\"version\":\"1.0\"}";
    const OTHER: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi";
    const MOVED: &str = "HTTP/1.1 301 Moved\r\nLocation: https://a.example/\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    const NO_UPGRADE: &str =
        "HTTP/1.1 426 Upgrade Required\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    const UPGRADED: &str =
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";

    #[tokio::test]
    async fn a_public_url_is_tried_as_it_is_written() {
        type Case = (&'static [&'static str], &'static str);
        let cases: [Case; 5] = [
            (&[OURS, UPGRADED], "ok    public_url"),
            (&[OURS, NO_UPGRADE], "answered 426 Upgrade Required: let the proxy pass"),
            (&[OTHER], "another server answers there (200 OK)"),
            (&[MOVED], "a redirect to https://a.example/"),
            (
                &["HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"],
                "502 Bad Gateway",
            ),
        ];
        for (answers, said) in cases {
            let address = answering(answers).await;
            let config = Config { public_url: Some(format!("http://{address}")), ..Config::default() };
            let mut report = Report::default();
            public_url(&config, true, &mut report).await;
            assert!(report.text().contains(said), "{said}: {}", report.text());
            assert_eq!(report.failed() == 0, report.text().starts_with("ok"), "{}", report.text());
        }
        let config = Config { public_url: Some("http://127.0.0.1:1".into()), ..Config::default() };
        let mut report = Report::default();
        public_url(&config, true, &mut report).await;
        assert!(report.text().contains("cannot be reached from here"), "{}", report.text());
        public_url(&config, false, &mut report).await;
        assert_eq!(report.failed(), 1, "without a server nothing is tried: {}", report.text());
    }

    #[tokio::test]
    async fn a_port_is_free_or_ours_or_somebody_elses() {
        let mut report = Report::default();
        let ours = answering(&[OURS]).await;
        assert!(port(ours, &mut report).await);
        assert_eq!(report.failed(), 0, "{}", report.text());
        let other = answering(&[OTHER]).await;
        assert!(!port(other, &mut report).await);
        assert!(report.text().contains("another program listens there"), "{}", report.text());
        assert!(!port("127.0.0.1:0".parse().unwrap(), &mut report).await);
        assert!(report.text().contains("free"), "{}", report.text());
        // An address of documentation, which no machine has.
        assert!(!port("192.0.2.1:80".parse().unwrap(), &mut report).await);
        assert!(report.text().contains("cannot be listened on"), "{}", report.text());
    }

    #[test]
    fn whose_word_is_taken_for_an_address_is_told() {
        for (trusted, url, said) in [
            (&[][..], None, "ok    trusted_proxies: none"),
            (&[], Some("https://a.example"), "fail  trusted_proxies: public_url is https"),
            (
                &["127.0.0.1/32"],
                Some("https://a.example"),
                "ok    trusted_proxies: the x-forwarded-for of 127.0.0.1/32",
            ),
            (&["10.0.0.0/8", "fd00::/64"], Some("https://a.example"), "ok"),
            (&["0.0.0.0/0"], None, "fail  trusted_proxies: 0.0.0.0/0 lets nearly everybody"),
            (&["10.0.0.1/32", "::/0"], None, "fail"),
            (&["128.0.0.0/1"], None, "fail"),
        ] {
            let config = Config {
                trusted_proxies: trusted.iter().map(|network| network.parse().unwrap()).collect(),
                public_url: url.map(str::to_owned),
                ..Config::default()
            };
            let mut report = Report::default();
            proxies(&config, &mut report);
            assert!(report.text().starts_with(said), "{said}: {}", report.text());
        }
    }
}
