//! Each layer's error as the outside is told it.

use identity::{AccountError, AuthError, JwtError, VisitorError};

use super::api_error::ApiError;
use super::code::ErrorCode;
use crate::rates::Verdict;

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
        Self::too_often(refusing.retry_after.unwrap_or_default()).with_headers(refusing.headers())
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

impl From<cluster::ExecuteError> for ApiError {
    fn from(error: cluster::ExecuteError) -> Self {
        use cluster::ExecuteError;
        match error {
            ExecuteError::Rejected(rejection) => rejection.into(),
            ExecuteError::Overloaded => Self::overloaded("too many requests wait for this conversation"),
            // Nothing was done, or it is not known: asking again is right.
            ExecuteError::Moved | ExecuteError::Contended | ExecuteError::Unknown => Self::unavailable(error),
            ExecuteError::Poisoned => Self::internal(ExecuteError::Poisoned),
            ExecuteError::Unavailable(error) => error.into(),
        }
    }
}
