//! Takes out of images what tells more than the picture: where, when, with what and by whom it was made, comments,
//! previews of what was cut off, and whatever stands behind the picture's end. Pure: bytes in, bytes out;
//! [`super::receive`] calls it before a file is kept. Pixels are neither decoded nor changed here.
//!
//! Each container has a strict walk of its own, and all but AVIF's copy only what a decoder needs: what is not known
//! goes. What stays, and may tell something:
//! - colour profiles (ICC) of at most [`PROFILE_BYTES_MAX`], as they are: they can name a device;
//! - in JPEG, PNG and WebP how to turn the picture, when it does not stand upright, in an EXIF block of that alone;
//! - how a file was encoded, and what is hidden in the pixels themselves;
//! - in AVIF what [`avif`] says;
//! - everything in files that no page shows: HEIC, TIFF, documents, archives, sound and video are kept as they came.

use ::image::metadata::Orientation;

use super::kind::{Kind, Raster};

mod avif;
mod exif;
mod gif;
mod jpeg;
mod png;
mod webp;

/// The largest colour profile that is kept, in bytes once unpacked. Those of printers take up to 3 MiB; libpng, in
/// every browser, takes none of more than 8 MB.
const PROFILE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// An image that tells nothing but the picture.
#[derive(Debug, PartialEq)]
pub(super) struct Stripped {
    pub(super) bytes: Vec<u8>,
    /// How it is to be turned to stand upright; its bytes say so as well.
    pub(super) orientation: Orientation,
    /// What decoding it takes beside the decoded picture, in bytes.
    pub(super) aside_bytes: u64,
}

impl Stripped {
    fn upright(bytes: Vec<u8>) -> Self {
        Self { bytes, orientation: Orientation::NoTransforms, aside_bytes: 0 }
    }
}

/// None when the file is no whole image of its kind, or the kind is no image.
pub(super) fn strip(kind: Kind, bytes: Vec<u8>) -> Option<Stripped> {
    match kind.raster()? {
        Raster::Png => png::strip(&bytes),
        Raster::Jpeg => jpeg::strip(&bytes),
        Raster::Gif => gif::strip(&bytes),
        Raster::Webp => webp::strip(&bytes),
        Raster::Avif => avif::strip(bytes),
    }
}

/// The next `length` bytes; None, and nothing is taken, when there are fewer.
fn take<'a>(rest: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, left) = rest.split_at_checked(length)?;
    *rest = left;
    Some(taken)
}

/// The next `N` bytes; None, and nothing is taken, when there are fewer.
fn array<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, left) = rest.split_first_chunk()?;
    *rest = left;
    Some(*taken)
}

#[cfg(test)]
mod tests;
