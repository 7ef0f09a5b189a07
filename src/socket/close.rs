//! Why the server closes a socket.

use tokio_tungstenite::tungstenite::error::{CapacityError, Error as WsError};

use super::counted::TooManyFrames;

/// Why the server closes a socket. The codes are part of the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Close {
    /// 1000: the other side said so first.
    Normal,
    /// 1002: it does not speak WebSocket as it should.
    Protocol,
    /// 1003: a binary frame.
    Binary,
    /// 1007: a text frame that is not UTF-8.
    Utf8,
    /// 1009: a frame over the limit.
    TooBig,
    /// 1011: our own fault.
    Internal,
    /// 1012: the server restarts; come back after so many milliseconds.
    Restart {
        /// Spread over the time that the drain takes.
        retry_after_ms: u64,
    },
    /// 1013: too many say hello, or what it asks for cannot be looked up for the moment.
    Overloaded,
    /// 4400: not JSON, not an object, no `type`, or a first frame that is no hello.
    BadFrame,
    /// 4401: no valid token, or it was revoked or not renewed in time.
    Unauthenticated,
    /// 4403: the page's origin is not on the list of the visitor's site.
    Origin,
    /// 4408: no hello in time, or silence.
    Timeout,
    /// 4409: a newer socket of the same person took its place.
    Replaced,
    /// 4413: it reads too slowly; resume.
    TooSlow,
    /// 4429: too many frames.
    TooManyFrames,
}

impl Close {
    pub(super) fn code(self) -> u16 {
        match self {
            Close::Normal => 1000,
            Close::Protocol => 1002,
            Close::Binary => 1003,
            Close::Utf8 => 1007,
            Close::TooBig => 1009,
            Close::Internal => 1011,
            Close::Restart { .. } => 1012,
            Close::Overloaded => 1013,
            Close::BadFrame => 4400,
            Close::Unauthenticated => 4401,
            Close::Origin => 4403,
            Close::Timeout => 4408,
            Close::Replaced => 4409,
            Close::TooSlow => 4413,
            Close::TooManyFrames => 4429,
        }
    }

    pub(super) fn reason(self) -> String {
        match self {
            Close::Normal => "bye".into(),
            Close::Protocol => "protocol error".into(),
            Close::Binary => "text frames only".into(),
            Close::Utf8 => "not UTF-8".into(),
            Close::TooBig => "frame too big".into(),
            Close::Internal => "internal error".into(),
            Close::Restart { retry_after_ms } => format!("restart; retry_after_ms={retry_after_ms}"),
            Close::Overloaded => "overloaded; try again later".into(),
            Close::BadFrame => "bad frame".into(),
            Close::Unauthenticated => "unauthenticated".into(),
            Close::Origin => "origin not allowed".into(),
            Close::Timeout => "timed out".into(),
            Close::Replaced => "replaced by a newer socket".into(),
            Close::TooSlow => "too slow; resume".into(),
            Close::TooManyFrames => "too many frames".into(),
        }
    }
}

/// What the other side is told of an error on the connection.
pub(super) fn close_for(error: &WsError) -> Close {
    match error {
        WsError::Capacity(CapacityError::MessageTooLong { .. }) => Close::TooBig,
        WsError::Utf8(_) => Close::Utf8,
        WsError::Protocol(_) | WsError::AttackAttempt => Close::Protocol,
        WsError::WriteBufferFull(_) => Close::TooSlow,
        WsError::Io(error) if error.get_ref().is_some_and(|inner| inner.is::<TooManyFrames>()) => {
            Close::TooManyFrames
        }
        // The connection is gone, or was closed from the other side.
        _ => Close::Normal,
    }
}
