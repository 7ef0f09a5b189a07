//! What the outside is told when something is refused or fails: a code that clients match on, and a message for people.
//!
//! Every layer's error becomes an [`ApiError`] here. The client gets code and message, the log gets the cause, once.

use std::borrow::Cow;
use std::time::Duration;

use http::{HeaderName, HeaderValue, StatusCode, header};
use serde::Serialize;

use crate::http::rate::Verdict;
use crate::http::reply::Reply;
use crate::http::request_id::RequestId;
use crate::identity::{AccountError, AuthError, JwtError, VisitorError};

mod code;

pub use code::ErrorCode;

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

    /// He is known, and may not.
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

    /// Tells the log what the client is not told. To be called once, by whoever answers.
    pub fn log(&self, request_id: &RequestId) {
        let (code, request_id) = (self.code.as_str(), request_id.as_str());
        let cause = self.cause.as_deref().map(|cause| tracing::field::display(Chain(cause)));
        let is_passing = self.code == ErrorCode::Unavailable;
        // That the disk is full is told once, by who looks at it; an upload that leaves the reserve alone has no cause.
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

    /// The answer.
    pub fn reply(&self, request_id: &RequestId) -> Reply {
        let mut reply = Reply::json(self.code.status(), &Envelope { error: self.body(request_id) });
        for (name, value) in &self.headers {
            reply = reply.with_header(name.clone(), value.clone());
        }
        if self.code.status() == StatusCode::UNAUTHORIZED {
            reply = reply.with_header(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(ms) = self.retry_after_ms {
            // Whole seconds, never too early.
            reply = reply.with_header(header::RETRY_AFTER, HeaderValue::from(ms.div_ceil(1000).max(1)));
        }
        reply
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

#[derive(Serialize)]
struct Envelope<'a> {
    error: ErrorBody<'a>,
}

impl From<domain::Rejection> for ApiError {
    fn from(rejection: domain::Rejection) -> Self {
        use domain::Rejection;
        let code = match rejection {
            Rejection::NotFound => return Self::not_found(),
            Rejection::Conflict(why) => return Self::new(ErrorCode::Conflict, why),
            Rejection::TooManyTags => return Self::invalid_field("add", rejection.to_string()),
            Rejection::Forbidden => ErrorCode::Forbidden,
            Rejection::IdempotencyConflict => ErrorCode::IdempotencyConflict,
            Rejection::AlreadyAssigned => ErrorCode::AlreadyAssigned,
            Rejection::StaleAssignment(why) => {
                let error = Self::new(ErrorCode::StaleAssignment, rejection.to_string());
                return error.because(why.word());
            }
            Rejection::CapacityExceeded => ErrorCode::CapacityExceeded,
            Rejection::AgentOffline(why) => {
                let error = Self::new(ErrorCode::AgentOffline, rejection.to_string());
                return error.because(why.word());
            }
            Rejection::ConversationEnded => ErrorCode::ConversationEnded,
            Rejection::ConversationFull => ErrorCode::ConversationFull,
        };
        Self::new(code, rejection.to_string())
    }
}

impl From<domain::WrongAttribute> for ApiError {
    fn from(wrong: domain::WrongAttribute) -> Self {
        let field = wrong.key.map_or_else(|| "attributes".to_owned(), |key| format!("attributes.{key}"));
        Self::invalid_field(field, wrong.rule.to_string())
    }
}

impl From<Verdict> for ApiError {
    fn from(refusing: Verdict) -> Self {
        Self::rate_limited("too many of these requests", refusing.retry_after.unwrap_or_default())
            .with_headers(refusing.headers())
    }
}

impl From<store::StoreError> for ApiError {
    fn from(error: store::StoreError) -> Self {
        use store::StoreError;
        match error {
            StoreError::Unavailable(_) => Self::unavailable(error),
            StoreError::StorageFull => {
                Self::new(ErrorCode::StorageFull, "the server's disk is full").caused_by(error)
            }
            StoreError::Corrupt(_) => Self::internal(error),
        }
    }
}

impl From<store::RecordError> for ApiError {
    fn from(error: store::RecordError) -> Self {
        use store::RecordError;
        match error {
            // Which key it was is the store's word; the handler who knows the field says it better.
            RecordError::Taken(_) => {
                Self::new(ErrorCode::Conflict, "another one has this already").caused_by(error)
            }
            RecordError::Changed => Self::new(ErrorCode::Conflict, "it was changed or removed meanwhile"),
            RecordError::Unknown => Self::unavailable(error),
            RecordError::Store(error) => error.into(),
        }
    }
}

impl From<AuthError> for ApiError {
    fn from(error: AuthError) -> Self {
        match error {
            AuthError::Invalid => Self::new(ErrorCode::InvalidToken, "this credential is not known"),
            AuthError::Expired => Self::new(ErrorCode::TokenExpired, "this token has expired"),
            AuthError::Revoked => Self::new(ErrorCode::TokenRevoked, "this token was revoked"),
            AuthError::Store(error) => error.into(),
        }
    }
}

impl From<AccountError> for ApiError {
    fn from(error: AccountError) -> Self {
        match error {
            AccountError::NotFound => Self::not_found(),
            AccountError::Overloaded(error) => {
                Self::overloaded("too many passwords are checked now").caused_by(error)
            }
            AccountError::Record(error) => error.into(),
        }
    }
}

impl From<JwtError> for ApiError {
    fn from(error: JwtError) -> Self {
        let code = match error {
            JwtError::Signature | JwtError::NoSecret => ErrorCode::InvalidSignature,
            JwtError::Expired { .. } | JwtError::Old { .. } => ErrorCode::TokenExpired,
            JwtError::TooLong
            | JwtError::Form(_)
            | JwtError::Algorithm
            | JwtError::Critical
            | JwtError::Claim(..)
            | JwtError::NotYet { .. } => ErrorCode::InvalidToken,
        };
        Self::new(code, error.to_string())
    }
}

impl From<VisitorError> for ApiError {
    fn from(error: VisitorError) -> Self {
        match error {
            VisitorError::Token(error) => error.into(),
            VisitorError::Identity(error) => error.into(),
            VisitorError::IdentityRequired => Self::new(ErrorCode::Unauthenticated, error.to_string()),
            VisitorError::Attributes(wrong) => wrong.into(),
            VisitorError::Store(error) => error.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_contract_lists_each_code_once_with_its_status() {
        let mut names: Vec<&str> = ErrorCode::ALL.iter().map(|code| code.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ErrorCode::ALL.len());
        for (code, status) in [
            (ErrorCode::InvalidCursor, 400),
            (ErrorCode::InvalidSignature, 401),
            (ErrorCode::OriginNotAllowed, 403),
            (ErrorCode::CapacityExceeded, 409),
            (ErrorCode::LengthRequired, 411),
            (ErrorCode::UrlNotAllowed, 422),
            (ErrorCode::Overloaded, 429),
            (ErrorCode::HeadersTooLarge, 431),
            (ErrorCode::StorageFull, 507),
        ] {
            assert_eq!(code.status().as_u16(), status, "{}", code.as_str());
        }
    }

    #[test]
    fn the_client_is_told_code_and_message_and_never_the_cause() {
        let id = RequestId::given("r-1").unwrap();
        let error = ApiError::from(store::StoreError::Corrupt("secret path".into()));
        let reply = error.reply(&id);
        assert_eq!(reply.status(), StatusCode::INTERNAL_SERVER_ERROR);
        let text = reply.text();
        assert_eq!(
            text,
            r#"{"error":{"code":"INTERNAL","message":"something went wrong on our side","request_id":"r-1"}}"#
        );
    }

    #[test]
    fn a_code_with_several_causes_says_which_it_was() {
        use domain::{Absent, Rejection, Stale};
        let id = RequestId::given("r-1").unwrap();
        let gone = ApiError::from(Rejection::StaleAssignment(Stale::AgentGone)).reply(&id);
        assert!(gone.text().contains(r#""code":"STALE_ASSIGNMENT""#), "{}", gone.text());
        assert!(gone.text().contains(r#""details":{"reason":"agent_gone"}"#), "{}", gone.text());
        for (rejection, reason) in [
            (Rejection::StaleAssignment(Stale::TakenOver), "taken_over"),
            (Rejection::StaleAssignment(Stale::Transfer), "transfer"),
            (Rejection::StaleAssignment(Stale::Moved), "moved"),
            (Rejection::AgentOffline(Absent::Offline), "offline"),
            (Rejection::AgentOffline(Absent::AgentGone), "agent_gone"),
            (Rejection::AgentOffline(Absent::Disabled), "disabled"),
        ] {
            let text = ApiError::from(rejection).reply(&id).text();
            assert!(text.contains(&format!(r#""details":{{"reason":"{reason}"}}"#)), "{text}");
        }
    }

    #[test]
    fn a_message_says_the_rule_itself() {
        let two =
            vec![Detail::new("text", "must be at most 16384 bytes"), Detail::new("", "must be an object")];
        let text = ApiError::invalid(two).reply(&RequestId::given("r-1").unwrap()).text();
        assert!(
            text.contains(r#""message":"text must be at most 16384 bytes; must be an object""#),
            "{text}"
        );
    }

    #[test]
    fn what_passes_by_itself_says_when_to_try_again_and_a_401_how_to_authenticate() {
        let id = RequestId::given("r-1").unwrap();
        let busy = ApiError::overloaded("busy").retry_after_ms(1_001).reply(&id);
        assert_eq!(busy.header(&header::RETRY_AFTER).unwrap(), "2");
        assert!(busy.text().contains(r#""retry_after_ms":1001"#));
        let unknown = ApiError::from(AuthError::Invalid).reply(&id);
        assert_eq!(unknown.header(&header::WWW_AUTHENTICATE).unwrap(), "Bearer");
        let wrong = ApiError::invalid_field("text", "must not be blank").reply(&id);
        assert!(wrong.text().contains(r#""details":[{"field":"text","rule":"must not be blank"}]"#));
    }
}
