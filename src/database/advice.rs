//! What to do about CQL servers that do not answer, by what the driver says of them.

/// A word of what the driver says, and what to do.
const KNOWN: [(&str, &str); 7] = [
    ("authentication", "the role or its password is wrong: see store.cql.user and password_file."),
    (
        "refused",
        "nothing listens there: is the server up, and is 9042 its port for clients (native_transport_port)?",
    ),
    ("timeout", "nothing answers there: is the address right, and does a firewall let us through?"),
    (
        "certificate",
        "the server's certificate is not signed by the authority in store.cql.tls_ca, or not for this address.",
    ),
    (
        "invalidcontenttype",
        "the server speaks no TLS there: leave store.cql.tls_ca out, or turn TLS on (client_encryption_options).",
    ),
    (
        "reset",
        "the server closes the connection: if it speaks only TLS, store.cql.tls_ca must name who signed its certificate.",
    ),
    ("resolve", "the name is not known: is it written right?"),
];

/// What to do, as a sentence; none: the driver's words are not known.
pub fn advice(cause: &str) -> Option<&'static str> {
    let lower = cause.to_lowercase();
    KNOWN.iter().find(|(word, _)| lower.contains(word)).map(|(_, todo)| *todo)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_driver_says_is_told_with_what_to_do() {
        // As it said each, to a server that spoke only TLS and asked for a log-in, and to one that did neither.
        for (cause, todo) in [
            ("Database returned an error: Authentication failed - bad credentials", "password_file"),
            (
                "Last connection failed with: invalid peer certificate: UnknownIssuer",
                "not signed by the authority",
            ),
            ("Failed to read the frame header: Connection reset by peer (os error 104)", "speaks only TLS"),
            ("received corrupt message of type InvalidContentType", "speaks no TLS"),
            ("IO error: Connection refused (os error 111)", "nothing listens there"),
        ] {
            assert!(advice(cause).is_some_and(|advice| advice.contains(todo)), "{cause}");
        }
        assert_eq!(advice("the moon is full"), None);
    }
}
