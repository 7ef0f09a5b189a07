//! The codes that clients match on, with their statuses.

use http::StatusCode;

/// What clients may match on. Append-only: a code, once shipped, keeps its meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the codes name themselves; the public contract says what each means")]
pub enum ErrorCode {
    InvalidJson,
    InvalidRequest,
    InvalidCursor,
    InvalidHeader,
    Unauthenticated,
    InvalidToken,
    TokenExpired,
    TokenRevoked,
    InvalidCredentials,
    InvalidSignature,
    Forbidden,
    OriginNotAllowed,
    NotFound,
    MethodNotAllowed,
    RequestTimeout,
    Conflict,
    IdempotencyConflict,
    AlreadyAssigned,
    StaleAssignment,
    CapacityExceeded,
    AgentOffline,
    ConversationEnded,
    ConversationFull,
    LengthRequired,
    PreconditionFailed,
    PayloadTooLarge,
    UriTooLong,
    UnsupportedMediaType,
    RangeNotSatisfiable,
    ValidationFailed,
    UnsupportedFile,
    UrlNotAllowed,
    UpgradeRequired,
    RateLimited,
    Overloaded,
    HeadersTooLarge,
    Internal,
    Unavailable,
    StorageFull,
}

impl ErrorCode {
    /// All of them, in the order of the public contract: the API document lists them.
    pub const ALL: [ErrorCode; 39] = [
        ErrorCode::InvalidJson,
        ErrorCode::InvalidRequest,
        ErrorCode::InvalidCursor,
        ErrorCode::InvalidHeader,
        ErrorCode::Unauthenticated,
        ErrorCode::InvalidToken,
        ErrorCode::TokenExpired,
        ErrorCode::TokenRevoked,
        ErrorCode::InvalidCredentials,
        ErrorCode::InvalidSignature,
        ErrorCode::Forbidden,
        ErrorCode::OriginNotAllowed,
        ErrorCode::NotFound,
        ErrorCode::MethodNotAllowed,
        ErrorCode::RequestTimeout,
        ErrorCode::Conflict,
        ErrorCode::IdempotencyConflict,
        ErrorCode::AlreadyAssigned,
        ErrorCode::StaleAssignment,
        ErrorCode::CapacityExceeded,
        ErrorCode::AgentOffline,
        ErrorCode::ConversationEnded,
        ErrorCode::ConversationFull,
        ErrorCode::LengthRequired,
        ErrorCode::PreconditionFailed,
        ErrorCode::PayloadTooLarge,
        ErrorCode::UriTooLong,
        ErrorCode::UnsupportedMediaType,
        ErrorCode::RangeNotSatisfiable,
        ErrorCode::ValidationFailed,
        ErrorCode::UnsupportedFile,
        ErrorCode::UrlNotAllowed,
        ErrorCode::UpgradeRequired,
        ErrorCode::RateLimited,
        ErrorCode::Overloaded,
        ErrorCode::HeadersTooLarge,
        ErrorCode::Internal,
        ErrorCode::Unavailable,
        ErrorCode::StorageFull,
    ];

    /// As clients read it.
    pub const fn as_str(self) -> &'static str {
        match self {
            ErrorCode::InvalidJson => "INVALID_JSON",
            ErrorCode::InvalidRequest => "INVALID_REQUEST",
            ErrorCode::InvalidCursor => "INVALID_CURSOR",
            ErrorCode::InvalidHeader => "INVALID_HEADER",
            ErrorCode::Unauthenticated => "UNAUTHENTICATED",
            ErrorCode::InvalidToken => "INVALID_TOKEN",
            ErrorCode::TokenExpired => "TOKEN_EXPIRED",
            ErrorCode::TokenRevoked => "TOKEN_REVOKED",
            ErrorCode::InvalidCredentials => "INVALID_CREDENTIALS",
            ErrorCode::InvalidSignature => "INVALID_SIGNATURE",
            ErrorCode::Forbidden => "FORBIDDEN",
            ErrorCode::OriginNotAllowed => "ORIGIN_NOT_ALLOWED",
            ErrorCode::NotFound => "NOT_FOUND",
            ErrorCode::MethodNotAllowed => "METHOD_NOT_ALLOWED",
            ErrorCode::RequestTimeout => "REQUEST_TIMEOUT",
            ErrorCode::Conflict => "CONFLICT",
            ErrorCode::IdempotencyConflict => "IDEMPOTENCY_CONFLICT",
            ErrorCode::AlreadyAssigned => "ALREADY_ASSIGNED",
            ErrorCode::StaleAssignment => "STALE_ASSIGNMENT",
            ErrorCode::CapacityExceeded => "CAPACITY_EXCEEDED",
            ErrorCode::AgentOffline => "AGENT_OFFLINE",
            ErrorCode::ConversationEnded => "CONVERSATION_ENDED",
            ErrorCode::ConversationFull => "CONVERSATION_FULL",
            ErrorCode::LengthRequired => "LENGTH_REQUIRED",
            ErrorCode::PreconditionFailed => "PRECONDITION_FAILED",
            ErrorCode::PayloadTooLarge => "PAYLOAD_TOO_LARGE",
            ErrorCode::UriTooLong => "URI_TOO_LONG",
            ErrorCode::UnsupportedMediaType => "UNSUPPORTED_MEDIA_TYPE",
            ErrorCode::RangeNotSatisfiable => "RANGE_NOT_SATISFIABLE",
            ErrorCode::ValidationFailed => "VALIDATION_FAILED",
            ErrorCode::UnsupportedFile => "UNSUPPORTED_FILE",
            ErrorCode::UrlNotAllowed => "URL_NOT_ALLOWED",
            ErrorCode::UpgradeRequired => "UPGRADE_REQUIRED",
            ErrorCode::RateLimited => "RATE_LIMITED",
            ErrorCode::Overloaded => "OVERLOADED",
            ErrorCode::HeadersTooLarge => "HEADERS_TOO_LARGE",
            ErrorCode::Internal => "INTERNAL",
            ErrorCode::Unavailable => "UNAVAILABLE",
            ErrorCode::StorageFull => "STORAGE_FULL",
        }
    }

    /// The refusal is about what the caller sent, whatever it was sent to.
    pub(crate) const fn is_about_what_was_sent(self) -> bool {
        match self {
            ErrorCode::InvalidJson
            | ErrorCode::InvalidRequest
            | ErrorCode::RequestTimeout
            | ErrorCode::PayloadTooLarge
            | ErrorCode::UnsupportedMediaType
            | ErrorCode::ValidationFailed => true,
            ErrorCode::InvalidCursor
            | ErrorCode::InvalidHeader
            | ErrorCode::Unauthenticated
            | ErrorCode::InvalidToken
            | ErrorCode::TokenExpired
            | ErrorCode::TokenRevoked
            | ErrorCode::InvalidCredentials
            | ErrorCode::InvalidSignature
            | ErrorCode::Forbidden
            | ErrorCode::OriginNotAllowed
            | ErrorCode::NotFound
            | ErrorCode::MethodNotAllowed
            | ErrorCode::Conflict
            | ErrorCode::IdempotencyConflict
            | ErrorCode::AlreadyAssigned
            | ErrorCode::StaleAssignment
            | ErrorCode::CapacityExceeded
            | ErrorCode::AgentOffline
            | ErrorCode::ConversationEnded
            | ErrorCode::ConversationFull
            | ErrorCode::LengthRequired
            | ErrorCode::PreconditionFailed
            | ErrorCode::UriTooLong
            | ErrorCode::RangeNotSatisfiable
            | ErrorCode::UnsupportedFile
            | ErrorCode::UrlNotAllowed
            | ErrorCode::UpgradeRequired
            | ErrorCode::RateLimited
            | ErrorCode::Overloaded
            | ErrorCode::HeadersTooLarge
            | ErrorCode::Internal
            | ErrorCode::Unavailable
            | ErrorCode::StorageFull => false,
        }
    }

    /// The one place that turns a code into a status: a new one does not compile until it has one.
    pub const fn status(self) -> StatusCode {
        match self {
            ErrorCode::InvalidJson
            | ErrorCode::InvalidRequest
            | ErrorCode::InvalidCursor
            | ErrorCode::InvalidHeader => StatusCode::BAD_REQUEST,
            ErrorCode::Unauthenticated
            | ErrorCode::InvalidToken
            | ErrorCode::TokenExpired
            | ErrorCode::TokenRevoked
            | ErrorCode::InvalidCredentials
            | ErrorCode::InvalidSignature => StatusCode::UNAUTHORIZED,
            ErrorCode::Forbidden | ErrorCode::OriginNotAllowed => StatusCode::FORBIDDEN,
            ErrorCode::NotFound => StatusCode::NOT_FOUND,
            ErrorCode::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            ErrorCode::RequestTimeout => StatusCode::REQUEST_TIMEOUT,
            ErrorCode::Conflict
            | ErrorCode::IdempotencyConflict
            | ErrorCode::AlreadyAssigned
            | ErrorCode::StaleAssignment
            | ErrorCode::CapacityExceeded
            | ErrorCode::AgentOffline
            | ErrorCode::ConversationEnded
            | ErrorCode::ConversationFull => StatusCode::CONFLICT,
            ErrorCode::LengthRequired => StatusCode::LENGTH_REQUIRED,
            ErrorCode::PreconditionFailed => StatusCode::PRECONDITION_FAILED,
            ErrorCode::PayloadTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            ErrorCode::UriTooLong => StatusCode::URI_TOO_LONG,
            ErrorCode::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            ErrorCode::RangeNotSatisfiable => StatusCode::RANGE_NOT_SATISFIABLE,
            ErrorCode::ValidationFailed | ErrorCode::UnsupportedFile | ErrorCode::UrlNotAllowed => {
                StatusCode::UNPROCESSABLE_ENTITY
            }
            ErrorCode::UpgradeRequired => StatusCode::UPGRADE_REQUIRED,
            ErrorCode::RateLimited | ErrorCode::Overloaded => StatusCode::TOO_MANY_REQUESTS,
            ErrorCode::HeadersTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            ErrorCode::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            ErrorCode::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            ErrorCode::StorageFull => StatusCode::INSUFFICIENT_STORAGE,
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
}
