//! What the outside is told when something is refused or fails, over HTTP and on sockets alike: a code that clients match
//! on, and a message for people.
//!
//! Every layer's error becomes an [`ApiError`] here. The client gets code and message, the log gets the cause, once.

mod api_error;
mod code;
mod conversions;
mod request_id;

pub use api_error::{ApiError, Detail, ErrorBody};
pub use code::ErrorCode;
pub use request_id::RequestId;
