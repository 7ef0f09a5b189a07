//! An image that was stripped, and the bound of the colour profile, which is kept beside the picture.

use ::image::metadata::Orientation;

/// The largest colour profile that is kept, in bytes once unpacked. Those of printers take up to 3 MiB; libpng, in
/// every browser, takes none of more than 8 MB.
pub(super) const PROFILE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// An image that tells nothing but the picture.
#[derive(Debug, PartialEq)]
pub(crate) struct Stripped {
    pub(crate) bytes: Vec<u8>,
    /// How to turn the picture so that it stands upright. Its bytes say so as well.
    pub(crate) orientation: Orientation,
    /// How many bytes of memory decoding takes beside the decoded picture.
    pub(crate) aside_bytes: u64,
}

impl Stripped {
    pub(super) fn upright(bytes: Vec<u8>) -> Self {
        Self { bytes, orientation: Orientation::NoTransforms, aside_bytes: 0 }
    }
}
