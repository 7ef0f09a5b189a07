//! Thumbnails of uploaded images, whose metadata was taken out before. Making one takes CPU and memory, so `receive.rs` does
//! it on the bounded threads of `image_queue.rs` alone.
//!
//! Making a thumbnail also shows whether the image can be shown at all, while its sender is still there:
//! - an image that does not decode is refused: the sender can send it again, while the other side would only see a broken
//!   picture;
//! - an image that would take more memory than [`DECODE_BYTES_MAX`], or is sound but uses a feature that the decoder lacks,
//!   is kept without a thumbnail: a browser may be able to show it.
//!
//! The decoder counts most, not all, of what it allocates; a lossless WebP may take about twice its pixels.

use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};

use ::image::codecs::jpeg::JpegEncoder;
use ::image::{DynamicImage, ImageError, ImageFormat, ImageReader, ImageResult, Limits};

use crate::kind::Kind;
use crate::metadata::Stripped;
use crate::sniff::Refusal;

/// The longer side, in pixels.
pub(super) const SIDE_MAX: u32 = 320;
/// What the decoding of one image may allocate.
const DECODE_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// Of 100.
const JPEG_QUALITY: u8 = 80;

/// What there is to show small.
#[derive(Debug, PartialEq)]
pub(super) enum Small {
    /// The image is small enough itself.
    Itself,
    /// This one: JPEG, or PNG when something shows through.
    Picture { kind: Kind, bytes: Vec<u8> },
}

/// None when the image is kept without one.
pub(super) fn thumbnail(kind: Kind, image: &Stripped) -> Result<Option<Small>, Refusal> {
    let format = ImageFormat::from_mime_type(kind.mime()).ok_or(Refusal::DamagedImage)?;
    if !crate::image::is_known_coding(kind, &image.bytes) {
        return Ok(None);
    }
    // A decoder that panics on a hostile file has found it damaged; the panic itself is logged.
    let made = catch_unwind(AssertUnwindSafe(|| make(format, image))).map_err(|_| Refusal::DamagedImage)?;
    match made {
        Ok(small) => Ok(Some(small)),
        // AVIF is unsupported.
        Err(ImageError::Unsupported(_) | ImageError::Limits(_)) => Ok(None),
        Err(
            ImageError::Decoding(_)
            | ImageError::Encoding(_)
            | ImageError::Parameter(_)
            | ImageError::IoError(_),
        ) => Err(Refusal::DamagedImage),
    }
}

fn make(format: ImageFormat, image: &Stripped) -> ImageResult<Small> {
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(DECODE_BYTES_MAX);
    limits.reserve(image.aside_bytes)?;
    let mut reader = ImageReader::with_format(Cursor::new(&image.bytes), format);
    reader.limits(limits);
    let whole = reader.decode()?;
    if whole.width() <= SIDE_MAX && whole.height() <= SIDE_MAX {
        return Ok(Small::Itself);
    }
    let mut small = whole.thumbnail(SIDE_MAX, SIDE_MAX);
    drop(whole);
    small.apply_orientation(image.orientation);
    let mut bytes = Cursor::new(Vec::new());
    // At most 8 bits a channel: nobody sees more at this size.
    let small = small.into_rgba8();
    let kind = if small.pixels().any(|pixel| pixel.0[3] < u8::MAX) {
        small.write_to(&mut bytes, ImageFormat::Png)?;
        Kind::Png
    } else {
        let opaque = DynamicImage::from(small).into_rgb8();
        opaque.write_with_encoder(JpegEncoder::new_with_quality(&mut bytes, JPEG_QUALITY))?;
        Kind::Jpeg
    };
    Ok(Small::Picture { kind, bytes: bytes.into_inner() })
}

#[cfg(test)]
mod tests;
