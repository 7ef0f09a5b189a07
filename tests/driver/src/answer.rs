//! What the server answered.

use anyhow::bail;
use bytes::Bytes;
use http::HeaderMap;
use serde_json::Value;

/// An answer, whatever its status.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body as it came.
    pub bytes: Bytes,
    /// Its body as JSON; null when it is none.
    pub body: Value,
}

impl Answer {
    /// The body of an answer that must have this status; any other is an error that shows all of it.
    pub fn expect(self, status: u16) -> anyhow::Result<Value> {
        if self.status != status {
            bail!("{status} was expected: {self}");
        }
        Ok(self.body)
    }

    /// The error's code; empty when it is no error of ours.
    pub fn code(&self) -> &str {
        self.body["error"]["code"].as_str().unwrap_or_default()
    }

    /// A header as text; empty when it is not there.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// Whether it leaves open what happened, so that the request is to be repeated as it was.
    pub fn is_unknown(&self) -> bool {
        self.status >= 500 || self.status == 408
    }
}

impl std::fmt::Display for Answer {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{} {}", self.status, String::from_utf8_lossy(&self.bytes))
    }
}
