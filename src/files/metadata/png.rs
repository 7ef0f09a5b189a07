//! PNG (W3C, third edition): a signature, then chunks. Those that say how the picture looks are kept, also of an
//! animated one; text, times, EXIF, chunks of nobody knows what, and what follows the end go.

use ::image::metadata::Orientation;

use super::{Stripped, array, exif, take};

const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";
/// All that is copied.
const KEPT: [&[u8; 4]; 18] = [
    b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"cHRM", b"gAMA", b"iCCP", b"sBIT", b"sRGB", b"cICP",
    b"mDCV", b"cLLI", b"bKGD", b"pHYs", b"acTL", b"fcTL", b"fdAT",
];

pub(super) fn strip(bytes: &[u8]) -> Option<Stripped> {
    let mut rest = bytes.strip_prefix(SIGNATURE)?;
    let mut kept = Vec::with_capacity(bytes.len());
    kept.extend(SIGNATURE);
    let (mut orientation, mut has_pixels, mut is_first) = (None, false, true);
    loop {
        let whole = rest;
        let length = u32::from_be_bytes(array(&mut rest)?);
        let kind: [u8; 4] = array(&mut rest)?;
        let payload = take(&mut rest, usize::try_from(length).ok()?)?;
        let checksum = u32::from_be_bytes(array(&mut rest)?);
        if is_first != (&kind == b"IHDR") || (is_first && length != 13) {
            return None;
        }
        is_first = false;
        if &kind == b"eXIf" && orientation.is_none() {
            let turned = exif::orientation(payload).unwrap_or(Orientation::NoTransforms);
            orientation = Some(turned);
            if let Some(block) = exif::block(turned) {
                push(&mut kept, b"eXIf", &block);
            }
        } else if KEPT.contains(&&kind) {
            if crc(&kind, payload) != checksum {
                return None;
            }
            kept.extend(&whole[..whole.len() - rest.len()]);
        } else if kind[0].is_ascii_uppercase() {
            // Without it the picture cannot be shown, and nobody here knows it.
            return None;
        }
        has_pixels |= &kind == b"IDAT";
        if &kind == b"IEND" {
            let orientation = orientation.unwrap_or(Orientation::NoTransforms);
            return has_pixels.then_some(Stripped { bytes: kept, orientation, aside_bytes: 0 });
        }
    }
}

fn push(kept: &mut Vec<u8>, kind: &[u8; 4], payload: &[u8; 26]) {
    kept.extend((payload.len() as u32).to_be_bytes());
    kept.extend(kind);
    kept.extend(payload);
    kept.extend(crc(kind, payload).to_be_bytes());
}

fn crc(kind: &[u8; 4], payload: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(kind);
    crc.update(payload);
    crc.finalize()
}
