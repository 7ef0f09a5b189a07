//! Origins as people write them, in the one spelling that browsers send: what would never match is refused at once.

use domain::{Origin, TextError, is_invisible};
use url::{Host, ParseError, Url};

const FORM: TextError = TextError::Form("an origin such as https://example.org or https://*.example.org");
const ONE: TextError = TextError::Form("one origin of the web, such as https://chat.example.org");
const NO_PATH: TextError =
    TextError::Form("an origin without a path, a query or a user, such as https://example.org");
const PORT: TextError = TextError::Form("an origin with a port from 1 to 65535, or none");
const HOST: TextError = TextError::Form("an origin with a host name or an address that browsers know");
const STAR: TextError = TextError::Form(
    "an origin whose only * is all of its first label, before a domain: https://*.example.org",
);

/// What a site may list: an origin, all subdomains of one (`https://*.example.org`), or a web view's
/// ([`Origin::WEB_VIEWS`]).
///
/// # Errors
///
/// [`TextError::Form`] with the rule that it breaks, for the client.
pub(crate) fn listed(text: &str) -> Result<Origin, TextError> {
    let text = text.trim_matches(|c: char| c.is_whitespace() || is_invisible(c));
    let origin = web_view(text).map_or_else(|| spelled(text), |view| Ok(view.to_owned()))?;
    Origin::listed(&origin)
}

/// What browsers know the server by: one origin of the web.
///
/// # Errors
///
/// [`TextError::Form`] with the rule that it breaks, for the operator.
pub(crate) fn public(text: &str) -> Result<Origin, TextError> {
    // A rule that speaks of patterns would send the operator from one refusal to the next.
    let of_one = |wrong| if wrong == FORM || wrong == STAR { ONE } else { wrong };
    let origin = listed(text).map_err(of_one)?;
    let is_one = !origin.is_pattern() && !Origin::WEB_VIEWS.contains(&origin.as_str());
    if is_one { Ok(origin) } else { Err(ONE) }
}

fn web_view(text: &str) -> Option<&'static str> {
    let text = text.strip_suffix('/').unwrap_or(text);
    Origin::WEB_VIEWS.into_iter().find(|view| view.eq_ignore_ascii_case(text))
}

fn spelled(text: &str) -> Result<String, TextError> {
    let (scheme, rest) = text.split_once("://").ok_or(FORM)?;
    let scheme = scheme.to_ascii_lowercase();
    if scheme != "http" && scheme != "https" {
        return Err(FORM);
    }
    let authority = rest.strip_suffix('/').unwrap_or(rest);
    // A browser leaves out some of these without a word, and reads a backslash as a slash.
    if authority.contains(['/', '\\', '?', '#', '@']) {
        return Err(NO_PATH);
    }
    if authority.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(HOST);
    }
    let (star, host) = match authority.strip_prefix("*.") {
        Some(domain) => ("*.", domain),
        None => ("", authority),
    };
    if host.contains('*') {
        return Err(STAR);
    }
    let url = Url::parse(&format!("{scheme}://{host}")).map_err(|wrong| match wrong {
        ParseError::InvalidPort => PORT,
        // The list of reasons may grow; all others are about the host.
        _ => HOST,
    })?;
    let host = match url.host().ok_or(HOST)? {
        Host::Domain(name) => {
            let labels: Vec<&str> = name.strip_suffix('.').unwrap_or(name).split('.').collect();
            let known = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_');
            let is_label = |label: &&str| (1..=63).contains(&label.len()) && label.bytes().all(known);
            if name.len() > 253 || !labels.iter().all(is_label) {
                return Err(HOST);
            }
            if !star.is_empty() && labels.len() < 2 && labels != ["localhost"] {
                return Err(STAR);
            }
            name.to_owned()
        }
        Host::Ipv4(_) | Host::Ipv6(_) if !star.is_empty() => return Err(STAR),
        Host::Ipv4(address) => address.to_string(),
        Host::Ipv6(address) => format!("[{address}]"),
    };
    match url.port() {
        None => Ok(format!("{scheme}://{star}{host}")),
        Some(0) => Err(PORT),
        Some(port) => Ok(format!("{scheme}://{star}{host}:{port}")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_origin_is_kept_as_browsers_send_it() {
        for (given, kept) in [
            ("https://shop.example", "https://shop.example"),
            ("https://shop.example:443", "https://shop.example"),
            ("https://shop.example:0443", "https://shop.example"),
            ("http://shop.example:80/", "http://shop.example"),
            ("https://shop.example:80", "https://shop.example:80"),
            ("http://shop.example:00008080", "http://shop.example:8080"),
            ("https://shop.example:", "https://shop.example"),
            ("https://shop.example/", "https://shop.example"),
            (" HTTPS://Shop.EXAMPLE\n", "https://shop.example"),
            ("\u{200b}https://shop.example\u{feff}", "https://shop.example"),
            ("https://my_shop.example", "https://my_shop.example"),
            ("https://_", "https://_"),
            ("https://müller.example", "https://xn--mller-kva.example"),
            ("https://MÜLLER.example:443", "https://xn--mller-kva.example"),
            ("https://faß.example", "https://xn--fa-hia.example"),
            ("https://例え.jp", "https://xn--r8jz45g.jp"),
            ("https://shop。example", "https://shop.example"),
            ("https://shop.example.", "https://shop.example."),
            ("http://127.1:3000", "http://127.0.0.1:3000"),
            ("http://0x7f000001", "http://127.0.0.1"),
            ("https://[::0:1]:8443", "https://[::1]:8443"),
            ("https://[2001:DB8::1]", "https://[2001:db8::1]"),
            ("http://localhost:5173", "http://localhost:5173"),
            ("https://*.Shop.example:443/", "https://*.shop.example"),
            ("https://*.müller.example", "https://*.xn--mller-kva.example"),
            ("http://*.localhost:3000", "http://*.localhost:3000"),
            ("capacitor://localhost", "capacitor://localhost"),
            ("Ionic://localhost/", "ionic://localhost"),
            ("tauri://localhost", "tauri://localhost"),
        ] {
            assert_eq!(listed(given).as_ref().map(Origin::as_str), Ok(kept), "{given:?}");
        }
    }

    #[test]
    fn what_no_browser_would_send_is_refused_with_its_rule() {
        for (given, rule) in [
            ("", FORM),
            ("null", FORM),
            ("*", FORM),
            ("shop.example", FORM),
            ("//shop.example", FORM),
            ("https:shop.example", FORM),
            ("ftp://shop.example", FORM),
            ("file://", FORM),
            ("capacitor://shop", FORM),
            ("tauri://localhost:1", FORM),
            ("chrome-extension://abcdef", FORM),
            ("https://shop.example:99999", PORT),
            ("https://shop.example:0", PORT),
            ("https://shop.example:-1", PORT),
            ("https://a:b:c", PORT),
            ("https://shop.example:443:443", PORT),
            ("https://x..y", HOST),
            ("https://.x", HOST),
            ("https://x..", HOST),
            ("https://", HOST),
            ("https://:80", HOST),
            ("https://a b", HOST),
            ("https://a\tb", HOST),
            ("https://a%2fb", HOST),
            ("https://a!b", HOST),
            ("https://256.1.1.1", HOST),
            ("https://[::1", HOST),
            ("https:///shop.example", NO_PATH),
            ("https://shop.example/help", NO_PATH),
            ("https://shop.example//", NO_PATH),
            ("https://shop.example?", NO_PATH),
            ("https://shop.example/#", NO_PATH),
            ("https://ann@shop.example", NO_PATH),
            ("https://shop.example\\@evil.example", NO_PATH),
            ("https://*", STAR),
            ("https://*shop.example", STAR),
            ("https://*.*.example", STAR),
            ("https://shop.*", STAR),
            ("https://*.com", STAR),
            ("https://*.127.0.0.1", STAR),
            ("https://*.[::1]", STAR),
        ] {
            assert_eq!(listed(given).err(), Some(rule), "{given:?}");
        }
        for long in [format!("https://{}.example", "a".repeat(64)), format!("https://{}b", "a.".repeat(127))]
        {
            assert_eq!(listed(&long).err(), Some(HOST), "{long}");
        }
    }

    #[test]
    fn a_server_has_one_origin_of_the_web() {
        for (given, kept) in [
            ("https://chat.example.org", Ok("https://chat.example.org")),
            ("HTTPS://Chat.Example.ORG:443/", Ok("https://chat.example.org")),
            ("http://10.0.0.1:8080", Ok("http://10.0.0.1:8080")),
            ("https://münchen.example", Ok("https://xn--mnchen-3ya.example")),
            ("https://*.example.org", Err(ONE)),
            ("capacitor://localhost", Err(ONE)),
            ("tauri://localhost/", Err(ONE)),
            ("https://x..org", Err(HOST)),
            ("https://x.org:99999", Err(PORT)),
            ("https://x.org/chat", Err(NO_PATH)),
            ("chat.example.org", Err(ONE)),
            ("https://*", Err(ONE)),
            ("", Err(ONE)),
        ] {
            assert_eq!(public(given).as_ref().map(Origin::as_str), kept.as_ref().copied(), "{given}");
        }
    }

    proptest! {
        #[test]
        fn what_is_kept_is_kept_so_and_is_what_a_browser_sends(
            text in "(https?|HTTP)://([*]\\.)?[a-zA-ZäßИ0-9._\\-%\\[\\]:]{0,24}(:[0-9]{0,6})?/?",
        ) {
            if let Ok(kept) = listed(&text) {
                prop_assert_eq!(listed(kept.as_str()), Ok(kept.clone()));
                let page = kept.as_str().replacen('*', "www", 1);
                let sent = Url::parse(&format!("{page}/page?x#y")).unwrap().origin().ascii_serialization();
                prop_assert_eq!(&sent, &page);
                prop_assert!(kept.covers(&sent));
            }
        }
    }
}
