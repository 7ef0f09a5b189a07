//! Takes out of images what tells more than the picture: the place, time, device and author, comments, previews of what was
//! cut off, and whatever stands behind the picture's end. Pure: bytes in, bytes out. `receive.rs` calls this before a file is
//! kept. Pixels are neither decoded nor changed here.
//!
//! Each container has a strict walk of its own, and all but AVIF's copy only what a decoder needs: what is not known
//! goes. What stays, and may tell something:
//! - colour profiles (ICC) of at most [`stripped::PROFILE_BYTES_MAX`], as they are: they can name a device;
//! - in JPEG, PNG and WebP how to turn the picture, when it does not stand upright, in an EXIF block of that alone;
//! - how a file was encoded, and what is hidden in the pixels themselves;
//! - in AVIF what [`avif`] says;
//! - everything in files that no page shows: HEIC, TIFF, documents, archives, sound and video are kept as they came.

use crate::kind::{Kind, Raster};

mod avif;
mod exif;
mod gif;
mod jpeg;
mod png;
mod read;
mod stripped;
mod webp;

pub(crate) use stripped::Stripped;

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

#[cfg(test)]
mod tests;
