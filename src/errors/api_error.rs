//! An answer that is not a success, and what the log keeps of it.

use std::borrow::Cow;
use std::time::Duration;

use http::{HeaderName, HeaderValue};
use serde::Serialize;

use super::code::ErrorCode;
use super::request_id::RequestId;

/// One rule that a request broke.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Detail {
    /// The path of the field (`to.agent_id`, `file_ids[2]`), or the query parameter; empty: the body itself.
    pub field: String,
    /// What it must be, for people.
    pub rule: Cow<'static, str>,
}

impl Detail {
    /// `field` breaks `rule`.
    pub fn new(field: impl Into<String>, rule: impl Into<Cow<'static, str>>) -> Self {
        Self { field: field.into(), rule: rule.into() }
    }

    /// For people who see only the message.
    fn sentence(&self) -> String {
        if self.field.is_empty() {
            self.rule.clone().into_owned()
        } else {
            format!("{} {}", self.field, self.rule)
        }
    }
}

/// An answer that is not a success, and what the log is told beside it.
#[derive(Debug)]
pub struct ApiError {
    code: ErrorCode,
    message: Cow<'static, str>,
    details: Vec<Detail>,
    /// Why, where one code has several causes; a word that clients may match on.
    reason: Option<&'static str>,
    /// At most 49 days, so that an error stays small enough to be handed up.
    retry_after_ms: Option<u32>,
    /// For the log alone.
    cause: Option<Box<dyn std::error::Error + Send + Sync>>,
    /// What some codes owe beside the body, such as `Allow`.
    headers: Vec<(HeaderName, HeaderValue)>,
}

/// How long a client waits before it tries again what failed for a while only, in milliseconds.
const RETRY_AFTER_MS: u64 = 1_000;

impl ApiError {
    /// With a message for the person who wrote the client.
    pub fn new(code: ErrorCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            message: message.into(),
            details: Vec::new(),
            reason: None,
            retry_after_ms: None,
            cause: None,
            headers: Vec::new(),
        }
    }

    /// It does not exist, or not for the one who asks: one body for both.
    pub fn not_found() -> Self {
        Self::new(ErrorCode::NotFound, "not found")
    }

    /// The caller is known, and may not.
    pub fn forbidden(message: &'static str) -> Self {
        Self::new(ErrorCode::Forbidden, message)
    }

    /// It was understood, and breaks these rules.
    pub fn invalid(details: Vec<Detail>) -> Self {
        let rules: Vec<String> = details.iter().map(Detail::sentence).collect();
        Self { details, ..Self::new(ErrorCode::ValidationFailed, rules.join("; ")) }
    }

    /// One field breaks one rule.
    pub fn invalid_field(field: impl Into<String>, rule: impl Into<Cow<'static, str>>) -> Self {
        Self::invalid(vec![Detail::new(field, rule)])
    }

    /// Too many are served now; nothing was done.
    pub fn overloaded(message: &'static str) -> Self {
        Self::new(ErrorCode::Overloaded, message).retry_after_ms(RETRY_AFTER_MS)
    }

    /// Over a rate, or over a number of what may be at once: worth trying again after `wait`.
    pub fn rate_limited(message: &'static str, wait: Duration) -> Self {
        // Rounded up, so that the wait is never too short.
        let ms = u64::try_from(wait.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX);
        Self::new(ErrorCode::RateLimited, message).retry_after_ms(ms)
    }

    /// Over the rate of a kind of request: worth trying again after `wait`.
    pub fn too_often(wait: Duration) -> Self {
        Self::rate_limited("too many of these requests", wait)
    }

    /// Something that was needed did not answer; whether it was done is unknown, and trying again is right.
    pub fn unavailable(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::new(ErrorCode::Unavailable, "the service is unavailable for the moment: try again")
            .retry_after_ms(RETRY_AFTER_MS)
            .caused_by(cause)
    }

    /// Our own fault.
    pub fn internal(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::new(ErrorCode::Internal, "something went wrong on our side").caused_by(cause)
    }

    /// Says which of a code's causes it was, as `details.reason`.
    #[must_use]
    pub fn because(mut self, reason: &'static str) -> Self {
        self.reason = Some(reason);
        self
    }

    /// Tells the client when to try again.
    #[must_use]
    pub fn retry_after_ms(mut self, ms: u64) -> Self {
        self.retry_after_ms = Some(u32::try_from(ms).unwrap_or(u32::MAX));
        self
    }

    /// Tells the log, and nobody else, why.
    #[must_use]
    pub fn caused_by(mut self, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    /// A header that goes with the answer.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// Headers that go with the answer.
    #[must_use]
    pub fn with_headers(mut self, headers: impl IntoIterator<Item = (HeaderName, HeaderValue)>) -> Self {
        self.headers.extend(headers);
        self
    }

    /// What clients match on.
    pub fn code(&self) -> ErrorCode {
        self.code
    }

    /// The rules that were broken.
    pub fn details(&self) -> &[Detail] {
        &self.details
    }

    /// Headers that the answer owes beside those of every answer.
    pub(crate) fn headers(&self) -> &[(HeaderName, HeaderValue)] {
        &self.headers
    }

    /// How long the client is to wait before it tries again, in milliseconds, if that is known.
    pub(crate) fn wait_ms(&self) -> Option<u32> {
        self.retry_after_ms
    }

    /// The message and what caused it, for a person at the command line of the server itself.
    pub(crate) fn explained(&self) -> String {
        match self.cause.as_deref() {
            Some(cause) => format!("{}: {}", self.message, Chain(cause)),
            None => self.message.clone().into_owned(),
        }
    }

    /// The object that stands in an answer's body and in a socket's `error` frame.
    pub fn body<'a>(&'a self, request_id: &'a RequestId) -> ErrorBody<'a> {
        ErrorBody {
            code: self.code.as_str(),
            message: &self.message,
            details: match self.reason {
                Some(reason) => Some(DetailsBody::Cause { reason }),
                None => Some(DetailsBody::Rules(&self.details)).filter(|_| !self.details.is_empty()),
            },
            request_id: request_id.as_str(),
            retry_after_ms: self.retry_after_ms.map(u64::from),
        }
    }

    /// Tells the log what the client is not told. To be called once, where the request is answered.
    pub fn log(&self, request_id: &RequestId) {
        let (code, request_id) = (self.code.as_str(), request_id.as_str());
        let cause = self.cause.as_deref().map(|cause| tracing::field::display(Chain(cause)));
        let is_passing = self.code == ErrorCode::Unavailable;
        // That the disk is full is logged once, where the room is measured; an upload that leaves the reserve alone has no cause.
        let is_of_disk = self.code == ErrorCode::StorageFull;
        if self.code.status().is_server_error() && !is_passing && !is_of_disk {
            tracing::error!(code, request_id, cause, "a request failed");
        } else if let Some(cause) = cause {
            if is_passing || is_of_disk {
                tracing::warn!(code, request_id, cause, "a request failed");
            } else {
                tracing::debug!(code, request_id, cause, "a request was refused");
            }
        }
    }
}

/// An error with what caused it, in one line.
struct Chain<'a>(&'a (dyn std::error::Error + 'static));

impl std::fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)?;
        let mut source = self.0.source();
        while let Some(cause) = source {
            write!(f, ": {cause}")?;
            source = cause.source();
        }
        Ok(())
    }
}

/// The inner object of an error's answer.
#[derive(Debug, Serialize)]
pub struct ErrorBody<'a> {
    code: &'static str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<DetailsBody<'a>>,
    request_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_ms: Option<u64>,
}

/// What an error says beside its code: the rules that were broken, or which of its causes it was.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum DetailsBody<'a> {
    Rules(&'a [Detail]),
    Cause { reason: &'static str },
}
