//! Bodies of `multipart/form-data` (RFC 7578), read part by part as they come, in bounded memory. [`boundary`] reads
//! the media type, [`Multipart`] the body; what the parts mean is the handler's.
//!
//! Strict, so that no two readers of one body can see different parts in it: a header that breaks the grammar refuses
//! the whole body. What browsers and the usual clients write is within the grammar, or named where it is read.

use bytes::Bytes;
use http::{HeaderMap, header};

use super::body::Body;
use crate::errors::{ApiError, ErrorCode};

mod disposition;
mod parameters;
mod splitter;

pub(crate) use disposition::Part;
use splitter::{Malformed, Piece, Splitter};

/// RFC 2046, section 5.1.1.
const BOUNDARY_BYTES_MAX: usize = 70;

/// The boundary that the body's media type names.
///
/// # Errors
///
/// `UNSUPPORTED_MEDIA_TYPE` of another type, `INVALID_REQUEST` of one whose parameters are malformed or name none.
pub(crate) fn boundary(headers: &HeaderMap) -> Result<String, ApiError> {
    let given = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let (essence, rest) = given.split_once(';').unwrap_or((given, ""));
    if !essence.trim().eq_ignore_ascii_case("multipart/form-data") {
        return Err(ApiError::new(ErrorCode::UnsupportedMediaType, "the body must be multipart/form-data"));
    }
    let parameters = parameters::parse(rest)
        .ok_or_else(|| invalid("the parameters of the header content-type are malformed"))?;
    let boundary = parameters.into_iter().find(|(name, _)| name == "boundary").map(|(_, value)| value);
    boundary
        .filter(|boundary| {
            (1..=BOUNDARY_BYTES_MAX).contains(&boundary.len())
                && boundary.bytes().all(|b| matches!(b, b' '..=b'~'))
                && !boundary.ends_with(' ')
        })
        .ok_or_else(|| invalid("the boundary must be 1 to 70 visible characters"))
}

fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::new(ErrorCode::InvalidRequest, message.into())
}

/// A body that is being read. Holds at most one piece of it as it came, and the headers of one part.
pub(crate) struct Multipart<'b> {
    body: &'b mut Body,
    splitter: Splitter,
    /// The body has no more bytes.
    is_over: bool,
}

impl<'b> Multipart<'b> {
    pub(crate) fn new(body: &'b mut Body, boundary: &str) -> Self {
        Self { body, splitter: Splitter::new(boundary), is_over: false }
    }

    /// The next part; what was not read of the one before is skipped. None when the body is over, whole.
    pub(crate) async fn next_part(&mut self) -> Result<Option<Part>, ApiError> {
        loop {
            match self.piece().await? {
                Some(Piece::Part(part)) => return Ok(Some(part)),
                Some(Piece::Data(_) | Piece::PartEnd) => {}
                None => return Ok(None),
            }
        }
    }

    /// The next bytes of the part; None at its end.
    pub(crate) async fn chunk(&mut self) -> Result<Option<Bytes>, ApiError> {
        match self.piece().await? {
            Some(Piece::Data(bytes)) => Ok(Some(bytes)),
            Some(Piece::PartEnd | Piece::Part(_)) | None => Ok(None),
        }
    }

    /// The whole part, which is short text in UTF-8. None when it is longer, or no such text.
    pub(crate) async fn text(&mut self, bytes_max: usize) -> Result<Option<String>, ApiError> {
        let mut whole = Vec::new();
        while let Some(bytes) = self.chunk().await? {
            if whole.len() + bytes.len() > bytes_max {
                return Ok(None);
            }
            whole.extend(bytes);
        }
        Ok(String::from_utf8(whole).ok())
    }

    async fn piece(&mut self) -> Result<Option<Piece>, ApiError> {
        loop {
            if let Some(piece) = self.splitter.next().map_err(refused)? {
                return Ok(Some(piece));
            }
            if self.is_over {
                return Ok(None);
            }
            match self.body.chunk().await? {
                Some(bytes) => self.splitter.push(&bytes),
                None => {
                    self.splitter.finish().map_err(refused)?;
                    self.is_over = true;
                }
            }
        }
    }
}

fn refused(malformed: Malformed) -> ApiError {
    match malformed {
        Malformed::TooMuchAround => {
            let message = "what stands before the first part, or behind the last, is too large";
            ApiError::new(ErrorCode::PayloadTooLarge, message)
        }
        malformed => invalid(malformed.to_string()),
    }
}

#[cfg(test)]
mod tests;
