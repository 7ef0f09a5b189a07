//! How a proxy names the client that it speaks for.

use http::HeaderName;
use serde::{Deserialize, Serialize};

/// The header that trusted proxies set, and that is believed of them. Any other stays what the client wrote.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ForwardingHeader {
    /// `X-Forwarded-For`: a list, to which each proxy adds.
    #[default]
    XForwardedFor,
    /// `Forwarded` (RFC 7239): the same with more words.
    Forwarded,
    /// `X-Real-IP`: the client alone.
    XRealIp,
}

impl ForwardingHeader {
    /// As it is sent.
    pub const fn header_name(self) -> HeaderName {
        match self {
            Self::XForwardedFor => HeaderName::from_static("x-forwarded-for"),
            Self::Forwarded => HeaderName::from_static("forwarded"),
            Self::XRealIp => HeaderName::from_static("x-real-ip"),
        }
    }
}
