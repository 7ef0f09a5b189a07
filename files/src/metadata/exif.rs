//! Of EXIF only the orientation is of use to a person who looks at a picture.

use ::image::metadata::Orientation;

/// How JPEG, and some writers of WebP, begin a block of EXIF.
pub(super) const PREFIX: &[u8] = b"Exif\0\0";

/// The orientation in a block of EXIF, with or without [`PREFIX`]. None when the block has none, or is damaged.
pub(super) fn orientation(block: &[u8]) -> Option<Orientation> {
    Orientation::from_exif_chunk(block.strip_prefix(PREFIX).unwrap_or(block))
}

/// A block of EXIF, without [`PREFIX`], that says this orientation alone. None when the picture stands upright without it.
pub(super) fn block(orientation: Orientation) -> Option<[u8; 26]> {
    if orientation == Orientation::NoTransforms {
        return None;
    }
    // TIFF, little-endian: one directory of one entry, tag 0x112, one short.
    let mut block = *b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\0\0\0\0\0\0\0\0";
    block[18] = orientation.to_exif();
    Some(block)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_says_its_orientation_and_upright_needs_none() {
        for n in 2..=8 {
            let turned = Orientation::from_exif(n).unwrap();
            let block = block(turned).unwrap();
            assert_eq!(orientation(&block), Some(turned));
            assert_eq!(orientation(&[PREFIX, &block].concat()), Some(turned));
            for cut in 0..20 {
                assert_eq!(orientation(&block[..cut]), None, "{cut}");
            }
        }
        assert_eq!(block(Orientation::NoTransforms), None);
        assert_eq!(orientation(b"MM\0*\0\0\0\x08\xff\xff"), None);
        assert_eq!(orientation(b"II*\0\xff\xff\xff\xff"), None);
    }
}
