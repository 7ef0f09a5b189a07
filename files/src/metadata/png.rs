//! PNG (W3C, third edition): a signature, then chunks. Chunks that say how the picture looks are kept, also those of an
//! animated picture. Text, times, EXIF, unknown chunks, and what follows the end are left out. Of the chunks that are kept a
//! reader unpacks one whole, the colour profile: it is left out when it unpacks to more than [`PROFILE_BYTES_MAX`].

use ::image::metadata::Orientation;

use super::exif;
use super::read::{array, take};
use super::stripped::{PROFILE_BYTES_MAX, Stripped};

const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";
/// How far back a zlib stream may point (RFC 1950).
const WINDOW_BYTES: usize = 32 * 1024;
/// The longest name of a colour profile.
const NAME_BYTES_MAX: usize = 79;
/// The chunks that are copied.
const KEPT: [&[u8; 4]; 18] = [
    b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"cHRM", b"gAMA", b"iCCP", b"sBIT", b"sRGB", b"cICP",
    b"mDCV", b"cLLI", b"bKGD", b"pHYs", b"acTL", b"fcTL", b"fdAT",
];

pub(super) fn strip(bytes: &[u8]) -> Option<Stripped> {
    let mut rest = bytes.strip_prefix(SIGNATURE)?;
    let mut kept = Vec::with_capacity(bytes.len());
    kept.extend(SIGNATURE);
    let (mut orientation, mut has_pixels, mut is_first, mut has_profile) = (None, false, true, false);
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
        } else if &kind == b"iCCP" && (has_profile || !is_bounded_profile(payload)) {
            // Without the profile the picture shows in slightly other colours.
        } else if KEPT.contains(&&kind) {
            if crc(&kind, payload) != checksum {
                return None;
            }
            kept.extend(&whole[..whole.len() - rest.len()]);
        } else if kind[0].is_ascii_uppercase() {
            // Without this chunk the picture cannot be shown, and its meaning is not known here.
            return None;
        }
        has_pixels |= &kind == b"IDAT";
        has_profile |= &kind == b"iCCP";
        if &kind == b"IEND" {
            let orientation = orientation.unwrap_or(Orientation::NoTransforms);
            return has_pixels.then_some(Stripped { bytes: kept, orientation, aside_bytes: 0 });
        }
    }
}

/// Whether the payload of an `iCCP` chunk (a name, a zero, the method, a zlib stream) unpacks to a profile of a size
/// that profiles have. Every reader of the file unpacks it, so a few bytes must not become hundreds of megabytes.
fn is_bounded_profile(payload: &[u8]) -> bool {
    let Some(name_bytes) = payload.iter().take(NAME_BYTES_MAX + 1).position(|byte| *byte == 0) else {
        return false;
    };
    match payload[name_bytes + 1..].split_first() {
        Some((0, stream)) if name_bytes > 0 => unpacks_to_at_most(stream, PROFILE_BYTES_MAX),
        Some(_) | None => false,
    }
}

/// Whether this is a whole zlib stream of at most `bytes_max`. Only the last part of what comes out is held.
fn unpacks_to_at_most(stream: &[u8], bytes_max: usize) -> bool {
    let mut decoder = fdeflate::Decompressor::new();
    let mut output = vec![0; 4 * WINDOW_BYTES];
    let (mut read, mut written, mut total) = (0, 0, 0);
    while total <= bytes_max {
        let Ok((consumed, produced)) = decoder.read(&stream[read..], &mut output, written, true) else {
            return false;
        };
        (read, written, total) = (read + consumed, written + produced, total + produced);
        if decoder.is_done() {
            return total <= bytes_max;
        }
        if output.len() - written < WINDOW_BYTES {
            output.copy_within(written - WINDOW_BYTES..written, 0);
            written = WINDOW_BYTES;
        } else if consumed == 0 && produced == 0 {
            return false;
        }
    }
    false
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
